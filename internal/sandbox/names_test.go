package sandbox

import (
	"fmt"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func query(t testing.TB, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	text, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func resolver(refused *[]string) *front {
	return &front{names: newNames(), cfg: &Config{
		Domains: testDomains, Allow: []Destination{{Host: "files.example", Port: 8443}},
		Observe: func(e Event) { *refused = append(*refused, e.Host) },
	}}
}

func TestResolve(t *testing.T) {
	var refused []string
	f := resolver(&refused)
	for _, x := range []struct {
		name  string
		kind  dnsmessage.Type
		addrs string
		code  dnsmessage.RCode
	}{
		{"plex.tv.", dnsmessage.TypeA, "[198.18.0.1]", dnsmessage.RCodeSuccess},
		{"Clients.PLEX.tv.", dnsmessage.TypeA, "[198.18.0.1]", dnsmessage.RCodeSuccess},
		{"plex.tv.", dnsmessage.TypeAAAA, "[]", dnsmessage.RCodeSuccess},
		{"plex.tv.", dnsmessage.TypeTXT, "[]", dnsmessage.RCodeSuccess},
		{"files.example.", dnsmessage.TypeA, "[198.18.0.2]", dnsmessage.RCodeSuccess},
		{"localhost.", dnsmessage.TypeA, "[127.0.0.1]", dnsmessage.RCodeSuccess},
		{"localhost.", dnsmessage.TypeAAAA, "[::1]", dnsmessage.RCodeSuccess},
		{"other.example.", dnsmessage.TypeA, "[]", dnsmessage.RCodeNameError},
		{"1.2.0.192.in-addr.arpa.", dnsmessage.TypePTR, "[]", dnsmessage.RCodeNameError},
	} {
		var got dnsmessage.Message
		if err := got.Unpack(f.resolve(query(t, x.name, x.kind))); err != nil {
			t.Fatal(err)
		}
		addrs := []string{}
		for _, a := range got.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				addrs = append(addrs, fmt.Sprintf("%d.%d.%d.%d", body.A[0], body.A[1], body.A[2], body.A[3]))
			case *dnsmessage.AAAAResource:
				addrs = append(addrs, "::1")
			}
		}
		if fmt.Sprint(addrs) != x.addrs || got.RCode != x.code || got.ID != 7 || !got.Response {
			t.Errorf("%s %v: %v with %v", x.name, x.kind, addrs, got.Header)
		}
	}
	if fmt.Sprint(refused) != "[other.example]" {
		t.Errorf("refused were %v", refused)
	}
}

// Attack: the program sends something other than a DNS query.
func FuzzResolve(f *testing.F) {
	f.Add(query(f, "plex.tv.", dnsmessage.TypeA))
	f.Add(query(f, "other.example.", dnsmessage.TypeAAAA))
	f.Add([]byte{})
	var refused []string
	r := resolver(&refused)
	f.Fuzz(func(t *testing.T, text []byte) {
		refused = nil
		if answer := r.resolve(text); answer != nil {
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil {
				t.Errorf("the answer to %x is %x: %v", text, answer, err)
			}
		}
	})
}

func TestParseDestination(t *testing.T) {
	for text, want := range map[string]Destination{
		"example.com": {Host: "example.com"}, "Example.com.:8443": {"example.com", 8443}, "192.0.2.1": {Host: "192.0.2.1"},
		"192.0.2.1:22": {"192.0.2.1", 22}, "2001:db8::1": {Host: "2001:db8::1"}, "[2001:db8::1]:22": {"2001:db8::1", 22},
	} {
		if got, err := ParseDestination(text); err != nil || got != want {
			t.Errorf("%s is %v: %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":80", "a:b", "a:0", "a:65536", "a:1:2", "https://example.com", "a b", "u@host"} {
		if got, err := ParseDestination(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestInDomains(t *testing.T) {
	for host, want := range map[string]bool{
		"plex.tv": true, "a.b.Plex.TV.": true, "x.plex.direct": true, "plex.direct": true,
		"aplex.tv": false, "plex.tv.example": false, "": false, "tv": false, "plex.tvx": false,
	} {
		if InDomains(host, testDomains) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
