package plexauthtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// Config changes what New starts. The zero value is what most tests want.
type Config struct {
	// TransientTTL shortens the life of transient tokens. Zero: 48 hours.
	TransientTTL time.Duration
	// MaxFailedSignIns is how many sign-ins to one account may fail before the next
	// must wait. Zero: no limit.
	MaxFailedSignIns int
	// Logger gets the server's log. Nil: nothing is logged.
	Logger *slog.Logger
}

// Server is a running usher. Its methods fail the test when they cannot do what
// they are asked; all of them may be called from any goroutine, as far as
// testing.TB lets them fail the test from there.
type Server struct {
	// AccountURL and MediaURL are where programs find the two planes.
	AccountURL, MediaURL string

	// The people that are there from the start.
	Admin     *User // owns Den and this server, and sees source connections
	Member    *User // is shared Den
	TwoFactor *User // has a second factor
	Managed   *User // has neither e-mail nor password, and cannot sign in
	Disabled  *User // cannot sign in, and their token does not work

	// Self is usher itself as one of the servers.
	Self Source
	// Den is a server that Admin owns and Member is shared. Nothing answers at
	// its address.
	Den Source
	// Guide is a provider.
	Guide Source

	t        testing.TB
	current  atomic.Pointer[instance]
	stopping chan struct{} // closed before the listener is
	offset   atomic.Int64  // how far the clock is ahead
	devices  atomic.Int64  // how many have signed in by Client and Token

	mu       sync.Mutex
	faults   []*fault
	requests []Request
}

// instance is one life of the server, from start to restart.
type instance struct {
	*core.Core
	handler http.Handler
}

// Source is a server or provider that usher knows.
type Source struct {
	Name       string
	Identifier string
	// Source is how the SDK names it.
	Source plexauth.Source
}

// cheap makes password hashes that cost nothing: they protect nobody here.
var cheap = account.Cost{Memory: 8, Time: 1, Threads: 1}

// New starts a server that stops with the test.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	s := &Server{t: t, stopping: make(chan struct{})}
	t.Cleanup(s.close) // the last one to run
	listener := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(listener.Close)
	t.Cleanup(func() { close(s.stopping) })
	s.AccountURL, s.MediaURL = listener.URL, listener.URL
	c, err := core.Open(context.Background(), core.Config{
		Key: seal.NewKey([32]byte{'t', 'e', 's', 't'}), TransientTTL: cfg.TransientTTL,
		HashCost: cheap, HashQueue: 1 << 16, FailedTries: cfg.MaxFailedSignIns, Logger: cfg.Logger, Now: s.Now,
		Self: &source.Self{Connections: []store.Connection{{URI: s.MediaURL, Local: true}}},
	})
	if err != nil {
		t.Fatalf("plexauthtest: %v", err)
	}
	s.start(c)
	s.populate()
	return s
}

// close closes the database, once nothing is answered any more.
func (s *Server) close() {
	if i := s.current.Load(); i != nil {
		_ = i.Close()
	}
}

// start has requests answered from the services of c.
func (s *Server) start(c *core.Core) {
	s.current.Store(&instance{c, server.New(c, server.Config{Version: "test"}).Handler()})
}

// Restart does what a restart of the server does: every transient token ends,
// and everything else stays.
func (s *Server) Restart() {
	s.t.Helper()
	c, err := s.current.Load().Core.Restart(context.Background())
	if err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	s.start(c)
}

// Now is the server's time.
func (s *Server) Now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// Advance moves the server's clock.
func (s *Server) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// device is the client identifier of Anonymous.
const device = "plexauthtest"

// Client returns an SDK client with a token of p's, as after a sign-in. Each
// call of Client or Token is a sign-in of another device: plexauthtest-1,
// plexauthtest-2 and so on. A device holds ten tokens at the most, and so none
// of them ends the token of an earlier one. Disabled cannot sign in: theirs is
// the same token each time, of the device that Anonymous is.
func (s *Server) Client(u *User) *plexauth.Client {
	s.t.Helper()
	c := s.AnonymousClient()
	id, token := s.signIn(u)
	c.ClientIdentifier, c.Token = id, plexauth.StaticToken(token)
	return c
}

// Anonymous returns an SDK client without a token. It is the same device each
// time: plexauthtest.
func (s *Server) AnonymousClient() *plexauth.Client {
	return &plexauth.Client{
		ClientIdentifier: device, Product: "plexauthtest", AccountURL: s.AccountURL, MediaURL: s.MediaURL,
	}
}

// Token returns a fresh access token of p's, on a device of its own; for
// Disabled, the one that they had before.
func (s *Server) Token(u *User) plexauth.Secret {
	s.t.Helper()
	_, token := s.signIn(u)
	return token
}

// signIn returns a token of p's and the device that holds it.
func (s *Server) signIn(u *User) (id string, token plexauth.Secret) {
	s.t.Helper()
	if u.oldToken != "" {
		return device, u.oldToken
	}
	id = fmt.Sprintf("%s-%d", device, s.devices.Add(1))
	return id, s.tokenOn(id, u)
}

// tokenOn mints a token of p's on a device.
func (s *Server) tokenOn(id string, u *User) plexauth.Secret {
	s.t.Helper()
	token, err := s.current.Load().Tokens.SignIn(context.Background(), store.SignIn{
		AccountID: u.id, PasswordHash: u.passwordHash(s),
		Device: store.Device{ClientIdentifier: id, Product: "plexauthtest"},
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: a token for %s: %v", u.Username, err)
	}
	return token
}
