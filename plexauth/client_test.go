package plexauth_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// formats runs a test twice: with a client that requests JSON, which is the
// default, and with a client that requests XML.
func formats(t *testing.T, test func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client)) {
	t.Helper()
	for _, format := range []string{"application/json", "application/xml"} {
		t.Run(format, func(t *testing.T) {
			srv := plexauthtest.New(t, plexauthtest.Config{})
			test(t, srv, func(p *plexauthtest.User) *plexauth.Client {
				c := srv.AnonymousClient()
				if p != nil {
					c = srv.Client(p)
				}
				c.Header = http.Header{"Accept": {format}}
				return c
			})
		})
	}
}

func TestSignIn(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		c := as(nil)
		account, err := c.SignIn(t.Context(), srv.Member.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		if account.Username != "member" || account.Email != "member@example.org" || account.ID == 0 || account.UUID == "" ||
			!account.HasPassword || account.TwoFactorEnabled || account.JoinedAt.IsZero() || len(account.AuthToken) != 20 {
			t.Errorf("account %+v", account)
		}
		if !strings.Contains(string(account.Raw()), "mailingListStatus") {
			t.Errorf("the raw document is %s", account.Raw())
		}
		c.Token = plexauth.StaticToken(account.AuthToken)
		details, err := c.TokenDetails(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if details.ID != account.ID || details.AuthToken != account.AuthToken {
			t.Errorf("token details %+v", details)
		}
	})
}

func TestSignInRefused(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		c := as(nil)
		wrong := srv.Member.Credentials()
		wrong.Password = "not this one"
		_, err := c.SignIn(t.Context(), wrong)
		if !errors.Is(err, plexauth.ErrUnauthorized) || errors.Is(err, plexauth.ErrVerificationRequired) || errors.Is(err, plexauth.ErrUnreachable) {
			t.Errorf("a wrong password returned %v", err)
		}
		if strings.Contains(err.Error(), "not this one") {
			t.Errorf("the error shows the password: %v", err)
		}
		in := srv.TwoFactor.Credentials()
		in.VerificationCode = ""
		_, err = c.SignIn(t.Context(), in)
		if !errors.Is(err, plexauth.ErrVerificationRequired) || !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("a missing code returned %v", err)
		}
		var e *plexauth.Error
		if !errors.As(err, &e) {
			t.Fatalf("error %T", err)
		}
		want := &plexauth.Error{
			Operation: "SignIn", Method: "POST", URL: srv.AccountURL + "/api/v2/users/signin", StatusCode: 401,
			Details: []plexauth.ErrorDetail{{Code: 1029, Message: "Please enter the verification code"}},
		}
		got := &plexauth.Error{Operation: e.Operation, Method: e.Method, URL: e.URL, StatusCode: e.StatusCode, Details: e.Details}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) })); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		in.VerificationCode = srv.TwoFactor.VerificationCode()
		if account, err := c.SignIn(t.Context(), in); err != nil || !account.TwoFactorEnabled {
			t.Errorf("with the code: %+v, %v", account, err)
		}
	})
}

func TestMediaPlane(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		admin := as(srv.Admin)
		transient, err := admin.TransientToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if in := time.Until(transient.ExpiresAt); in < 47*time.Hour || in > 48*time.Hour || !strings.HasPrefix(string(transient.Token), "transient-") {
			t.Errorf("transient token %+v, for %v", transient, in)
		}
		delegate := *admin
		delegate.Token = plexauth.StaticToken(transient.Token)
		for _, c := range []*plexauth.Client{admin, &delegate} {
			got, err := c.SourceConnection(t.Context(), srv.Den.Source)
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessToken == "" {
				t.Error("there is no token for the source")
			}
			got.AccessToken = ""
			want := &plexauth.SourceConnection{
				Name: "Den", ClientIdentifier: "den", Connections: []plexauth.Connection{
					{URI: "http://192.0.2.5:32400", Protocol: "http", Address: "192.0.2.5", Port: 32400, Local: true},
					{URI: "https://[2001:db8::5]:32400", Protocol: "https", Address: "2001:db8::5", Port: 32400, IPv6: true},
					{URI: "https://relay.example.org:443", Protocol: "https", Address: "relay.example.org", Port: 443, Relay: true},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
		}
		if got, err := admin.SourceConnection(t.Context(), srv.Guide.Source); err != nil || got.Name != "Guide" {
			t.Errorf("a provider returned %+v, %v", got, err)
		}
		if _, err := as(srv.Member).SourceConnection(t.Context(), srv.Den.Source); !errors.Is(err, plexauth.ErrForbidden) {
			t.Errorf("a member gets %v, want ErrForbidden", err)
		}
		if _, err := admin.SourceConnection(t.Context(), plexauth.ServerSource("nobody")); !errors.Is(err, plexauth.ErrNotFound) {
			t.Errorf("an unknown source returned %v, want ErrNotFound", err)
		}
		if id, err := as(nil).Identity(t.Context()); err != nil || id.MachineIdentifier != srv.Self.Identifier || !id.Claimed {
			t.Errorf("identity %+v, %v", id, err)
		}
	})
}

func TestResourcesAndSignOut(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		c := as(srv.Member)
		list, err := c.Resources(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		den := list[1]
		if den.Name != "Den" || den.Owned || den.OwnerID == 0 || den.SourceTitle != "admin" || len(den.Connections) != 3 ||
			den.AccessToken == "" || den.CreatedAt.IsZero() || !cmp.Equal(den.Provides, []string{"server"}) {
			t.Errorf("resource %+v", den)
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("after signing out: %v, want ErrUnauthorized", err)
		}
	})
}

// calls returns every method that sends a request.
func calls(c *plexauth.Client) map[string]func(context.Context) error {
	key, _ := plexauth.LoadDeviceKey("") // it cannot fail
	return map[string]func(context.Context) error{
		"SignIn": func(ctx context.Context) error {
			_, err := c.SignIn(ctx, plexauth.SignInRequest{Login: "x"})
			return err
		},
		"TokenDetails":   func(ctx context.Context) error { _, err := c.TokenDetails(ctx); return err },
		"TransientToken": func(ctx context.Context) error { _, err := c.TransientToken(ctx); return err },
		"SourceConnection": func(ctx context.Context) error {
			_, err := c.SourceConnection(ctx, plexauth.ServerSource("den"))
			return err
		},
		"StartPIN":     func(ctx context.Context) error { _, err := c.StartPIN(ctx, plexauth.PINRequest{}); return err },
		"CheckPIN":     func(ctx context.Context) error { _, err := c.CheckPIN(ctx, &plexauth.PIN{ID: 1}); return err },
		"LinkPIN":      func(ctx context.Context) error { return c.LinkPIN(ctx, "ABCD") },
		"QRCode":       func(ctx context.Context) error { _, err := c.QRCode(ctx, &plexauth.PIN{Code: "ABCD"}); return err },
		"AccountOf":    func(ctx context.Context) error { _, err := c.AccountOf(ctx, "t"); return err },
		"Devices":      func(ctx context.Context) error { _, err := c.Devices(ctx); return err },
		"RemoveDevice": func(ctx context.Context) error { return c.RemoveDevice(ctx, 7) },
		"RegisterKey":  func(ctx context.Context) error { return c.RegisterKey(ctx, key) },
		"ExchangeJWT":  func(ctx context.Context) error { _, err := c.ExchangeJWT(ctx, key); return err },
		"HomeUsers":    func(ctx context.Context) error { _, err := c.HomeUsers(ctx); return err },
		"SwitchHomeUser": func(ctx context.Context) error {
			_, err := c.SwitchHomeUser(ctx, "u", "1234")
			return err
		},
		"SignOut":   c.SignOut,
		"Ping":      c.Ping,
		"Resources": func(ctx context.Context) error { _, err := c.Resources(ctx); return err },
		"Identity":  func(ctx context.Context) error { _, err := c.Identity(ctx); return err },
		"Connect": func(ctx context.Context) error {
			uri := c.MediaURL
			if uri == "" {
				uri = "http://media.example"
			}
			_, err := c.Connect(ctx, &plexauth.Resource{Connections: []plexauth.Connection{{URI: uri}}})
			return err
		},
	}
}

// Every method returns when its context ends, even while it waits for a response or for the
// next retry.
func TestEveryMethodObeysItsContext(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Admin)
	c.Retry = &plexauth.Retry{InitialInterval: time.Hour}
	all := calls(c)
	all["WaitPIN"] = func(ctx context.Context) error { _, err := c.WaitPIN(ctx, &plexauth.PIN{ID: 1}); return err }
	methods := reflect.TypeFor[*plexauth.Client]()
	for i := range methods.NumMethod() {
		m := methods.Method(i)
		if m.Type.NumIn() > 1 && m.Type.In(1) == reflect.TypeFor[context.Context]() && all[m.Name] == nil {
			t.Errorf("%s is not tested", m.Name)
		}
	}
	ends := map[error]func(context.Context) (context.Context, context.CancelFunc){
		plexauth.ErrUnreachable: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 30*time.Millisecond)
		},
		context.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(30*time.Millisecond, cancel)
			return ctx, cancel
		},
	}
	for what, f := range map[string]plexauthtest.Fault{
		"a slow answer": {Delay: time.Minute}, "a wait for the next try": {Status: 503},
	} {
		remove := srv.InjectFault(f)
		for name, call := range all {
			if what != "a slow answer" && (name == "SignIn" || name == "Connect") {
				continue // these are not retried
			}
			for want, until := range ends {
				ctx, cancel := until(t.Context())
				start := time.Now()
				err := call(ctx)
				if !errors.As(err, new(*plexauth.Error)) || what == "a slow answer" && !errors.Is(err, want) {
					t.Errorf("%s: %s returned %v, want %v", name, what, err, want)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("%s continues for %v although its context has ended during %s", name, took, what)
				}
				cancel()
			}
		}
		remove()
	}
}

// An invalid client returns an error before it sends anything.
func TestUnusableClient(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	nobody := *srv.AnonymousClient()
	nobody.ClientIdentifier = ""
	for name, call := range calls(&nobody) {
		err := call(t.Context())
		if err == nil || errors.As(err, new(*plexauth.Error)) || !strings.Contains(err.Error(), "ClientIdentifier") {
			t.Errorf("%s without an identifier returned %v", name, err)
		}
	}
	if _, err := srv.AnonymousClient().TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
		t.Errorf("without a token: %v, want ErrUnauthorized", err)
	}
	odd := *srv.Client(srv.Admin)
	odd.AccountURL = "http://mia:secret@%zz"
	if _, err := odd.TokenDetails(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an invalid address returned %v", err)
	}
	if _, err := odd.SourceConnection(t.Context(), plexauth.Source{}); err == nil {
		t.Error("a source that names nothing was asked for")
	}
	if n := len(srv.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// An invalid base URL is not an outage: nothing is sent, retried or polled. The
// error names the field and the reason, and contains no secret.
func TestUnusableAddress(t *testing.T) {
	for address, says := range map[string]string{
		"plex.tv":                           "does not begin with http:// or https://",
		"//plex.tv":                         "does not begin with http:// or https://",
		"localhost:32400":                   "does not begin with http:// or https://",
		"ftp://plex.tv":                     "does not begin with http:// or https://",
		"127.0.0.1:32400":                   "is not a URL",
		"https://%zz":                       "is not a URL",
		"http://mia:secret@%zz":             "is not a URL",
		"https://plex.tv\n":                 "is not a URL",
		"http://plex.tv:secret":             "is not a URL",
		"http://":                           "has no host",
		"http:///usher":                     "has no host",
		"http:plex.tv":                      "has no host",
		"http:/mia:secret@plex.tv":          "has no host",
		"http://:32400":                     "has no host",
		"http://plex.tv:65536":              "has an invalid port",
		"http://plex.tv?":                   "has a query",
		"http://plex.tv?token=secret":       "has a query",
		"http://plex.tv/?token=secret":      "has a query",
		"http://plex.tv/usher?token=secret": "has a query",
		"http://plex.tv#":                   "has a fragment",
		"http://plex.tv/#secret":            "has a fragment",
		"http://plex.tv?x=1#secret":         "has a fragment",
		"http://mia:secret@plex.tv":         "has a user name or password",
		"http://secret@plex.tv":             "has a user name or password",
		"http://@plex.tv":                   "has a user name or password",
	} {
		for _, field := range []string{"AccountURL", "MediaURL"} {
			c := client("")
			c.Retry = &plexauth.Retry{ConnectionErrors: true}
			c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s %s: a request was sent to %s", field, address, r.URL)
				return nil, errors.New("nobody is there")
			})}
			// Calls with and without a query, and with and without a token.
			some := []string{
				"TokenDetails", "Resources", "SignIn", "SignOut", "Ping", "StartPIN", "CheckPIN", "LinkPIN", "QRCode", "AccountOf",
				"Devices", "RemoveDevice",
			}
			c.AccountURL = address
			if field == "MediaURL" {
				c.AccountURL, c.MediaURL = "", address
				some = []string{"TransientToken", "SourceConnection", "Identity", "Connect"}
			}
			for _, name := range some {
				err := calls(c)[name](t.Context())
				own := name != "Connect" // the addresses of Connect come from the server
				if err == nil || errors.Is(err, plexauth.ErrUnreachable) || own && errors.As(err, new(*plexauth.Error)) {
					t.Errorf("%s %q: %s returned %T %v", field, address, name, err, err)
					continue
				}
				if got := err.Error(); !strings.Contains(got, "Client."+field) || !strings.HasSuffix(got, says) || strings.Contains(got, "secret") {
					t.Errorf("%s %q: %s returned %q, want %q", field, address, name, got, says)
				}
			}
			if field == "AccountURL" {
				if _, err := c.WaitPIN(t.Context(), &plexauth.PIN{ID: 1}); err == nil || !strings.HasSuffix(err.Error(), says) {
					t.Errorf("%q: waiting returned %v, want %q", address, err, says)
				}
			}
			c.Token = nil // a missing token is reported first
			if err := calls(c)[some[0]](t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s %q: without a token, %s returned %v", field, address, some[0], err)
			}
		}
	}
}

// An invalid header is not an outage, either.
func TestUnusableHeaders(t *testing.T) {
	for says, change := range map[string]func(*plexauth.Client){
		"the header X-Plex-Client-Identifier":  func(c *plexauth.Client) { c.ClientIdentifier = "secret\n" },
		"the header X-Plex-Device-Name":        func(c *plexauth.Client) { c.DeviceName = "secret\x00" },
		"the header User-Agent":                func(c *plexauth.Client) { c.UserAgent = "secret\x7f" },
		"the header X-Extra":                   func(c *plexauth.Client) { c.Header = http.Header{"x-extra": {"good", "secret\r\nX-Plex-Token: x"}} },
		"invalid header name in Client.Header": func(c *plexauth.Client) { c.Header = http.Header{"X-Secret: secret": {"x"}} },
		"header name in Client.Header":         func(c *plexauth.Client) { c.Header = http.Header{"": {"x"}} },
	} {
		srv := plexauthtest.New(t, plexauthtest.Config{})
		c := srv.Client(srv.Admin)
		c.Retry = &plexauth.Retry{ConnectionErrors: true, MaxElapsed: time.Nanosecond}
		change(c)
		_, err := c.TokenDetails(t.Context())
		if err == nil || errors.Is(err, plexauth.ErrUnreachable) || errors.As(err, new(*plexauth.Error)) {
			t.Errorf("%s: %T %v", says, err, err)
		} else if got := err.Error(); !strings.Contains(got, says) || strings.Contains(got, "secret") {
			t.Errorf("it is %q, want %q", got, says)
		}
		if n := len(srv.Requests()); n != 0 {
			t.Errorf("%s: %d requests were sent", says, n)
		}
	}
	c := client(`{"pong":true}`) // valid, though not ASCII
	c.DeviceName, c.Header = "Mia's\tTV, Küche", http.Header{"X!#$%&'*+-.^_`|~9": {""}}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A base URL may have any host, a port, a path, and trailing slashes.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                           "https://plex.tv/api/v2/ping",
		"HTTPS://Example.org":        "https://Example.org/api/v2/ping",
		"http://example.org/":        "http://example.org/api/v2/ping",
		"http://example.org:65535//": "http://example.org:65535/api/v2/ping",
		"http://[::1]:32400":         "http://[::1]:32400/api/v2/ping",
		"http://example.org/a/b%20c": "http://example.org/a/b%20c/api/v2/ping",
	} {
		c := client(`{"pong":true}`)
		c.AccountURL = address
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if got := r.URL.String(); got != want {
				t.Errorf("%q leads to %s, want %s", address, got, want)
			}
			return answer(200, `{"pong":true}`), nil
		})}
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// The description of the program reaches the server, and no other header does.
func TestIdentityHeaders(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Admin)
	c.Product, c.Version, c.Platform, c.PlatformVersion = "P", "1", "Linux", "6"
	c.Device, c.DeviceName, c.DeviceVendor, c.Model, c.UserAgent = "D", "N", "V", "M", "me/1"
	c.Header = http.Header{"x-extra": {"yes"}}
	if _, err := c.TokenDetails(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := srv.Requests()[0].Header
	if len(got.Get("X-Plex-Token")) != 20 {
		t.Error("the token was not sent")
	}
	got.Del("X-Plex-Token")
	want := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"me/1"}, "X-Extra": {"yes"},
		"X-Plex-Client-Identifier": {"plexauthtest-1"}, "X-Plex-Product": {"P"}, "X-Plex-Version": {"1"},
		"X-Plex-Platform": {"Linux"}, "X-Plex-Platform-Version": {"6"}, "X-Plex-Device": {"D"},
		"X-Plex-Device-Name": {"N"}, "X-Plex-Device-Vendor": {"V"}, "X-Plex-Model": {"M"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}
