package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/httpd"
)

// The address of a request, with proxies at 10.0.0.0/8 and ::1.
func TestBehindProxies(t *testing.T) {
	var proxies []netip.Prefix
	for _, text := range []string{"10.0.0.0/8", "::1"} {
		p, err := httpd.ParseProxy(text)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, p)
	}
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"straight from the client", "192.0.2.1:5", nil, "192.0.2.1:5"},
		{"through a proxy", "10.0.0.1:5", []string{"192.0.2.1"}, "192.0.2.1:5"},
		{"through a proxy that says nothing", "10.0.0.1:5", nil, "10.0.0.1:5"},
		{"through two", "10.0.0.1:5", []string{"192.0.2.1, 10.9.9.9"}, "192.0.2.1:5"},
		{"two lines of the header", "10.0.0.1:5", []string{"192.0.2.7", "192.0.2.1"}, "192.0.2.1:5"},
		{"IPv6", "[::1]:5", []string{"2001:db8::1"}, "[2001:db8::1]:5"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", []string{"::ffff:192.0.2.1"}, "192.0.2.1:5"},
		{"with a port", "10.0.0.1:5", []string{"203.0.113.9:444"}, "203.0.113.9:5"},
		{"IPv6 with a port", "10.0.0.1:5", []string{"[2001:db8::1]:80"}, "[2001:db8::1]:5"},
		{"IPv6 in brackets", "10.0.0.1:5", []string{"[2001:db8::1]"}, "[2001:db8::1]:5"},
		{"through two with ports", "10.0.0.1:5", []string{"192.0.2.1:7, 10.9.9.9:8"}, "192.0.2.1:5"},
		{"empty elements", "10.0.0.1:5", []string{" ,192.0.2.1, ,10.9.9.9,", ""}, "192.0.2.1:5"},
		{"only empty elements", "10.0.0.1:5", []string{", ,"}, "10.0.0.1:5"},
		{"a client inside", "10.0.0.1:5", []string{"10.0.0.7"}, "10.0.0.7:5"},
		{"attack: the header from a stranger", "192.0.2.1:5", []string{"192.0.2.9"}, "192.0.2.1:5"},
		{"attack: the header from a client behind the proxy", "10.0.0.1:5", []string{"192.0.2.9, 192.0.2.1"}, "192.0.2.1:5"},
		{"attack: a long zone", "10.0.0.1:5", []string{"fe80::1%" + strings.Repeat("a", 9000)}, "[fe80::1]:5"},
		{"attack: a long zone and a port", "10.0.0.1:5", []string{"[fe80::1%" + strings.Repeat("a", 9000) + "]:80"}, "[fe80::1]:5"},
		{"attack: a zone around a proxy's address", "10.0.0.1:5", []string{"192.0.2.9, ::1%x"}, "192.0.2.9:5"},
		{"attack: half a bracket", "10.0.0.1:5", []string{"192.0.2.9, [2001:db8::1"}, "10.0.0.1:5"},
		{"attack: an invalid port", "10.0.0.1:5", []string{"192.0.2.9, 192.0.2.1:99999"}, "10.0.0.1:5"},
		{"attack: an empty element after a stranger's", "10.0.0.1:5", []string{"192.0.2.9,, 192.0.2.1"}, "192.0.2.1:5"},
		{"attack: no address in it", "10.0.0.1:5", []string{"192.0.2.9, evil"}, "10.0.0.1:5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			for _, line := range c.header {
				r.Header.Add("X-Forwarded-For", line)
			}
			got := ""
			h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })
			httpd.BehindProxies(h, proxies).ServeHTTP(nil, r)
			if got != c.want {
				t.Errorf("the address is %s, want %s", got, c.want)
			}
		})
	}
	for _, text := range []string{"", "proxy.example.org", "10.0.0.0/33"} {
		if _, err := httpd.ParseProxy(text); err == nil {
			t.Errorf("%q is accepted as a proxy", text)
		}
	}
}

// Attack: a client sends arbitrary text as X-Forwarded-For. The result must be an address
// with a port, short and without a zone.
func FuzzForwardedFor(f *testing.F) {
	for _, header := range []string{
		"192.0.2.1", "203.0.113.9:444", "2001:db8::1", "[2001:db8::1]:80", "[2001:db8::1]", "fe80::1%eth0", "[fe80::1%a]:1",
		"192.0.2.9, 10.0.0.7", "evil, 10.0.0.7:1", "", ",", "[", "::ffff:10.0.0.1, ::ffff:192.0.2.1", "1.2.3.4:99999",
	} {
		f.Add(header)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:5"
		r.Header["X-Forwarded-For"] = []string{header}
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			address, err := netip.ParseAddrPort(r.RemoteAddr)
			if err != nil || address.Addr().Zone() != "" || address.Addr().Is4In6() || address.Port() != 5 {
				t.Errorf("%q: the address is %q, %v", header, r.RemoteAddr, err)
			}
		})
		httpd.BehindProxies(h, proxies).ServeHTTP(nil, r)
	})
}
