package plexauthtest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// A program with the addresses of the real service written in signs in.
func TestTransport(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	for _, account := range []string{"", "https://plex.tv", "https://clients.plex.tv", "http://plex.tv", "https://PLEX.TV:443"} {
		c := &plexauth.Client{
			ClientIdentifier: "written-in", HTTPClient: &http.Client{Transport: srv.Transport()}, AccountURL: account,
			MediaURL: "https://192-0-2-5.0123456789abcdef.plex.direct:32400",
		}
		signedIn, err := c.SignIn(t.Context(), srv.Member.Credentials())
		if err != nil {
			t.Fatalf("%s: %v", account, err)
		}
		c.Token = plexauth.StaticToken(signedIn.AuthToken)
		mustBe(t, c, srv.Member)
		if _, err := c.TransientToken(t.Context()); err != nil {
			t.Errorf("%s: the media plane: %v", account, err)
		}
		list, err := c.Resources(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := c.Connect(t.Context(), &list[0]); err != nil || conn.URI != srv.MediaURL {
			t.Errorf("%s: Connect returned %v, %v", account, conn, err)
		}
	}
}

// The server receives the Host header that the program sent.
func TestTransportHost(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	for account, want := range map[string]string{
		"": "http://plex.tv/", "https://clients.plex.tv": "http://clients.plex.tv/", "https://a.b.plex.direct:32400": "http://a.b.plex.direct:32400/",
	} {
		c := &plexauth.Client{ClientIdentifier: "x", AccountURL: account, HTTPClient: &http.Client{Transport: srv.Transport()}}
		pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{})
		if err != nil || !strings.HasPrefix(pin.QR, want) {
			t.Errorf("%q: PIN %+v, %v", account, pin, err)
		}
	}
}

// Every other host is an error that names it, and nothing is sent.
func TestTransportRefuses(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	for _, address := range []string{
		"https://example.org/x?X-Plex-Token=secret", "https://notplex.tv", "https://plex.tv.example.org", "https://plex.direct.example.org",
		"https://plex.direct", "https://plex.tv@example.org", "http://127.0.0.1:1", "http://localhost:32400", "ftp://plex.tv", "https://xplex.direct",
	} {
		body := &closes{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Transport().RoundTrip(req)
		if err == nil || res != nil || !strings.HasPrefix(err.Error(), "plexauthtest: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s returned %v, %v", address, res, err)
		}
		if err != nil && req.URL.Scheme != "ftp" && (!strings.Contains(err.Error(), req.URL.Host) || !strings.Contains(err.Error(), "*.plex.tv")) {
			t.Errorf("%s: the error does not name the host: %v", address, err)
		}
		if !body.closed {
			t.Errorf("%s: the body was not closed", address)
		}
	}
	if n := len(srv.Requests()); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
	c := &plexauth.Client{ClientIdentifier: "x", AccountURL: "https://example.org", HTTPClient: &http.Client{Transport: srv.Transport()}}
	if err := c.Ping(t.Context()); !errors.As(err, new(*plexauth.Error)) || !strings.Contains(err.Error(), `the program calls "example.org"`) {
		t.Errorf("the SDK reports %v", err)
	}
}

// closes is a body that records that it was closed.
type closes struct {
	io.Reader
	closed bool
}

// Close implements io.Closer.
func (c *closes) Close() error { c.closed = true; return nil }

// The transport does not modify the request, and the response refers to it: a
// client follows redirects and stores cookies for the host that it called.
func TestTransportKeepsTheRequest(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	program := &http.Client{Transport: srv.Transport(), Jar: jar}
	srv.InjectFault(plexauthtest.Fault{Path: "/old", Status: 302, Header: map[string]string{"Location": "/api/v2/ping", "Set-Cookie": "a=b; Secure; Path=/"}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://plex.tv/old", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := program.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Request.URL.String(); got != "https://plex.tv/api/v2/ping" || res.StatusCode != 200 {
		t.Errorf("%d from %s", res.StatusCode, got)
	}
	if req.URL.String() != "https://plex.tv/old" || req.Host != "plex.tv" {
		t.Errorf("the request is now for %s at %s", req.URL, req.Host)
	}
	if cookies := jar.Cookies(&url.URL{Scheme: "https", Host: "plex.tv"}); len(cookies) != 1 {
		t.Errorf("cookies %v", cookies)
	}
	program.CloseIdleConnections()
}

// Faults reach a program behind the transport, and so does a restart.
func TestTransportAndFaults(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	c.AccountURL, c.HTTPClient = "", &http.Client{Transport: srv.Transport()}
	for name, f := range map[string]plexauthtest.Fault{"drop": {Drop: true, Times: 1}, "truncate": {Truncate: 5, Times: 1}} {
		srv.InjectFault(f)
		if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnreachable) {
			t.Errorf("%s: %v, want ErrUnreachable", name, err)
		}
	}
	srv.Restart()
	mustBe(t, c, srv.Member)
}

func TestTransportFromManyGoroutines(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	token := srv.Token(srv.Member)
	shared, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://plex.tv/api/v2/user", nil)
	if err != nil {
		t.Fatal(err)
	}
	shared.Header.Set("X-Plex-Token", string(token))
	shared.Header.Set("X-Plex-Client-Identifier", "shared")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			res, err := srv.Transport().RoundTrip(shared)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
				t.Error(res.Status, err)
			}
			_ = srv.Requests()
		})
	}
	wg.Wait()
}
