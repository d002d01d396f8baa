// Package server puts the faces of usher under one handler: the planes of the
// API, the pages, and the health checks and metrics.
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

// Config is what a Server needs beyond the services. Its zero value works.
type Config struct {
	// Proxies are the addresses of reverse proxies, whose X-Forwarded-For is
	// trusted. None: a request comes from the address of its connection.
	Proxies []netip.Prefix
	// PublicURL is where browsers reach this server. Empty: the address that
	// each request was sent to. If it has a path, requests may come with it and
	// without it.
	PublicURL string
	// NoHSTS leaves out the header that makes browsers insist on https.
	NoHSTS bool
	// MetricsHosts are the names by which MetricsHandler is reached, in small letters,
	// beside IP addresses and names that no public DNS has.
	MetricsHosts []string
	// MediaJWT makes the media plane accept JWTs, which released media servers do
	// not.
	MediaJWT bool
	// Version is shown in /identity. Empty: "dev".
	Version string
	// Stopping is closed once the server is about to stop: /readyz fails from then on.
	// Nil: it does not fail before the server stops.
	Stopping <-chan struct{}
	// Missed counts the requests for paths that do not exist. Nil: only the metrics
	// do.
	Missed *missed.Paths
	// Machine is where the installation is. Admins are warned of a disk that is
	// nearly full, and of a certificate that expires soon.
	Machine machine.Place
	// Mail sends e-mails, whose links begin with PublicURL. Nil: usher sends none.
	Mail *mail.Sender
	// Unknown gets each request for a path that no face has, before it is
	// answered. Nil: nobody.
	Unknown func(*http.Request)
}

// Server is all faces of one Core. It is safe for concurrent use.
type Server struct {
	observer *httpd.Observer
	health   httpd.Health
	pages    *web.Pages
	handler  http.Handler

	metricsHosts []string
}

// New returns a Server that answers from the services of c.
func New(c *core.Core, cfg Config) *Server {
	public := strings.TrimSuffix(cfg.PublicURL, "/")
	s := &Server{
		observer:     httpd.NewObserver(c.Logger, c.Now),
		health:       httpd.Health{Ping: c.DB.Ping, Logger: c.Logger, Stopping: cfg.Stopping},
		metricsHosts: metricsHosts(public, cfg.MetricsHosts),
		pages:        web.New(c, web.Config{PublicURL: public, NoHSTS: cfg.NoHSTS, Version: cfg.Version, Missed: cfg.Missed, Machine: cfg.Machine, Mail: cfg.Mail}),
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
	return s
}

// letters writes the e-mails that programs send; nil: there are none.
func (s *Server) letters(cfg Config) api.Letters {
	if cfg.Mail == nil {
		return nil
	}
	return s.pages.Letters()
}

// notFound answers programs with one handler and browsers with another. It tells
// unknown, unless that is nil.
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

// Handler answers everything that is for clients and browsers, and /healthz and
// /readyz.
func (s *Server) Handler() http.Handler { return s.handler }

// MetricsHandler answers /metrics, /healthz and /readyz, for a listener of its
// own.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", httpd.KnownHost(s.metricsHosts, s.observer.Metrics()))
	s.health.Mount(mux)
	return httpd.LimitHost(mux)
}

// metricsHosts adds the name of the public URL, which may be that of this machine.
func metricsHosts(publicURL string, names []string) []string {
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		names = append(slices.Clone(names), strings.ToLower(u.Hostname()))
	}
	return names
}

// Pages returns the pages. The program that starts the server gets from them the
// path of the page that creates the first admin.
func (s *Server) Pages() *web.Pages { return s.pages }
