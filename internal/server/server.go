// Package server combines the faces of usher in one handler: the planes of the API, the
// pages, and the health checks and metrics.
//
// It owns the choice of the face that answers a request, and the metrics
// about the services. It does not own the faces themselves (packages api and
// web, which do not know each other), nor listeners (package httpd).
package server

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/machine"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/internal/web"
)

// Config configures a Server. Its zero value works.
type Config struct {
	// Proxies are the addresses of reverse proxies whose X-Forwarded-For is trusted.
	Proxies []netip.Prefix
	// PublicURL is the URL at which browsers reach this server. If empty, it is the
	// address that each request was sent to. If it has a path, requests may come with
	// the path or without it.
	PublicURL string
	// NoHSTS omits the header that makes browsers use HTTPS only
	// (Strict-Transport-Security).
	NoHSTS bool
	// MetricsHosts are the host names that MetricsHandler accepts, in lower case, in
	// addition to IP addresses and names that are not in public DNS.
	MetricsHosts []string
	// MediaJWT makes the media plane accept JWTs. Released media servers do not.
	MediaJWT bool
	// Version is reported in /identity. If empty, it is "dev".
	Version string
	// Stopping is closed when the server is about to stop: /readyz then fails. If nil,
	// /readyz does not fail before the server stops.
	Stopping <-chan struct{}
	// Missed counts the requests for unknown paths. If nil, only the metrics count
	// them.
	Missed *missed.Paths
	// Machine holds the paths of the installation. Admins are warned if the disk is
	// nearly full, or if the certificate expires soon.
	Machine machine.Place
	// Mail sends e-mails, whose links begin with PublicURL. If nil, no e-mails are
	// sent.
	Mail *mail.Sender
	// If not nil, Unknown is called with each request for an unknown path, before the
	// response.
	Unknown func(*http.Request)
}

// Server serves all faces of one Core. It is safe for concurrent use.
type Server struct {
	observer *httpd.Observer
	health   httpd.Health
	pages    *web.Pages
	handler  http.Handler

	metricsHosts []string
}

// New returns a Server for the services of c.
func New(c *core.Core, cfg Config) *Server {
	public := strings.TrimRight(cfg.PublicURL, "/")
	if clean, err := CleanURL(public); err == nil && public != "" {
		public = clean
	}
	s := &Server{
		observer:     httpd.NewObserver(c.Logger, c.Now),
		health:       httpd.Health{Ping: c.DB.Ping, Logger: c.Logger, Stopping: cfg.Stopping},
		metricsHosts: metricsHosts(public, cfg.MetricsHosts),
		pages:        web.New(c, web.Config{PublicURL: public, Version: cfg.Version, Missed: cfg.Missed, Machine: cfg.Machine, Mail: cfg.Mail}),
	}
	s.observer.Register(serviceMetrics(c)...)
	if cfg.Mail != nil {
		s.observer.Register(mailMetrics(cfg.Mail)...)
	}
	planes := api.New(c, api.Config{
		Observer: s.observer, PublicURL: public, MediaJWT: cfg.MediaJWT, Version: cfg.Version,
		Missed: cfg.Missed, Letters: s.letters(cfg),
	})
	others := http.NewServeMux()
	s.pages.Mount(others, s.observer.Around)
	s.health.Mount(others)
	others.Handle("/", notFound(planes.NotFound(), s.observer.Around("", s.pages.NotFound()), cfg.Unknown))
	s.handler = httpd.Below(httpd.PathOf(public), httpd.BehindProxies(httpd.LimitHost(planes.Handler(others)), cfg.Proxies))
	if !cfg.NoHSTS {
		s.handler = httpd.StrictTransport(public, s.handler)
	}
	return s
}

// letters returns the texts of the e-mails that programs send, or nil if no e-mails are
// sent.
func (s *Server) letters(cfg Config) api.Letters {
	if cfg.Mail == nil {
		return nil
	}
	return s.pages.Letters()
}

// notFound returns a handler that passes requests of programs to one handler and those
// of browsers to another. It calls unknown first, unless that is nil.
func notFound(program, browser http.Handler, unknown func(*http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unknown != nil {
			unknown(r)
		}
		if httpd.WantsPage(r) {
			browser.ServeHTTP(w, r)
			return
		}
		program.ServeHTTP(w, r)
	})
}

// Handler returns the handler for clients and browsers, and for /healthz and /readyz.
func (s *Server) Handler() http.Handler { return s.handler }

// MetricsHandler returns the handler of /metrics, /healthz and /readyz, for a separate
// listener.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", httpd.KnownHost(s.metricsHosts, s.observer.Metrics()))
	s.health.Mount(mux)
	return httpd.LimitHost(mux)
}

// metricsHosts returns names with the host of the public URL added.
func metricsHosts(publicURL string, names []string) []string {
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		names = append(slices.Clone(names), strings.ToLower(u.Hostname()))
	}
	return names
}

// Pages returns the pages. The command that starts the server needs the path of the
// page that creates the first admin.
func (s *Server) Pages() *web.Pages { return s.pages }
