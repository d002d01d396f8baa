package api

import (
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/plexauth"
)

// Config configures an API.
type Config struct {
	// Observer logs and counts the requests. Required.
	Observer *httpd.Observer
	// PublicURL is the URL at which browsers reach this server. If empty, it is the
	// address that each request was sent to.
	PublicURL string
	// MediaJWT makes the media plane accept JWTs. Released media servers do
	// not.
	MediaJWT bool
	// Letters returns the texts of e-mails with links. If nil, this server sends none.
	Letters Letters
	// Version is the version of usher, reported in /identity. If empty, it is "dev".
	Version string
	// Missed counts the requests for unknown paths. If nil, only the metrics count
	// them.
	Missed *missed.Paths
}

// Letters returns the texts of e-mails with links. Package web implements it.
type Letters interface {
	// Invitation returns the e-mail with an invitation, from its maker.
	Invitation(i invite.Invitation, secret plexauth.Secret) mail.Message
	// Reset returns the e-mail with a reset link.
	Reset(made account.MadeReset) mail.Message
}

// API handles the requests of both planes. It is safe for concurrent use.
type API struct {
	// exact maps the paths without wildcards, which are nearly all paths, to their
	// endpoints. A lookup in it is faster than one in a mux.
	exact map[string]*endpoint
	// patterns are the endpoints of the other paths.
	patterns map[string]*endpoint
	notFound *endpoint
	admin    *adminAPI
}

// New returns an API for the services of c.
func New(c *core.Core, cfg Config) *API {
	gate := &gate{tokens: c.Tokens, selfID: c.Sources.Self().ID, mediaJWT: cfg.MediaJWT}
	unknown := newUnknownPaths(cfg.Missed)
	cfg.Observer.Register(unknown.counter)
	a := &API{
		exact: make(map[string]*endpoint), patterns: make(map[string]*endpoint),
		admin:    newAdminAPI(c, cfg),
		notFound: &endpoint{gate: gate, log: c.Logger, observer: cfg.Observer.At(""), unknown: unknown},
	}
	f := newFeatures(c, cfg)
	for p, routes := range [...][]route{
		accountPlane: f.accountPlane(), mediaPlane: f.mediaPlane(), bothPlanes: f.bothPlanes(),
	} {
		for _, r := range routes {
			path := strings.TrimSuffix(r.path, "{$}")
			endpoints := a.exact
			if strings.Contains(path, "{") {
				endpoints = a.patterns
			}
			e := endpoints[path]
			if e == nil {
				e = &endpoint{
					plane: plane(p), gate: gate, log: c.Logger, observer: cfg.Observer.At(path),
					methods: make(map[string]*route), refusal: refusalAt(path, &r),
				}
				endpoints[path] = e
			}
			e.add(&r)
		}
	}
	return a
}

// Handler returns a handler for the paths of both planes and of the admin API, and
// passes all others to next. A browser's request for / is passed on, too: it requests a
// page. A path that a mux would clean by a redirect is not passed on: the redirect
// would repeat a query that can contain a token.
func (a *API) Handler(next http.Handler) http.Handler {
	mux, restricted := http.NewServeMux(), http.NewServeMux()
	for path, e := range a.patterns {
		to := mux
		if strings.HasPrefix(path, restrictedUsers) {
			to = restricted
		}
		to.Handle(path, e)
		to.Handle(path+"/{$}", e)
	}
	mux.Handle("/", next)
	restricted.Handle("/", mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, adminPrefix) {
			a.admin.ServeHTTP(w, r)
			return
		}
		if suffix := formatSuffix(strings.TrimSuffix(r.URL.Path, "/")); suffix != "" {
			r = withoutSuffix(r, suffix)
		}
		path := r.URL.Path
		e := a.exact[path]
		if e == nil {
			e = a.withoutSlash(r)
		}
		if e != nil && r.URL.RawPath == "" && (path != "/" || !httpd.WantsPage(r)) {
			e.ServeHTTP(w, r)
			return
		}
		if unclean(path) {
			a.notFound.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(path, restrictedUsers) {
			restricted.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// restrictedUsers is the prefix of the paths of the managed users of a home. They
// have their own mux: to http.ServeMux, …/users/restricted/{id} and
// …/users/{id}/switch are a conflict, since both match …/users/restricted/switch.
const restrictedUsers = "/api/v2/home/users/restricted/"

// unclean reports whether a mux would clean a path: if it is empty, or has an empty
// segment, . or ..; the last segment may be empty.
func unclean(path string) bool {
	return path == "" || strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../")
}

// withoutSlash returns the endpoint of a path with a trailing slash, which is
// ignored. It depends on the method: /pins/ is not POST /pins, but a PIN without a
// number.
func (a *API) withoutSlash(r *http.Request) *endpoint {
	path, found := strings.CutSuffix(r.URL.Path, "/")
	e := a.exact[path]
	if !found || path == "/" || e == nil || e.methods[r.Method] == nil && r.Method != http.MethodOptions {
		return nil
	}
	return e
}

// NotFound returns the handler of requests for unknown paths.
func (a *API) NotFound() http.Handler { return a.notFound }
