package plexauthtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/trouble"
	"github.com/usher-auth/usher/plexauth"
)

// Config configures the server. The zero value suits most tests.
type Config struct {
	// TransientTTL is the lifetime of transient tokens. If zero, it is 48
	// hours.
	TransientTTL time.Duration
	// MaxFailedSignIns is the number of failed sign-ins to one account after
	// which the next sign-in is rate limited. If zero, there is no limit.
	MaxFailedSignIns int
	// Scene is the path of a YAML file with the initial accounts, homes, servers,
	// shares, invitations, devices and time, in the format of "usher exec --scene".
	// Server.User and Server.Source find them by name. If empty, the server has the
	// users and sources that are fields of Server.
	Scene string
	// SignUp lets programs create accounts for new users, as "usher serve --sign-up"
	// does.
	SignUp bool
	// MediaJWT makes the media plane accept JWTs. Released media servers do not.
	MediaJWT bool
	// Resettable enables Server.Reset. The server then takes about ten milliseconds
	// longer to start.
	Resettable bool
	// Logger receives the log of the server. If nil, nothing is logged.
	Logger *slog.Logger
}

// Server is a running usher. Its methods are safe for concurrent use. A method
// that fails calls Fatalf, which only the goroutine of the test may call: see
// testing.TB.FailNow.
type Server struct {
	// AccountURL is the base URL of the account plane.
	AccountURL string
	// MediaURL is the base URL of the media plane. It is the same address.
	MediaURL string

	// The fields below are nil or empty if Config.Scene is set, except Self.

	// Admin is an admin, owns Den and usher itself, and can call
	// SourceConnection.
	Admin *User
	// Member is a regular user and a friend of Admin. Den is shared with Member.
	Member *User
	// TwoFactor has a second factor: TOTP and backup codes.
	TwoFactor *User
	// Managed has neither an e-mail address nor a password, and cannot sign in.
	Managed *User
	// Disabled is disabled. It cannot sign in, and its token is rejected.
	Disabled *User

	// Self is usher itself as a server.
	Self Source
	// Den is a server that Admin owns and that is shared with Member. It has the
	// sections Films and Shows. Nothing listens at its addresses.
	Den Source
	// Guide is a provider.
	Guide Source

	t    testing.TB
	cast *scene.Cast
	play scene.Scene

	resettable bool
	dice       *scene.Dice // nil: ids, tokens and codes are random
	clock      *scene.Clock
	named      *trouble.Injector
	mediaJWT   bool
	transport  *transport
	current    atomic.Pointer[instance]
	stopping   chan struct{} // closed before the listener is
	devices    atomic.Int64  // number of devices that Client and Token have created

	mu       sync.Mutex
	faults   []*fault
	requests []Request
}

// instance is the server between two restarts.
type instance struct {
	*core.Core
	handler    http.Handler
	acceptsJWT func() http.Handler // handler with Config.MediaJWT
}

// Source is a server or a provider that usher knows.
type Source struct {
	// Name is the name to display.
	Name string
	// Identifier is the machine identifier of a server, or the id of a
	// provider.
	Identifier string
	// Source is the argument for plexauth.Client.SourceConnection.
	Source plexauth.Source
}

// template is the schema of all servers of this process.
var template core.Template

// New starts a server. It stops at the end of the test. New calls t.Fatalf if
// the server does not start.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	play := scene.Default()
	if cfg.Scene != "" {
		var err error
		if play, err = scene.ReadFile(cfg.Scene); err != nil {
			t.Fatalf("plexauthtest: %v", err)
		}
	}
	play.SignUp = play.SignUp || cfg.SignUp
	s := &Server{t: t, resettable: cfg.Resettable, mediaJWT: cfg.MediaJWT, stopping: make(chan struct{}), play: play, clock: play.Clock(), dice: play.Dice()}
	s.named = s.newInjector()
	t.Cleanup(s.close) // runs last, since cleanups run in reverse order
	listener := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(listener.Close)
	t.Cleanup(func() { close(s.stopping) })
	s.AccountURL, s.MediaURL = listener.URL, listener.URL
	s.transport = newTransport(listener.Listener.Addr().String())
	t.Cleanup(s.transport.CloseIdleConnections)
	open := play.Config()
	open.TransientTTL, open.FailedTries, open.Logger, open.Now = cfg.TransientTTL, cfg.MaxFailedSignIns, cfg.Logger, s.Now
	open.Self = &source.Self{Connections: []source.Connection{{URI: s.MediaURL, Local: true}}}
	open.Template = &template
	if s.dice != nil {
		open.Random = s.dice.Of
	}
	c, err := core.Open(context.Background(), open)
	if err != nil {
		t.Fatalf("plexauthtest: %v", err)
	}
	s.start(c)
	s.populate(play, cfg.Scene == "")
	err = s.named.Set(play.Faults)
	if cfg.Resettable || s.dice != nil {
		err = errors.Join(err, c.Mark(context.Background()))
	}
	if err == nil && s.dice != nil {
		s.dice.Restart()
		err = c.Rewind(context.Background())
	}
	if err != nil {
		t.Fatalf("plexauthtest: %v", err)
	}
	return s
}

// close closes the database after the last request.
func (s *Server) close() {
	if i := s.current.Load(); i != nil {
		_ = i.Close()
	}
}

// start makes the services of c answer all further requests.
func (s *Server) start(c *core.Core) {
	with := func(mediaJWT bool) http.Handler {
		return server.New(c, server.Config{Version: "test", MediaJWT: mediaJWT}).Handler()
	}
	s.current.Store(&instance{c, with(s.mediaJWT), sync.OnceValue(func() http.Handler { return with(true) })})
}

// Restart has the effect of a server restart: it invalidates every transient
// token. Everything else stays, including the address.
func (s *Server) Restart() {
	s.t.Helper()
	c, err := s.current.Load().Core.Restart(context.Background())
	if err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	s.start(c)
}

// Now returns the time of the server's clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Advance moves the server's clock forward by d.
func (s *Server) Advance(d time.Duration) { s.clock.Advance(d) }

// clientIdentifier is the client identifier of AnonymousClient.
const clientIdentifier = "plexauthtest"

// operator is the actor of the test's changes in the audit log.
var operator = audit.Actor{Name: "plexauthtest"}

// Client returns an SDK client with a new access token of u. Each call of Client and
// Token signs in on a new device: plexauthtest-1, plexauthtest-2 and so on. On a shared
// device, tokens would be evicted, because usher limits a device to ten. Disabled cannot
// sign in: for it, the client always has the token that was issued before the account
// was disabled, and the device of AnonymousClient.
func (s *Server) Client(u *User) *plexauth.Client {
	s.t.Helper()
	c := s.AnonymousClient()
	id, token := s.signIn(u)
	c.ClientIdentifier, c.Token = id, plexauth.StaticToken(token)
	return c
}

// AnonymousClient returns an SDK client without a token. Its client identifier is
// always plexauthtest.
func (s *Server) AnonymousClient() *plexauth.Client {
	return &plexauth.Client{
		ClientIdentifier: clientIdentifier, Product: "plexauthtest",
		AccountURL: s.AccountURL, MediaURL: s.MediaURL,
	}
}

// Token returns a new access token of u, on a separate device. For Disabled,
// it returns the token that was issued before the account was disabled.
func (s *Server) Token(u *User) plexauth.Secret {
	s.t.Helper()
	_, token := s.signIn(u)
	return token
}

// signIn issues a token for u on a new device, and returns both.
func (s *Server) signIn(u *User) (id string, token plexauth.Secret) {
	s.t.Helper()
	if u.oldToken != "" {
		return clientIdentifier, u.oldToken
	}
	id = fmt.Sprintf("%s-%d", clientIdentifier, s.devices.Add(1))
	return id, s.tokenOn(id, u)
}

// tokenOn issues a token for u on a device.
func (s *Server) tokenOn(id string, u *User) plexauth.Secret {
	s.t.Helper()
	token, err := s.current.Load().Tokens.Issue(context.Background(), operator, u.id,
		device.Device{ClientIdentifier: id, Product: "plexauthtest"})
	if err != nil {
		s.t.Fatalf("plexauthtest: issuing a token for %s: %v", u.Username, err)
	}
	return token
}
