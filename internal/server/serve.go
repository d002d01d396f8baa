package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// route puts both tables in their places: nearly every path is a plain one and
// is found by a look in a map, the others by the mux.
func (s *Server) route() {
	s.exact, s.patterns = make(map[string]*endpoint), http.NewServeMux()
	s.nothing = &endpoint{Server: s, observer: s.observer.At("")}
	endpoints := make(map[string]*endpoint)
	for _, plane := range [][]route{accountPlane[:], mediaPlane[:]} {
		for i := range plane {
			s.addRoute(endpoints, &plane[i])
		}
	}
	for path, e := range endpoints {
		if strings.Contains(path, "{") {
			s.patterns.Handle(path, e)
		} else {
			s.exact[path] = e
		}
	}
	s.web.Mount(s.patterns, s.observer.Around)
	lost := s.observer.Around("", s.web.NotFound())
	s.patterns.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if httpd.WantsPage(r) {
			lost.ServeHTTP(w, r)
			return
		}
		s.nothing.ServeHTTP(w, r)
	})
	s.health().Mount(s.patterns)
}

func (s *Server) addRoute(endpoints map[string]*endpoint, r *route) {
	path := strings.TrimSuffix(r.path, "{$}")
	e := endpoints[path]
	if e == nil {
		e = &endpoint{s, make(map[string]*route), s.observer.At(path)}
		endpoints[path] = e
	}
	for method := range strings.FieldsSeq(r.methods) {
		e.methods[method] = r
	}
	if e.methods[http.MethodGet] != nil {
		e.methods[http.MethodHead] = e.methods[http.MethodGet]
	}
}

// Handler answers both planes, /healthz and /readyz.
func (s *Server) Handler() http.Handler {
	return httpd.BehindProxies(http.HandlerFunc(s.serveHTTP), s.proxies)
}

// serveHTTP chooses the endpoint. A path that the mux would "clean" with a
// redirect has nothing behind it, and the redirect would repeat a query string
// that may hold a token.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if suffix := formatSuffix(r.URL.Path); suffix != "" {
		r = withoutSuffix(r, suffix)
	}
	path := r.URL.Path
	if e := s.exact[path]; e != nil && r.URL.RawPath == "" && (path != "/" || !httpd.WantsPage(r)) {
		e.ServeHTTP(w, r)
		return
	}
	if strings.Contains(path, "//") || strings.Contains(path, "/.") || path == "" {
		s.nothing.ServeHTTP(w, r)
		return
	}
	s.patterns.ServeHTTP(w, r)
}

// withoutSuffix is a request with its path's suffix as the one format that it
// accepts.
func withoutSuffix(r *http.Request, suffix string) *http.Request {
	plain, u := *r, *r.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, suffix), strings.TrimSuffix(u.RawPath, suffix)
	plain.URL = &u
	plain.Header = r.Header.Clone()
	plain.Header["Accept"] = suffixAccept[suffix]
	return &plain
}

// suffixAccept is what a path's suffix stands for. It beats the Accept header.
var suffixAccept = map[string][]string{
	".json": {wire.JSON.ContentType()},
	".xml":  {"application/xml"},
}

func formatSuffix(path string) string {
	dot := strings.LastIndexByte(path, '.')
	if dot < 1 || path[dot-1] == '/' || suffixAccept[path[dot:]] == nil {
		return ""
	}
	return path[dot:]
}

// calls are reused from request to request; nothing of one is kept beyond it.
var calls = sync.Pool{New: func() any { return new(call) }}

// endpoint is what stands at one path: a route for each method.
type endpoint struct {
	*Server
	methods  map[string]*route
	observer *httpd.PathObserver
}

// ServeHTTP takes one request all the way.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := calls.Get().(*call)
	defer calls.Put(c)
	*c = call{http: r}
	e.observer.Begin(&c.exchange, r)
	c.address = c.exchange.Address
	setCORS(w.Header(), r)
	ans, err := e.answer(r.Context(), w, c)
	size := 0
	if err == nil {
		size, err = e.write(w, c, ans)
	}
	if p := c.principal; p.AccountID != 0 {
		c.exchange.Add(slog.Int64("account", p.AccountID))
		c.exchange.Add(slog.Int64("device", p.DeviceID))
		c.exchange.Add(slog.String("token", p.Kind.String()))
	}
	if err != nil {
		ans.status, size = e.writeError(w, c, err)
	}
	c.exchange.Status, c.exchange.Size = ans.status, size
	e.observer.End(&c.exchange)
}

// answer reads the request, finds its route and asks the handler.
func (e *endpoint) answer(ctx context.Context, w http.ResponseWriter, c *call) (answer, error) {
	var err error
	c.Request, err = wire.ReadRequest(c.http)
	if c.http.Method == http.MethodOptions {
		// Also where nothing is: a browser that is refused here tells its
		// program of a failure of the network, and not of the 404.
		if e.methods != nil {
			w.Header().Set("Allow", e.allowed())
		}
		return answer{status: http.StatusNoContent}, nil
	}
	if e.methods == nil {
		return answer{}, errNoRoute
	}
	r, ok := e.methods[c.http.Method]
	if !ok {
		w.Header().Set("Allow", e.allowed())
		return answer{}, errMethod
	}
	if r.syntax == legacyXML && !strings.HasSuffix(c.http.RequestURI[:pathEnd(c.http.RequestURI)], ".json") {
		c.Format = wire.XML
	}
	if err != nil {
		return answer{}, err
	}
	if err := e.admit(ctx, c, r); err != nil {
		return answer{}, err
	}
	if changes(c.http.Method, r.need) {
		ctx = store.WithActor(ctx, c.actor())
	}
	return r.handle(e.Server, ctx, c)
}

// admit finds out who calls, and reads the body of a caller who may.
func (s *Server) admit(ctx context.Context, c *call, r *route) (err error) {
	c.params = c.Query
	if r.need == client && r.body > 0 {
		// It is in the body, perhaps, that a caller says who it is.
		if c.params, err = wire.ReadParams(c.http, c.Query, r.body); err != nil {
			return err
		}
		if err = c.Complete(c.params); err != nil {
			return err
		}
		return s.authorise(ctx, c, r.need)
	}
	if err = s.authorise(ctx, c, r.need); err != nil || r.body == 0 {
		return err
	}
	c.params, err = wire.ReadParams(c.http, c.Query, r.body)
	return err
}

// changes reports whether a route may change something that the audit log
// tells of, and must know who calls. Nearly all requests only read; they are
// spared the work.
func changes(method string, n need) bool {
	return n == owner || method != http.MethodGet && method != http.MethodHead
}

// actor is the caller, as the audit log names it.
func (c *call) actor() store.Actor {
	device := store.DescribeDevice(c.Product, c.Device, c.DeviceName)
	if device == "" {
		device = c.ClientIdentifier
	}
	return store.Actor{AccountID: c.principal.AccountID, Device: device, Address: c.address}
}

// pathEnd is where the path of a request URI ends.
func pathEnd(uri string) int {
	if i := strings.IndexByte(uri, '?'); i >= 0 {
		return i
	}
	return len(uri)
}

// allowed lists the methods of an endpoint, in the table's order of use.
func (e *endpoint) allowed() string {
	var list []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if e.methods[m] != nil {
			list = append(list, m)
		}
	}
	return strings.Join(append(list, http.MethodOptions), ", ")
}

// authorise finds out who calls and whether that is enough for a route.
func (s *Server) authorise(ctx context.Context, c *call, n need) error {
	switch {
	case n == anyone:
		return nil
	case n == client:
		if c.ClientIdentifier == "" {
			return errNoClient
		}
		return nil
	case c.Token == "" && c.ClientIdentifier == "" && n != guest && n != admin:
		return errNoClient
	case c.Token == "":
		return errNoToken
	}
	var err error
	if c.principal, err = s.Tokens.Verify(ctx, c.Token); err != nil {
		if n == holder && errors.Is(err, token.ErrInvalid) {
			return errBadToken
		}
		return err
	}
	switch {
	case n == owner && !c.principal.ActsForAccount(),
		(n == guest || n == admin) && !c.principal.Reaches(s.Sources.Self().ID),
		n == admin && !c.principal.Admin:
		return errForbidden
	}
	return nil
}

// buffers are reused from answer to answer.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// write sends an answer and returns the size of its body.
func (s *Server) write(w http.ResponseWriter, c *call, ans answer) (int, error) {
	if ans.body == nil {
		w.WriteHeader(ans.status)
		return 0, nil
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var err error
	if *buf, err = ans.body.Append((*buf)[:0], c.Format, c.Variant); err != nil {
		return 0, err
	}
	h := w.Header()
	ans.part.SetHeader(h)
	h["Content-Type"] = contentTypes[c.Format]
	if len(*buf) > counted {
		h["Content-Length"] = []string{strconv.Itoa(len(*buf))}
	}
	// Every answer is about one caller, and many have a token in them.
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(ans.status)
	_, _ = w.Write(*buf) // the caller has gone: there is nobody to tell
	return len(*buf), nil
}

// counted is how long a body may be for net/http to count it by itself.
const counted = 2048

// Header values that are the same in every answer; nobody changes them.
var (
	contentTypes = [...][]string{
		wire.JSON: {wire.JSON.ContentType()},
		wire.XML:  {wire.XML.ContentType()},
		wire.PNG:  {wire.PNG.ContentType()},
	}
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// writeError sends what the table says of an error.
func (s *Server) writeError(w http.ResponseWriter, c *call, err error) (status, size int) {
	told, ours := explain(err)
	if ours {
		s.Logger.Error("a request failed", "error", err)
	}
	setRetryAfter(w.Header(), err)
	c.exchange.Add(slog.Int("code", told.Code))
	size, _ = s.write(w, c, answer{status: told.Status, body: told})
	return told.Status, size
}

// setCORS lets programs in a browser, which poll PINs and read accounts, read
// our answers. No cookie counts on these planes, so every origin may.
func setCORS(h http.Header, r *http.Request) {
	if r.Header["Origin"] == nil {
		return
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "X-Plex-Container-Start, X-Plex-Container-Total-Size, Retry-After")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", "86400")
	}
}

// corsHeaders are the headers that programs send. Authorization is one: plexjs
// 0.32.1 always has an empty one.
const corsHeaders = "Accept, Accepts, Authorization, Content-Type, X-Plex-Token, X-Plex-Client-Identifier, X-Plex-Product, " +
	"X-Plex-Version, X-Plex-Platform, X-Plex-Platform-Version, X-Plex-Device, X-Plex-Model, X-Plex-Device-Vendor, " +
	"X-Plex-Device-Name, X-Plex-Device-Screen-Resolution, X-Plex-Marketplace, X-Plex-Provides, X-Plex-Features, " +
	"X-Plex-Language, X-Plex-Sync-Version, X-Plex-Pms-Api-Version, X-Plex-Container-Start, X-Plex-Container-Size"
