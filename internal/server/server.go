package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/web"
)

// Config is what a Server stands on.
type Config struct {
	// Store holds everything that outlives the process. Required.
	Store *store.Store
	// Key seals what must be read back. Required.
	Key *seal.Key
	// Self is this server as its clients see it.
	Self source.Self
	// Proxies are the addresses of reverse proxies, whose X-Forwarded-For is
	// believed. None: each request comes from where its connection does.
	Proxies []netip.Prefix
	// PublicURL is where browsers reach this server. Empty: where the request
	// came to.
	PublicURL string
	// Version is shown in /identity and the log. Empty: "dev".
	Version string
	// TransientTTL shortens the life of transient tokens. Zero: 48 hours.
	TransientTTL time.Duration
	// HashSlots and HashQueue bound how many passwords are hashed at once and
	// how many wait. Zero: see guard.NewAdmission.
	HashSlots, HashQueue int
	// Argon2id computes them. Nil: hashing.Here.
	Argon2id func(hashing.Input) []byte
	// HashCost of new passwords. Zero: account.DefaultCost.
	HashCost account.Cost
	// FailedTries is how many sign-ins to one account from one address may
	// fail in a row before each further one must wait. Zero: no limit.
	FailedTries int
	// AuditKeep is how long the audit log is kept. Zero: for ever.
	AuditKeep time.Duration
	// Logger gets a line per request. Nil: nothing is logged.
	Logger *slog.Logger
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Server answers both planes. It is safe for concurrent use.
type Server struct {
	accounts *account.Service
	tokens   *token.Service
	sources  *source.Service
	pins     *pin.Service
	sessions *session.Service
	web      *web.Pages
	store    *store.Store
	hashing  *guard.Admission
	pages    pages
	log      *slog.Logger
	now      func() time.Time
	version  string
	public   string
	exact    map[string]*endpoint
	patterns *http.ServeMux
	nothing  *endpoint
	metrics  *metrics
	keep     time.Duration
	proxies  []netip.Prefix
}

// New returns a Server that is ready to answer.
func New(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{
		store: cfg.Store, log: cfg.Logger, now: cfg.Now, version: cfg.Version,
		public: strings.TrimSuffix(cfg.PublicURL, "/"), keep: cfg.AuditKeep, proxies: cfg.Proxies,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.version == "" {
		s.version = "dev"
	}
	s.hashing = guard.NewAdmission(cfg.HashSlots, cfg.HashQueue)
	s.accounts = account.New(account.Config{
		Store: cfg.Store, Key: cfg.Key, Hashing: s.hashing, FailedTries: cfg.FailedTries,
		Argon2id: cfg.Argon2id, Cost: cfg.HashCost, Now: s.now,
	})
	var err error
	s.tokens, err = token.New(token.Config{
		Store: cfg.Store, Key: cfg.Key, TransientTTL: cfg.TransientTTL, Logger: s.log, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	if s.sources, err = source.NewWithSelf(ctx, cfg.Store, cfg.Self); err != nil {
		return nil, err
	}
	s.pins = pin.New(pin.Config{
		Store: cfg.Store, Key: cfg.Key, FailedTries: cfg.FailedTries, Flush: s.tokens.Flush, Now: s.now,
	})
	s.pages = newPages(cfg.Store.DB())
	s.sessions = session.New(session.Config{Store: cfg.Store, Now: s.now})
	s.web = web.New(web.Config{
		Store: cfg.Store, Accounts: s.accounts, Tokens: s.tokens, Sources: s.sources, PINs: s.pins,
		Origins: origin.New(cfg.Store), Sessions: s.sessions, PublicURL: s.public, Logger: s.log, Now: s.now,
		Passkeys: passkey.New(passkey.Config{Store: cfg.Store, Begins: 10 * cfg.FailedTries, Now: s.now}),
	})
	s.metrics = newMetrics(s)
	s.route()
	return s, nil
}

// Accounts is the service that the server itself uses.
func (s *Server) Accounts() *account.Service { return s.accounts }

// Tokens is the service that the server itself uses.
func (s *Server) Tokens() *token.Service { return s.tokens }

// Sources is the service that the server itself uses.
func (s *Server) Sources() *source.Service { return s.sources }

// PINs is the service that the server itself uses.
func (s *Server) PINs() *pin.Service { return s.pins }

// Pages are the pages for people.
func (s *Server) Pages() *web.Pages { return s.web }

// Run does what is done between requests, until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.tokens.Run(ctx) })
	wg.Go(func() { s.store.KeepAudit(ctx, s.keep) })
	wg.Wait()
}

// Limits on what one connection may take.
const (
	requestTimeout = 15 * time.Second // for the head of the first request; then for each body and answer
	idleTimeout    = 2 * time.Minute  // for the head of the next request
	maxHeader      = 32 << 10
	// lookEvery is how often connections are looked at that take too long.
	lookEvery = time.Second
)

// NewHTTPServer returns an http.Server for a handler, to be run by Serve. What
// it has to say itself goes to logger.
func NewHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Serve answers on ln until ctx ends, then lets what is in flight finish for
// as long as grace. Connections that take too long are ended. files is nil for
// plain HTTP.
func Serve(ctx context.Context, srv *http.Server, ln net.Listener, files *TLS, grace time.Duration) error {
	done := make(chan error, 1)
	if files != nil {
		// A connection of HTTP/2 carries many requests at once: only
		// http.Server knows how long each takes.
		srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = requestTimeout, requestTimeout, idleTimeout
		c, err := files.open()
		if err != nil {
			return err
		}
		srv.TLSConfig = &tls.Config{GetCertificate: c.get}
		go func() { done <- srv.ServeTLS(ln, "", "") }()
	} else {
		watching, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		limited := limitConnections(watching, srv, ln, connectionLimits, lookEvery)
		go func() { done <- srv.Serve(limited) }()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	return err
}
