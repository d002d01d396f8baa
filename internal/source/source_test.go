package source_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]source.Ref{
		"server://m1":              {Kind: "server", Identifier: "m1"},
		"provider://tv.plex.epg":   {Kind: "provider", Identifier: "tv.plex.epg"},
		"server://m1/library":      {Kind: "server", Identifier: "m1", Provider: "library"},
		"server://Zoë":             {Kind: "server", Identifier: "Zoë"},
		"provider://com.plex:news": {Kind: "provider", Identifier: "com.plex:news"},
	} {
		got, err := source.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%q is written as %q", text, got)
		}
	}
}

// Each kind of invalid source has its own error.
func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                                     "missing",
		"m1":                                   "neither server:// nor provider://",
		"http://m1":                            "neither server:// nor provider://",
		"SERVER://m1":                          "neither server:// nor provider://",
		"server:m1":                            "neither server:// nor provider://",
		"server://":                            "is empty",
		"server:///library":                    "is empty",
		"server://m1/":                         "is empty",
		"server://m1/a/b":                      "cannot have",
		"server://m 1":                         "space",
		"server://m1\n":                        "space",
		"server://m1?x=1":                      "cannot have",
		"server://m1\x00":                      "cannot have",
		"server://\xff":                        "UTF-8",
		"server://" + strings.Repeat("x", 300): "longer than 255",
	} {
		_, err := source.Parse(text)
		if fault.FieldOf(err) != "source" || !strings.Contains(err.Error(), says) {
			t.Errorf("Parse(%q) gives %v, want an error that says %q", text, err, says)
		}
	}
}

func TestParseConnection(t *testing.T) {
	for uri, want := range map[string]source.Connection{
		"http://192.168.1.5:32400":        {URI: "http://192.168.1.5:32400", Protocol: "http", Address: "192.168.1.5", Port: 32400},
		"https://den.example.org":         {URI: "https://den.example.org", Protocol: "https", Address: "den.example.org", Port: 443},
		"http://den.example.org/":         {URI: "http://den.example.org", Protocol: "http", Address: "den.example.org", Port: 80},
		"https://[2001:db8::1]:32400":     {URI: "https://[2001:db8::1]:32400", Protocol: "https", Address: "2001:db8::1", Port: 32400, IPv6: true},
		"http://[::ffff:192.0.2.1]:32400": {URI: "http://[::ffff:192.0.2.1]:32400", Protocol: "http", Address: "::ffff:192.0.2.1", Port: 32400},
	} {
		got, err := source.ParseConnection(uri, false, false)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", uri, diff)
		}
	}
	for _, uri := range []string{"", "den", "ftp://den", "http://", "http://den:0", "http://den:99999", "http://den:x",
		"http://mia:secret@den", "http://den?token=secret", "http://den#secret", "http://den\n", "://"} {
		if _, err := source.ParseConnection(uri, false, false); err == nil {
			t.Errorf("%q was accepted", uri)
		}
	}
}

func TestLooksLocal(t *testing.T) {
	for uri, want := range map[string]bool{
		"http://192.168.1.5:32400": true, "http://10.0.0.1": true, "http://172.16.0.1": true, "http://127.0.0.1": true,
		"http://localhost:1": true, "http://[::1]:1": true, "http://[fd00::1]:1": true, "http://[fe80::1]:1": true,
		"http://203.0.113.1": false, "https://den.example.org": false, "http://[2001:db8::1]": false, "nonsense": false, "%": false,
	} {
		if got := source.LooksLocal(uri); got != want {
			t.Errorf("LooksLocal(%s) = %v", uri, got)
		}
	}
}

// operator is the actor of the changes.
var operator = audit.Actor{Name: "test"}

// opened returns the services with the database in a folder, like the server self or,
// without self, like a command that runs next to it.
func opened(t *testing.T, dir string, self *source.Self) (*core.Core, error) {
	t.Helper()
	c, err := core.Open(t.Context(), core.Config{Dir: dir, Key: seal.NewKey([32]byte{1}), HashCost: coretest.Cheap, Self: self})
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// services is opened for a database of its own, without self.
func services(t *testing.T) *core.Core {
	t.Helper()
	c, err := opened(t, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// addMia adds an account.
func addMia(t *testing.T, c *core.Core) account.Account {
	t.Helper()
	mia, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: "mia", Managed: true})
	if err != nil {
		t.Fatal(err)
	}
	return mia
}

// This server keeps its identifier over restarts, and its connections are those where
// it listens now.
func TestSelf(t *testing.T) {
	dir := t.TempDir()
	first, err := opened(t, dir, &source.Self{Name: " \u200b", Connections: []source.Connection{{URI: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := opened(t, dir, &source.Self{Name: "den", Connections: []source.Connection{{URI: "http://127.0.0.1:2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if name := first.Sources.Self().Name; name != source.DefaultName {
		t.Errorf("a server without a name is called %q", name)
	}
	if a, b := first.Sources.Self(), second.Sources.Self(); a.Identifier != b.Identifier || len(a.Identifier) != 40 {
		t.Errorf("identifiers %q and %q", a.Identifier, b.Identifier)
	}
	stranger := addMia(t, second)
	list, err := second.Sources.Servers(t.Context(), stranger.ID)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if list[0].Name != "den" || len(list[0].Connections) != 1 || list[0].Connections[0].URI != "http://127.0.0.1:2" {
		t.Errorf("another account gets %+v", list[0])
	}
	found, err := second.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: list[0].Identifier})
	if err != nil || found.Connections[0].URI != "http://127.0.0.1:2" {
		t.Errorf("Find returned %+v, %v", found, err)
	}
	if _, err := opened(t, dir, &source.Self{MachineIdentifier: "a b"}); err == nil {
		t.Error("an identifier that is invalid in a source string was accepted")
	}
}

// Neither this server, nor a command that runs next to it and does not know which server
// runs, can remove the entry of this server. The server can remove the entry of an earlier
// identifier.
func TestSelfStays(t *testing.T) {
	dir := t.TempDir()
	command, err := opened(t, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"before", "now"} {
		server, err := opened(t, dir, &source.Self{MachineIdentifier: id})
		if err != nil {
			t.Fatal(err)
		}
		for by, c := range map[string]*core.Core{"itself": server, "a command": command} {
			err := c.Sources.Remove(t.Context(), operator, source.Ref{Kind: source.Server, Identifier: id})
			if !errors.Is(err, source.ErrSelf) {
				t.Errorf("the server %s is removed by %s: %v, want ErrSelf", id, by, err)
			}
		}
		if id == "now" {
			before := source.Ref{Kind: source.Server, Identifier: "before"}
			if err := server.Sources.Remove(t.Context(), operator, before); err != nil {
				t.Errorf("the server's earlier entry cannot be removed: %v", err)
			}
		}
	}
}

func TestAddRefuses(t *testing.T) {
	svc := services(t).Sources
	good := source.Source{Kind: "server", Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://den"}}}
	for name, change := range map[string]func(*source.Source){
		"no identifier":       func(s *source.Source) { s.Identifier = "" },
		"identifier with a /": func(s *source.Source) { s.Identifier = "a/b" },
		"no name":             func(s *source.Source) { s.Name = "" },
		"blank name":          func(s *source.Source) { s.Name = " \u3000" },
		"invisible name":      func(s *source.Source) { s.Name = "\u200b \u2800" },
		"name with an escape": func(s *source.Source) { s.Name = "\x1b[2J" },
		"no connection":       func(s *source.Source) { s.Connections = nil },
		"bad connection":      func(s *source.Source) { s.Connections = []source.Connection{{URI: "den"}} },
	} {
		src := good
		change(&src)
		if _, err := svc.Add(t.Context(), operator, src); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want an error of kind Invalid", name, err)
		}
	}
	if _, err := svc.Add(t.Context(), operator, good); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Add(t.Context(), operator, good); !errors.Is(err, source.ErrExists) {
		t.Errorf("adding it again returned %v, want ErrExists", err)
	}
	ref := source.Ref{Kind: "server", Identifier: "den"}
	if err := svc.Remove(t.Context(), operator, ref); err != nil {
		t.Fatal(err)
	}
	if err := svc.Remove(t.Context(), operator, ref); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("removing it again returned %v, want ErrNotFound", err)
	}
}

// An accepted source string is written like it was read, and its parts are safe in a header
// and in a path.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"server://m1", "provider://a/b", "server://", "x://y", "server://a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := source.Parse(text)
		if err != nil {
			return
		}
		if ref.String() != text {
			t.Errorf("%q is written as %q", text, ref)
		}
		if strings.ContainsAny(ref.Identifier+ref.Provider, "/?# \r\n\x00") {
			t.Errorf("%q has the parts %+v", text, ref)
		}
	})
}

// A connection that is accepted is a URL that leads to the address it names.
func FuzzParseConnection(f *testing.F) {
	for _, seed := range []string{"http://192.168.1.5:32400", "https://[::1]:1/", "http://a:b@c", "https://x?y#z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		c, err := source.ParseConnection(uri, false, false)
		if err != nil {
			return
		}
		u, err := url.Parse(c.URI)
		if err != nil || u.Hostname() != c.Address || u.Scheme != c.Protocol || c.Port < 1 || c.Port > 65535 {
			t.Errorf("%q is read as %+v", uri, c)
		}
	})
}

// A stored connection that cannot be parsed is a failure of the server: the caller of
// Find did not send it, and must not see it.
func TestStoredConnectionIsNotAnError(t *testing.T) {
	c := services(t)
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := store.Sources{}.Insert(ctx, tx, source.Source{
			Kind: "server", Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "den"}},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Sources.Find(t.Context(), source.Ref{Kind: "server", Identifier: "den"})
	if err == nil || fault.KindOf(err) != fault.Unknown {
		t.Errorf("error %v of kind %v, want an error without a kind", err, fault.KindOf(err))
	}
}

func TestShares(t *testing.T) {
	c := services(t)
	mia, svc := addMia(t, c), c.Sources
	den, err := svc.Add(t.Context(), operator, source.Source{
		Kind: "server", Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://den"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what   string
		change func(context.Context, audit.Actor, source.Source, int64) error
		want   error
	}{
		{"removing a share that does not exist", svc.Unshare, source.ErrNotShared},
		{"sharing", svc.Share, nil},
		{"sharing again", svc.Share, source.ErrShared},
		{"removing the share", svc.Unshare, nil},
		{"removing it again", svc.Unshare, source.ErrNotShared},
	} {
		if err := step.change(t.Context(), operator, den, mia.ID); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, err, step.want)
		}
	}
}

// Clients get every text of a source: the one that an admin set, or "unknown". The list
// for admins has only the texts that were set.
func TestTexts(t *testing.T) {
	c, err := opened(t, t.TempDir(), &source.Self{MachineIdentifier: "self"})
	if err != nil {
		t.Fatal(err)
	}
	connections := []source.Connection{{URI: "http://den:1"}}
	for _, src := range []source.Source{
		{Kind: source.Server, Identifier: "bare", Name: "Bare", Connections: connections},
		{
			Kind: source.Server, Identifier: "full", Name: "Full", Connections: connections, Product: "P",
			ProductVersion: "1", Platform: "Linux", PlatformVersion: "12", Device: "NAS",
		},
		{
			Kind: source.Server, Identifier: "unseen", Name: " Unseen\u200b ", Connections: connections, Product: " ",
			ProductVersion: "\u200b", Platform: "\u202e", PlatformVersion: "\u2800 \u3000", Device: " N\u200bAS ",
		},
	} {
		if _, err := c.Sources.Add(t.Context(), operator, src); err != nil {
			t.Fatal(err)
		}
	}
	texts := func(s source.Source) [5]string {
		return [5]string{s.Product, s.ProductVersion, s.Platform, s.PlatformVersion, s.Device}
	}
	for identifier, want := range map[string][5]string{
		"bare": {source.Unknown, source.Unknown, source.Unknown, source.Unknown, source.Unknown},
		"full": {"P", "1", "Linux", "12", "NAS"},
		// An invisible text counts as missing.
		"unseen": {source.Unknown, source.Unknown, source.Unknown, source.Unknown, "NAS"},
		"self":   texts(c.Sources.Self()),
	} {
		got, err := c.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: identifier})
		if err != nil || texts(got) != want {
			t.Errorf("%s has %q (%v), want %q", identifier, texts(got), err, want)
		}
	}
	for _, text := range texts(c.Sources.Self()) {
		if text == "" {
			t.Errorf("this server has an empty text in %q", texts(c.Sources.Self()))
		}
	}
	list, err := paging.Rows(c.Sources.List(t.Context(), source.Server, paging.Request{}))
	if err != nil || texts(list[0]) != [5]string{} {
		t.Errorf("the list has %+v (%v), want the given values", list, err)
	}
	for field, src := range map[string]source.Source{
		"product": {Product: "a\nb"}, "version": {ProductVersion: "\xff"}, "device": {Device: strings.Repeat("x", 256)},
		"platform": {Platform: "\x1b[2J"}, "platformVersion": {PlatformVersion: "\u009b"},
	} {
		src.Kind, src.Identifier, src.Name, src.Connections = source.Server, "odd", "Odd", connections
		if _, err := c.Sources.Add(t.Context(), operator, src); fault.FieldOf(err) != field {
			t.Errorf("a bad %s returned %v", field, err)
		}
	}
}
