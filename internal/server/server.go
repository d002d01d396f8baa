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
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/web"
)

// Config is what a Server needs beyond the services. Its zero value works.
type Config struct {
	// Proxies are the addresses of reverse proxies, whose X-Forwarded-For is
	// trusted. None: a request comes from the address of its connection.
	Proxies []netip.Prefix
	// PublicURL is where browsers reach this server. Empty: the address that
	// each request was sent to.
	PublicURL string
	// Version is shown in /identity. Empty: "dev".
	Version string
}

// Server answers both planes. It is safe for concurrent use.
type Server struct {
	*core.Core
	web      *web.Pages
	pages    pages
	version  string
	public   string
	exact    map[string]*endpoint
	patterns *http.ServeMux
	nothing  *endpoint
	metrics  *metrics
	proxies  []netip.Prefix
}

// New returns a Server that answers from the services of c.
func New(c *core.Core, cfg Config) *Server {
	s := &Server{
		Core: c, version: cfg.Version, public: strings.TrimSuffix(cfg.PublicURL, "/"), proxies: cfg.Proxies,
		pages: newPages(c.Store.DB()),
	}
	if s.version == "" {
		s.version = "dev"
	}
	s.web = web.New(web.Config{
		Store: c.Store, Accounts: c.Accounts, Tokens: c.Tokens, Sources: c.Sources, PINs: c.PINs,
		Origins: c.Origins, Sessions: c.Sessions, Passkeys: c.Passkeys,
		PublicURL: s.public, Logger: c.Logger, Now: c.Now,
	})
	s.metrics = newMetrics(s)
	s.route()
	return s
}

// Pages are the pages for people.
func (s *Server) Pages() *web.Pages { return s.web }

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
