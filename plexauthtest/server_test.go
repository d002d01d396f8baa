package plexauthtest_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// mustFail checks that an error matches the given variable, and none that it
// could be confused with.
func mustFail(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %v", err, kind)
	}
	if refused := kind != plexauth.ErrUnreachable; refused == errors.Is(err, plexauth.ErrUnreachable) {
		t.Errorf("refused and unreachable are confused: %v", err)
	}
}

// details returns the username for the token of a client.
func details(t *testing.T, c *plexauth.Client) (string, error) {
	t.Helper()
	account, err := c.TokenDetails(t.Context())
	if err != nil {
		return "", err
	}
	return account.Username, nil
}

// mustBe checks that the token of a client is valid and belongs to a user.
func mustBe(t *testing.T, c *plexauth.Client, u *plexauthtest.User) {
	t.Helper()
	if got, err := details(t, c); err != nil || got != u.Username {
		t.Errorf("the token is %q's: %v; want %s", got, err, u.Username)
	}
}

// transient returns a copy of a client with a transient token.
func transient(t *testing.T, c *plexauth.Client) *plexauth.Client {
	t.Helper()
	token, err := c.TransientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	with := *c
	with.Token = plexauth.StaticToken(token.Token)
	return &with
}

// names returns the names of the servers that a client can reach.
func names(t *testing.T, c *plexauth.Client) []string {
	t.Helper()
	list, err := c.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

// brief is a testing.TB that finishes before the test does.
type brief struct {
	testing.TB
	ends []func()
}

// Cleanup implements testing.TB.
func (b *brief) Cleanup(f func()) { b.ends = append(b.ends, f) }

func (b *brief) end() {
	for _, f := range slices.Backward(b.ends) {
		f()
	}
}

// A server starts within some 30 ms, as BenchmarkNew measures. The limit here
// applies to the fastest of ten, because other load on the machine can only add to
// the time.
func TestNewIsQuick(t *testing.T) {
	times := make([]time.Duration, 10)
	for i := range times {
		b := &brief{TB: t}
		start := time.Now()
		plexauthtest.New(b, plexauthtest.Config{})
		times[i] = time.Since(start)
		b.end()
	}
	slices.Sort(times)
	t.Logf("from %v to %v, median %v", times[0], times[9], times[5])
	if times[0] > slowdown*250*time.Millisecond {
		t.Errorf("the quickest of ten starts took %v", times[0])
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		tb := &brief{TB: b}
		plexauthtest.New(tb, plexauthtest.Config{})
		tb.end()
	}
}

func TestStopsWithTheTest(t *testing.T) {
	b := &brief{TB: t}
	srv := plexauthtest.New(b, plexauthtest.Config{})
	if err := srv.AnonymousClient().Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.end()
	mustFail(t, srv.AnonymousClient().Ping(t.Context()), plexauth.ErrUnreachable)
}

// A program that waits for a delayed response does not delay the end of the test.
func TestStopsWhileAnAnswerIsLate(t *testing.T) {
	b := &brief{TB: t}
	srv := plexauthtest.New(b, plexauthtest.Config{})
	srv.InjectFault(plexauthtest.Fault{Delay: 3 * time.Second})
	failed := make(chan error, 1)
	go func() { failed <- srv.AnonymousClient().Ping(t.Context()) }()
	time.Sleep(50 * time.Millisecond) // until it waits
	start := time.Now()
	b.end()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the server stopped after %v", took)
	}
	mustFail(t, <-failed, plexauth.ErrUnreachable)
}

func TestAdvance(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	member := srv.Client(srv.Member)
	brief := transient(t, member)
	before := srv.Now()
	srv.Advance(48*time.Hour - time.Minute)
	if moved := srv.Now().Sub(before); moved < 47*time.Hour || moved > 49*time.Hour {
		t.Errorf("the clock moved by %v", moved)
	}
	mustBe(t, brief, srv.Member)
	srv.Advance(2 * time.Minute)
	_, err := details(t, brief)
	mustFail(t, err, plexauth.ErrUnauthorized)
	mustBe(t, member, srv.Member)
	mustBe(t, transient(t, member), srv.Member)
}

func TestTransientTTL(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{TransientTTL: time.Hour})
	brief := transient(t, srv.Client(srv.Member))
	srv.Advance(59 * time.Minute)
	mustBe(t, brief, srv.Member)
	srv.Advance(2 * time.Minute)
	_, err := details(t, brief)
	mustFail(t, err, plexauth.ErrUnauthorized)
}

func TestRestart(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	admin := srv.Client(srv.Admin)
	brief := transient(t, admin)
	before := names(t, admin)
	srv.Restart()
	_, err := details(t, brief)
	mustFail(t, err, plexauth.ErrUnauthorized)
	mustBe(t, admin, srv.Admin)
	mustBe(t, transient(t, admin), srv.Admin)
	if after := names(t, admin); !slices.Equal(before, after) {
		t.Errorf("the servers are %v, and were %v", after, before)
	}
	if id, err := admin.Identity(t.Context()); err != nil || id.MachineIdentifier != srv.Self.Identifier {
		t.Errorf("it is now %+v (%v), and was %s", id, err, srv.Self.Identifier)
	}
}

func TestMaxFailedSignIns(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{MaxFailedSignIns: 2})
	wrong := srv.Member.Credentials()
	wrong.Password = "not this one"
	for range 2 {
		_, err := srv.AnonymousClient().SignIn(t.Context(), wrong)
		mustFail(t, err, plexauth.ErrUnauthorized)
	}
	_, err := srv.AnonymousClient().SignIn(t.Context(), srv.Member.Credentials())
	mustFail(t, err, plexauth.ErrRateLimited)
	srv.Advance(time.Hour)
	if _, err := srv.AnonymousClient().SignIn(t.Context(), srv.Member.Credentials()); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// lines is an io.Writer that sends written text to a channel.
type lines chan string

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

func TestLogger(t *testing.T) {
	log := make(lines, 100)
	srv := plexauthtest.New(t, plexauthtest.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
	token := srv.Token(srv.Member)
	c := srv.AnonymousClient()
	c.Token = plexauth.StaticToken(token)
	mustBe(t, c, srv.Member)
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-log:
			if strings.Contains(line, string(token)) {
				t.Errorf("the token is logged: %s", line)
			}
			if strings.Contains(line, "/api/v2/user") {
				return
			}
		case <-timeout:
			t.Fatal("the request is not in the log")
		}
	}
}

func TestParallelTestsDoNotSeeEachOther(t *testing.T) {
	var servers [2]*plexauthtest.Server
	for i := range servers {
		servers[i] = plexauthtest.New(t, plexauthtest.Config{})
	}
	tokens := make(chan plexauth.Secret, 1)
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		srv := servers[0]
		uma := srv.AddUser("uma", "uma@example.org", "uma's password")
		tokens <- srv.Token(uma)
		srv.InjectFault(plexauthtest.Fault{Drop: true})
		srv.Advance(1000 * time.Hour)
	})
	t.Run("other", func(t *testing.T) {
		t.Parallel()
		srv := servers[1]
		token := <-tokens
		brief := transient(t, srv.Client(srv.Admin))
		c := srv.AnonymousClient()
		c.Token = plexauth.StaticToken(token)
		_, err := details(t, c)
		mustFail(t, err, plexauth.ErrUnauthorized)
		uma := srv.AddUser("uma", "uma@example.org", "another password")
		mustBe(t, srv.Client(uma), uma)
		mustBe(t, brief, srv.Admin)
		if got := len(srv.Requests()); got != 4 {
			t.Errorf("%d requests are recorded", got)
		}
		if d := time.Until(srv.Now()).Abs(); d > time.Minute {
			t.Errorf("the clock is %v off", d)
		}
	})
}

// Everything at the same time, for the race detector.
func TestFromManyGoroutines(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			u := srv.AddUser(fmt.Sprintf("person%d", i), "", "a password")
			src := srv.AddServer("Shed", fmt.Sprintf("shed-%d", i), u)
			srv.Share(src, srv.Member)
			for range 5 {
				c := srv.Client(u)
				mustBe(t, c, u)
				if got := names(t, c); !slices.Equal(got, []string{"usher", "Shed"}) {
					t.Errorf("%s reaches %v", u.Username, got)
				}
				if _, err := srv.AnonymousClient().SignIn(t.Context(), u.Credentials()); err != nil {
					t.Errorf("%s does not sign in: %v", u.Username, err)
				}
			}
			remove := srv.InjectFault(plexauthtest.Fault{Path: fmt.Sprintf("/nowhere/%d", i)})
			srv.Advance(time.Second)
			srv.Restart()
			_ = srv.TwoFactor.VerificationCode()
			_ = srv.Requests()
			srv.ResetRequests()
			remove()
			srv.Unshare(src, srv.Member)
			srv.RevokeTokens(u)
		})
	}
	all.Wait()
	if got := names(t, srv.Client(srv.Member)); !slices.Equal(got, []string{"usher", "Den"}) {
		t.Errorf("member reaches %v", got)
	}
}

// Disabled has a token only because its account is enabled for a moment at the
// start. No other goroutine may notice that.
func TestDisabledFromManyGoroutines(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				_, err := details(t, srv.Client(srv.Disabled))
				mustFail(t, err, plexauth.ErrUnauthorized)
			}
		})
	}
	all.Wait()
}
