package plexauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// den is a network with the server "den" at every address. It records the
// requests.
type den struct {
	mu    sync.Mutex
	asked []*http.Request
	// delay is how long a host takes to respond.
	delay map[string]time.Duration
}

// RoundTrip implements http.RoundTripper.
func (d *den) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	d.asked = append(d.asked, r)
	d.mu.Unlock()
	time.Sleep(d.delay[r.URL.Host])
	return answer(200, `{"MediaContainer":{"machineIdentifier":"den"}}`, "Set-Cookie", "planted=1"), nil
}

// urls returns the requested URLs in order.
func (d *den) urls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, r := range d.asked {
		list = append(list, r.URL.String())
	}
	slices.Sort(list)
	return list
}

func TestConnectionWithoutURI(t *testing.T) {
	for name, test := range map[string]struct {
		conn plexauth.Connection
		want string // "" if the connection is left out
	}{
		"IPv4":                   {plexauth.Connection{Protocol: "http", Address: "192.0.2.5", Port: 32400}, "http://192.0.2.5:32400"},
		"a blank URI":            {plexauth.Connection{URI: " ", Protocol: "http", Address: "192.0.2.5", Port: 32400}, "http://192.0.2.5:32400"},
		"no scheme":              {plexauth.Connection{URI: "192.0.2.5:32400", Protocol: "http", Address: "192.0.2.5", Port: 32400}, "http://192.0.2.5:32400"},
		"a URI of nothing":       {plexauth.Connection{URI: "null", Protocol: "https", Address: "den.example", Port: 443}, "https://den.example:443"},
		"capitals":               {plexauth.Connection{URI: "HTTP://192.0.2.5:32400"}, "HTTP://192.0.2.5:32400"},
		"IPv6":                   {plexauth.Connection{Protocol: "https", Address: "2001:db8::5", Port: 32400, IPv6: true}, "https://[2001:db8::5]:32400"},
		"IPv6 in brackets":       {plexauth.Connection{Protocol: "https", Address: "[2001:db8::5]", Port: 32400}, "https://[2001:db8::5]:32400"},
		"IPv6 with a zone":       {plexauth.Connection{Protocol: "http", Address: "fe80::1%eth0", Port: 32400}, "http://[fe80::1%25eth0]:32400"},
		"a name":                 {plexauth.Connection{Protocol: "HTTPS", Address: "den.example", Port: 443}, "https://den.example:443"},
		"nothing":                {plexauth.Connection{}, ""},
		"no protocol":            {plexauth.Connection{Address: "192.0.2.5", Port: 32400}, ""},
		"another protocol":       {plexauth.Connection{Protocol: "file", Address: "192.0.2.5", Port: 32400}, ""},
		"no address":             {plexauth.Connection{Protocol: "http", Port: 32400}, ""},
		"no port":                {plexauth.Connection{Protocol: "http", Address: "192.0.2.5"}, ""},
		"a negative port":        {plexauth.Connection{Protocol: "http", Address: "192.0.2.5", Port: -1}, ""},
		"a large port":           {plexauth.Connection{Protocol: "http", Address: "192.0.2.5", Port: 65536}, ""},
		"attack: a path":         {plexauth.Connection{Protocol: "http", Address: "evil.example/x?y=", Port: 32400}, ""},
		"attack: a user":         {plexauth.Connection{Protocol: "http", Address: "den@evil.example", Port: 32400}, ""},
		"attack: a fragment":     {plexauth.Connection{Protocol: "http", Address: "evil.example#", Port: 32400}, ""},
		"attack: another line":   {plexauth.Connection{Protocol: "http", Address: "den\r\nX-A: b", Port: 32400}, ""},
		"attack: another port":   {plexauth.Connection{Protocol: "http", Address: "den:22", Port: 32400}, ""},
		"attack: a backslash":    {plexauth.Connection{Protocol: "http", Address: `evil.example\den`, Port: 32400}, ""},
		"attack: only a bracket": {plexauth.Connection{Protocol: "http", Address: "[", Port: 32400}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			network := &den{}
			c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: network}}
			r := &plexauth.Resource{ClientIdentifier: "den", Connections: []plexauth.Connection{test.conn}}
			got, err := c.Connect(t.Context(), r)
			if r.Connections[0] != test.conn {
				t.Errorf("the resource was changed: %+v", r.Connections[0])
			}
			if test.want == "" {
				if !errors.As(err, new(*plexauth.Error)) || len(network.urls()) > 0 {
					t.Errorf("Connect returned %v, %v and asks %q", got, err, network.urls())
				}
			} else if err != nil || got.URI != test.want || got.Address != test.conn.Address {
				t.Errorf("Connect returned %+v, %v, want %s", got, err, test.want)
			}

			body := fmt.Sprintf(`[{"clientIdentifier":"den","connections":[{"uri":%q,"protocol":%q,"address":%q,"port":%d}]}]`,
				test.conn.URI, test.conn.Protocol, test.conn.Address, test.conn.Port)
			list, err := client(body).Resources(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			if conns := list[0].Connections; test.want == "" && len(conns) > 0 || test.want != "" && (len(conns) != 1 || conns[0].URI != test.want) {
				t.Errorf("%s has the connections %+v, want %q", body, conns, test.want)
			}
		})
	}
}

// Attack: an address in a server's list belongs to another person, who reads what the
// program sends to every server.
func TestProbesCarryNothing(t *testing.T) { synctest.Test(t, probesCarryNothing) }

func probesCarryNothing(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	network := &den{}
	var log bytes.Buffer
	c := &plexauth.Client{
		ClientIdentifier: "secret-id", Token: plexauth.StaticToken("secret-token"), HTTPClient: &http.Client{Transport: network, Jar: jar},
		Product: "secret-product", Version: "secret", Platform: "secret", PlatformVersion: "secret", Device: "secret", DeviceName: "secret",
		DeviceVendor: "secret", Model: "secret", UserAgent: "secret-agent",
		Header: http.Header{
			"Authorization": {"Basic secret"}, "Cookie": {"session=secret"}, "Proxy-Authorization": {"secret"}, "x-plex-token": {"secret"},
			"Accept": {"application/secret"}, "X-Anything": {"secret"},
		},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	r := &plexauth.Resource{ClientIdentifier: "den", AccessToken: "secret-access", Connections: []plexauth.Connection{
		{URI: "https://den.example:32400", Local: true}, {URI: "http://192.0.2.5:32400"}, {URI: "https://relay.example", Relay: true},
		{Protocol: "http", Address: "192.0.2.6", Port: 32400},
	}}
	for _, conn := range r.Connections[:3] {
		u, err := url.Parse(conn.URI)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "secret"}})
	}
	if _, err := c.Connect(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // for the probes that lost
	want := http.Header{"Accept": {"application/json"}, "User-Agent": {"plexauth (Go)"}}
	for _, asked := range network.asked {
		if sent := fmt.Sprint(asked.Header); sent != fmt.Sprint(want) || asked.URL.RawQuery != "" || asked.URL.Path != "/identity" || asked.Body != nil {
			t.Errorf("%s %s was sent with %s", asked.Method, asked.URL, sent)
		}
		for _, cookie := range jar.Cookies(asked.URL) {
			if cookie.Name == "planted" {
				t.Errorf("%s planted a cookie", asked.URL)
			}
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log is %s", log.String())
	}

	// Identity calls a server that the program has chosen, with all headers.
	c.MediaURL = "https://den.example:32400"
	network.asked = nil
	if _, err := c.Identity(t.Context()); err != nil || network.asked[0].Header.Get("X-Anything") != "secret" ||
		network.asked[0].Header.Get("X-Plex-Client-Identifier") != "secret-id" {
		t.Errorf("Identity sends %v, %v", network.asked[0].Header, err)
	}
}

func TestConnectPrefersTLS(t *testing.T) {
	const late = 100 * time.Millisecond
	local, localTLS := plexauth.Connection{URI: "http://local", Local: true}, plexauth.Connection{URI: "HTTPS://local-tls", Local: true}
	remote, remoteTLS := plexauth.Connection{URI: "http://remote"}, plexauth.Connection{URI: "https://remote-tls"}
	relay, relayTLS := plexauth.Connection{URI: "http://relay", Relay: true}, plexauth.Connection{URI: "https://relay-tls", Relay: true}
	for name, test := range map[string]struct {
		required bool
		conns    []plexauth.Connection
		late     string // the host that is slow
		want     string // "" if no connection has an address
		plain    bool   // whether plain HTTP is tried
	}{
		"TLS first":                           {false, []plexauth.Connection{local, localTLS}, "", "HTTPS://local-tls", true},
		"TLS is later, and waited for":        {false, []plexauth.Connection{local, localTLS}, "local-tls", "HTTPS://local-tls", true},
		"remote":                              {false, []plexauth.Connection{remote, remoteTLS}, "remote-tls", "https://remote-tls", true},
		"a relay":                             {false, []plexauth.Connection{relay, relayTLS}, "relay-tls", "https://relay-tls", true},
		"the local network is preferred":      {false, []plexauth.Connection{remoteTLS, local}, "", "http://local", true},
		"a remote one is preferred":           {false, []plexauth.Connection{relayTLS, remote}, "", "http://remote", true},
		"required":                            {true, []plexauth.Connection{local, localTLS, remoteTLS}, "local-tls", "HTTPS://local-tls", false},
		"required, and only elsewhere":        {true, []plexauth.Connection{local, remote, relayTLS}, "relay-tls", "https://relay-tls", false},
		"required, without TLS":               {true, []plexauth.Connection{local, remote, relay}, "", "", false},
		"attack: the protocol is wrong":       {true, []plexauth.Connection{{URI: "http://local", Protocol: "https", Local: true}}, "", "", false},
		"required, built from the parts":      {true, []plexauth.Connection{{Protocol: "http", Address: "local", Port: 1}, {Protocol: "https", Address: "local", Port: 1}}, "", "https://local:1", false},
		"attack: a space before the protocol": {true, []plexauth.Connection{{URI: " http://local", Local: true}}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &den{delay: map[string]time.Duration{test.late: late}}
				c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: network}}
				got, err := c.Connect(t.Context(), &plexauth.Resource{ClientIdentifier: "den", HTTPSRequired: test.required, Connections: test.conns})
				if test.want == "" {
					if !errors.As(err, new(*plexauth.Error)) || !strings.Contains(err.Error(), "requires TLS") || errors.Is(err, plexauth.ErrUnreachable) {
						t.Errorf("Connect returned %v, %v", got, err)
					}
				} else if err != nil || got.URI != test.want {
					t.Errorf("Connect returned %v, %v, want %s", got, err, test.want)
				}
				synctest.Wait()
				plain := slices.ContainsFunc(network.urls(), func(u string) bool { return strings.HasPrefix(u, "http:") })
				if plain != test.plain {
					t.Errorf("it asks %q", network.urls())
				}
			})
		})
	}
}

// The address of a server without HTTPSRequired still works at the real server.
func TestConnectToServer(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Admin)
	list, err := c.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	srv.ResetRequests()
	if _, err := c.Connect(t.Context(), &list[0]); err != nil {
		t.Fatal(err)
	}
	for _, r := range srv.Requests() {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-") || name == "Cookie" || name == "Authorization" {
				t.Errorf("the header %s was sent", name)
			}
		}
	}
}

// An address that is listed twice is requested once.
func TestConnectAsksOnce(t *testing.T) {
	network := &den{}
	c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: network}}
	r := &plexauth.Resource{ClientIdentifier: "den", Connections: []plexauth.Connection{
		{URI: "https://den.example", Relay: true}, {URI: "https://den.example", Relay: true}, {URI: "https://den.example", Relay: true},
		{Protocol: "https", Address: "192.0.2.5", Port: 443, Relay: true}, {URI: "https://192.0.2.5:443", Relay: true},
	}}
	got, err := c.Connect(t.Context(), r)
	if err != nil || !got.Relay {
		t.Errorf("Connect returned %+v, %v", got, err)
	}
	if urls := network.urls(); len(urls) > 2 {
		t.Errorf("it asks %q", urls)
	}
	if len(r.Connections) != 5 || r.Connections[3].URI != "" {
		t.Errorf("the resource was changed: %+v", r.Connections)
	}
}
