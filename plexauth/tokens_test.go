package plexauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

func TestMemoryToken(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var token plexauth.MemoryToken
	c := srv.AnonymousClient()
	c.Token = &token
	if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
		t.Errorf("an empty one returned %v", err)
	}
	token.Set(srv.Token(srv.Member))
	if _, err := c.TokenDetails(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFileToken(t *testing.T) {
	file := plexauth.FileToken{Path: filepath.Join(t.TempDir(), "new", "token")}
	if got, err := file.Token(t.Context()); got != "" || err != nil {
		t.Errorf("no file returned %q, %v", string(got), err)
	}
	if err := file.Set("first"); err != nil {
		t.Fatal(err)
	}
	if err := file.Set("tok"); err != nil {
		t.Fatal(err)
	}
	if got, err := file.Token(t.Context()); got != "tok" || err != nil {
		t.Errorf("Token returned %q, %v", string(got), err)
	}
	info, err := os.Stat(file.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := file.Token(t.Context()); got != "" || err == nil || strings.Contains(err.Error(), "tok\n") {
		t.Errorf("a file that others can read returned %q, %v", string(got), err)
	}
	for range 2 {
		if err := file.Set(""); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(file.Path)); len(entries) != 0 {
		t.Errorf("files were left behind: %v", entries)
	}
}

// A hundred goroutines that need a transient token at the same time share one
// request.
func TestTransientSourceAsksOnce(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	source := &plexauth.TransientSource{Client: srv.Client(srv.Member)}
	c := srv.AnonymousClient()
	c.Token = source
	srv.InjectFault(plexauthtest.Fault{Path: "/security/token", Delay: 20 * time.Millisecond})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if a, err := c.TokenDetails(t.Context()); err != nil || !strings.HasPrefix(string(a.AuthToken), "transient-") {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	wg.Wait()
	minted := 0
	for _, r := range srv.Requests() {
		if r.Path == "/security/token" {
			minted++
		} else if !strings.HasPrefix(r.Header.Get("X-Plex-Token"), "transient-") {
			t.Errorf("%s was sent the token itself", r.Path)
		}
	}
	if minted != 1 {
		t.Errorf("%d transient tokens were requested", minted)
	}
}

// A caller that cancels does not cancel the request for the others.
func TestTransientSourceObeysEachContext(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	source := &plexauth.TransientSource{Client: srv.Client(srv.Member)}
	srv.InjectFault(plexauthtest.Fault{Path: "/security/token", Delay: 100 * time.Millisecond})
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := source.Token(first); gone <- err }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that gave up got %v", err)
	}
	if _, err := source.Token(t.Context()); err != nil {
		t.Errorf("the one that waited got %v", err)
	}
}

// After a restart of the server or the expiry of the token, the next call gets
// a new token, and the program sees no error.
func TestTransientSourceRenews(t *testing.T) {
	for name, end := range map[string]func(*plexauthtest.Server){
		"restart": (*plexauthtest.Server).Restart, "48 hours": func(s *plexauthtest.Server) { s.Advance(48 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := plexauthtest.New(t, plexauthtest.Config{})
			c := srv.AnonymousClient()
			c.Token = &plexauth.TransientSource{Client: srv.Client(srv.Member)}
			before, err := c.TokenDetails(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			end(srv)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					after, err := c.TokenDetails(t.Context())
					if err != nil || after.AuthToken == before.AuthToken {
						t.Errorf("after it: %+v, %v", after, err)
					}
				})
			}
			wg.Wait()
			minted := 0
			for _, r := range srv.Requests() {
				if r.Path == "/security/token" {
					minted++
				}
			}
			if minted > 3 { // one at first, one after, and one for a call that was late
				t.Errorf("%d transient tokens were requested", minted)
			}
			srv.RevokeTokens(srv.Member)
			if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
				t.Errorf("when the token itself is revoked: %v", err)
			}
		})
	}
}

// A token is replaced before it expires, by the local clock alone.
func TestTransientSourceRenewsBeforeExpiry(t *testing.T) {
	for name, test := range map[string]struct {
		ttl, margin, replaced time.Duration
	}{
		"48 hours":          {48 * time.Hour, 0, 48*time.Hour - 5*time.Minute},
		"ten minutes":       {10 * time.Minute, 0, 9 * time.Minute},
		"a margin of one's": {time.Hour, 20 * time.Minute, 40 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var minted atomic.Int64
				c := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t")}
				c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					n := minted.Add(1)
					return answer(200, fmt.Sprintf(`{"MediaContainer":{"token":"transient-%d","expiresAt":%d}}`, n, time.Now().Add(test.ttl).Unix())), nil
				})}
				source := &plexauth.TransientSource{Client: c, RenewBefore: test.margin}
				first, err := source.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(test.replaced - time.Second)
				if same, _ := source.Token(t.Context()); same != first {
					t.Error("it was replaced too early")
				}
				time.Sleep(time.Second)
				if next, _ := source.Token(t.Context()); next == first {
					t.Error("it was not replaced in time")
				}
			})
		})
	}
}

// If this device's clock is wrong, there is neither a flood of requests nor a token that is
// used for too long. The server sends its time, or its rejection is enough.
func TestTransientSourceWithAWrongClock(t *testing.T) {
	for name, test := range map[string]struct {
		server   time.Duration // how far the clock of the server is ahead
		date     bool
		replaced time.Duration
	}{
		"three days ahead":              {-72 * time.Hour, true, 55 * time.Minute},
		"three days behind":             {72 * time.Hour, true, 55 * time.Minute},
		"ahead, and nobody says so":     {-72 * time.Hour, false, 48*time.Hour - 5*time.Minute},
		"behind, and nobody says so":    {72 * time.Hour, false, 48*time.Hour - 5*time.Minute},
		"the request takes ten seconds": {10 * time.Second, true, 55*time.Minute + 10*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				minted := 0
				c := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t")}
				c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					minted++
					now := time.Now().Add(test.server)
					res := answer(200, fmt.Sprintf(`{"MediaContainer":{"token":"transient-%d","expiresAt":%d}}`, minted, now.Add(time.Hour).Unix()))
					if test.date {
						res.Header.Set("Date", now.UTC().Format(http.TimeFormat))
					}
					return res, nil
				})}
				source := &plexauth.TransientSource{Client: c}
				for _, step := range []struct {
					wait time.Duration
					want plexauth.Secret
				}{{0, "transient-1"}, {test.replaced - time.Second, "transient-1"}, {time.Second, "transient-2"}} {
					time.Sleep(step.wait)
					if got, err := source.Token(t.Context()); got != step.want || err != nil {
						t.Fatalf("after %v more: %q, %v, want %q", step.wait, string(got), err, string(step.want))
					}
				}
			})
		})
	}
}

// While the media server issues no tokens, the cached one is used until it
// expires, and a new one is requested only every few seconds.
func TestTransientSourceOutlivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, asked, down := time.Now(), 0, false
		c := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t")}
		c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			if asked++; down {
				return answer(503, ""), nil
			}
			return answer(200, fmt.Sprintf(`{"MediaContainer":{"token":"transient-%d","expiresAt":%d}}`, asked, time.Now().Add(time.Hour).Unix())), nil
		})}
		source := &plexauth.TransientSource{Client: c}
		if _, err := source.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		down = true
		time.Sleep(55 * time.Minute)
		for time.Since(start) < time.Hour {
			if got, err := source.Token(t.Context()); got != "transient-1" || err != nil {
				t.Fatalf("after %v: %q, %v", time.Since(start), string(got), err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if asked < 30 || asked > 70 {
			t.Errorf("in five minutes of outage the server received %d requests", asked)
		}
		if got, err := source.Token(t.Context()); got != "" || !errors.Is(err, plexauth.ErrServer) {
			t.Errorf("after its expiry: %q, %v", string(got), err)
		}
		down = false
		if got, err := source.Token(t.Context()); got == "" || got == "transient-1" || err != nil {
			t.Errorf("after the outage: %q, %v", string(got), err)
		}
	})
}

// A token that the server rejected is not used again, even before its expiry.
func TestTransientSourceForgetsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		restarted := false
		media := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t")}
		media.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			if restarted {
				return nil, dialError
			}
			return answer(200, `{"MediaContainer":{"token":"transient-1"}}`), nil
		})}
		source := &plexauth.TransientSource{Client: media}
		c := &plexauth.Client{ClientIdentifier: "test", Token: source}
		c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return answer(401, ""), nil })}
		if _, err := source.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		restarted = true
		time.Sleep(48*time.Hour - time.Minute)
		if got, err := source.Token(t.Context()); got != "transient-1" || err != nil {
			t.Errorf("before it is rejected: %q, %v", string(got), err)
		}
		if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("the call returned %v", err)
		}
		if got, err := source.Token(t.Context()); got != "" || !errors.Is(err, plexauth.ErrUnreachable) {
			t.Errorf("after it was rejected: %q, %v", string(got), err)
		}
	})
}

// A server that never responds does not prevent the next request, even if the
// client has no timeout.
func TestTransientSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t"), Timeout: -1}
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if asked++; asked > 1 {
				return answer(200, `{"MediaContainer":{"token":"transient-1"}}`), nil
			}
			select {
			case <-r.Context().Done():
			case <-time.After(24 * time.Hour):
			}
			return nil, errors.New("it hung")
		})}
		source := &plexauth.TransientSource{Client: c}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := source.Token(ctx); !errors.Is(err, plexauth.ErrUnreachable) {
			t.Errorf("the first gets %v", err)
		}
		if got, err := source.Token(ctx); got != "transient-1" || err != nil {
			t.Errorf("the next gets %q, %v", string(got), err)
		}
		if c.Timeout != -1 {
			t.Error("the client was changed")
		}
	})
}

func TestLoadClientIdentifier(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	first, err := plexauth.LoadClientIdentifier("my-program")
	if err != nil || len(first) != 36 || first[14] != '4' {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := plexauth.LoadClientIdentifier("my-program"); err != nil || again != first {
		t.Errorf("the next run gets %q, %v, want %q", again, err, first)
	}
	if other, err := plexauth.LoadClientIdentifier("other"); err != nil || other == first {
		t.Errorf("another program gets %q, %v", other, err)
	}
	for _, bad := range []string{"", "a/b", "../x"} {
		if id, err := plexauth.LoadClientIdentifier(bad); err == nil {
			t.Errorf("the program %q gets %q", bad, id)
		}
	}
}

// Processes that start at the same time use the same identifier.
func TestLoadClientIdentifierOnce(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i], _ = plexauth.LoadClientIdentifier("my-program") })
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("identifiers %q", ids)
		}
	}
}

// connectTo returns a client whose network has one server at each host.
func connectTo(t *testing.T, answers map[string]func() (*http.Response, error)) *plexauth.Client {
	t.Helper()
	return &plexauth.Client{
		ClientIdentifier: "test", Token: plexauth.StaticToken("secret"),
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("X-Plex-Token") != "" {
				t.Error("a token was sent to an unverified address")
			}
			return answers[r.URL.Host]()
		})},
	}
}

func TestConnect(t *testing.T) {
	is := func(id string, after time.Duration) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			time.Sleep(after)
			return answer(200, `{"MediaContainer":{"machineIdentifier":"`+id+`"}}`), nil
		}
	}
	fails := func(after time.Duration) func() (*http.Response, error) {
		return func() (*http.Response, error) { time.Sleep(after); return nil, errors.New("refused") }
	}
	for name, test := range map[string]struct {
		local, remote, relay func() (*http.Response, error)
		want                 string
		took                 time.Duration
	}{
		"all at once":                         {is("den", 0), is("den", 0), is("den", 0), "local", 0},
		"local is later, and waited for":      {is("den", 100*time.Millisecond), is("den", 0), is("den", 0), "local", 100 * time.Millisecond},
		"local is much later":                 {is("den", time.Minute), is("den", 0), is("den", 0), "remote", 250 * time.Millisecond},
		"local fails":                         {fails(0), is("den", 0), is("den", 0), "remote", 0},
		"only the relay":                      {fails(0), fails(0), is("den", 0), "relay", 0},
		"attack: the local address is stolen": {is("thief", 0), is("den", 50*time.Millisecond), is("den", 0), "remote", 50 * time.Millisecond},
		"nobody":                              {fails(0), fails(time.Second), is("thief", 0), "", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connectTo(t, map[string]func() (*http.Response, error){"local": test.local, "remote": test.remote, "relay": test.relay})
				r := &plexauth.Resource{Name: "Den", ClientIdentifier: "den", AccessToken: "secret", Connections: []plexauth.Connection{
					{URI: "http://relay", Relay: true}, {URI: "http://remote"}, {URI: "http://local", Local: true},
				}}
				start := time.Now()
				got, err := c.Connect(t.Context(), r)
				if took := time.Since(start); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if test.want == "" {
					if err == nil || !errors.Is(err, plexauth.ErrUnreachable) || !strings.Contains(err.Error(), "another server") {
						t.Errorf("error %v", err)
					}
				} else if err != nil || got.URI != "http://"+test.want {
					t.Errorf("Connect returned %v, %v, want %s", got, err, test.want)
				}
				time.Sleep(2 * time.Minute) // until the losers have ended
			})
		})
	}
	if _, err := client("").Connect(t.Context(), &plexauth.Resource{}); err == nil {
		t.Error("a resource without connections was connected to")
	}
}

// If the context is cancelled, Connect returns the best connection that has succeeded,
// or an *Error if none has.
func TestConnectEnds(t *testing.T) {
	const answers, ends = 100 * time.Millisecond, 200 * time.Millisecond
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, ends) }
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(ends, cancel)
		return ctx, cancel
	}
	never := func() (*http.Response, error) { time.Sleep(time.Minute); return nil, errors.New("it hung") }
	refuses := func() (*http.Response, error) { time.Sleep(answers); return nil, dialError }
	is := func(id string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			time.Sleep(answers)
			return answer(200, `{"MediaContainer":{"machineIdentifier":"`+id+`"}}`), nil
		}
	}
	for name, test := range map[string]struct {
		until         func(context.Context) (context.Context, context.CancelFunc)
		local, remote func() (*http.Response, error)
		want          string
		is, not       error
	}{
		"one has answered":              {deadline, never, is("den"), "http://remote", nil, nil},
		"one has, and it is cancelled":  {cancelled, never, is("den"), "http://remote", nil, nil},
		"none":                          {deadline, never, never, "", context.DeadlineExceeded, context.Canceled},
		"none, which is unreachable":    {deadline, never, never, "", plexauth.ErrUnreachable, context.Canceled},
		"none, and it is cancelled":     {cancelled, never, never, "", context.Canceled, plexauth.ErrUnreachable},
		"refused, and it is cancelled":  {cancelled, never, refuses, "", context.Canceled, plexauth.ErrUnreachable},
		"attack: all that answer steal": {deadline, is("thief"), is("thief"), "", nil, plexauth.ErrUnreachable},
		"refused":                       {deadline, refuses, is("thief"), "", plexauth.ErrUnreachable, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connectTo(t, map[string]func() (*http.Response, error){"local": test.local, "remote": test.remote})
				ctx, cancel := test.until(t.Context())
				defer cancel()
				got, err := c.Connect(ctx, &plexauth.Resource{ClientIdentifier: "den", Connections: []plexauth.Connection{
					{URI: "http://remote"}, {URI: "http://local", Local: true},
				}})
				if test.want != "" {
					if err != nil || got.URI != test.want {
						t.Errorf("Connect returned %v, %v", got, err)
					}
				} else if e, ok := err.(*plexauth.Error); !ok || e.Operation != "Connect" || !strings.HasPrefix(e.Error(), "plexauth: Connect: ") {
					t.Errorf("error %T %v", err, err)
				} else if test.is != nil && !errors.Is(err, test.is) || errors.Is(err, test.not) {
					t.Errorf("error %v", err)
				}
				time.Sleep(2 * time.Minute) // until the losers have ended
			})
		})
	}
}
