package server

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/httpd"
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
	observer *httpd.Observer
	signIns  *prometheus.CounterVec
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
	s.observer, s.signIns = s.newObserver(), newSignInCounter()
	s.observer.Register(s.signIns)
	s.route()
	return s
}

// Pages are the pages for people.
func (s *Server) Pages() *web.Pages { return s.web }
