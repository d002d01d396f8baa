package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// endpoint handles the requests for one path.
type endpoint struct {
	plane    plane
	gate     *gate
	log      *slog.Logger
	observer *httpd.PathObserver
	methods  map[string]*route // nil: the path does not exist
	unknown  *unknownPaths     // of the endpoint of paths that do not exist
	refusal  refusal           // the format of its errors
}

// add adds a route of the endpoint's path.
func (e *endpoint) add(r *route) {
	for method := range strings.FieldsSeq(r.methods) {
		e.methods[method] = r
	}
	if e.methods[http.MethodGet] != nil {
		e.methods[http.MethodHead] = e.methods[http.MethodGet]
	}
}

// calls are reused from request to request; nothing of a call outlives its
// request.
var calls = sync.Pool{New: func() any { return new(call) }}

// ServeHTTP handles one request.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := calls.Get().(*call)
	defer func() {
		*c = call{} // it refers to the request, and has the token
		calls.Put(c)
	}()
	c.http = r
	x := &c.exchange
	e.observer.Begin(x, r)
	c.address = x.Address
	setCORS(w.Header(), r)
	ans, err := e.answer(r.Context(), w, c)
	if err == nil {
		x.Status = ans.status
		x.Size, err = write(w, c, ans)
	}
	if p := &c.principal; p.AccountID != 0 {
		x.Add(slog.Int64("account", p.AccountID))
		x.Add(slog.Int64("device", p.DeviceID))
		x.Add(slog.String("token", p.Kind.String()))
	}
	if err != nil {
		e.writeError(w, c, err)
	}
	e.observer.End(x)
}

// answer reads the request, finds its route and calls the handler.
func (e *endpoint) answer(ctx context.Context, w http.ResponseWriter, c *call) (answer, error) {
	var err error
	c.Request, err = wire.ReadRequest(c.http)
	if c.http.Method == http.MethodOptions {
		// Also where the path does not exist: a browser whose preflight fails
		// reports a network failure to its program, and not the 404.
		if e.methods != nil {
			w.Header().Set("Allow", e.allowed())
		}
		return answer{status: http.StatusNoContent}, nil
	}
	if e.methods == nil {
		e.unknown.count(c.http.URL.Path)
		return answer{}, errNoRoute
	}
	r, ok := e.methods[c.http.Method]
	if !ok {
		w.Header().Set("Allow", e.allowed())
		if e.refusal != inVersion2 && suffixOf(c.http) != ".json" {
			c.Format = wire.XML
		}
		return answer{}, errMethod
	}
	if c.media = e.plane.isMedia(c.http); c.media {
		w.Header().Set(protocolHeader, protocol)
	} else if r.syntax == legacyXML && suffixOf(c.http) != ".json" {
		c.Format = wire.XML
	} else if r.syntax == onlyJSON {
		c.Format = wire.JSON
	}
	if err != nil {
		return answer{}, err
	}
	if err := e.gate.admit(ctx, c, r); err != nil {
		return answer{}, err
	}
	return r.handle(ctx, c)
}

// allowed lists the methods of an endpoint.
func (e *endpoint) allowed() string {
	var list []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if e.methods[m] != nil {
			list = append(list, m)
		}
	}
	return strings.Join(append(list, http.MethodOptions), ", ")
}

// gate checks the permission to call a route.
type gate struct {
	tokens *token.Service
	selfID int64 // this server as a source
	// mediaJWT makes the media plane accept JWTs. Released media servers do
	// not.
	mediaJWT bool
}

// admit reads the parameters, some of which can identify the caller, and
// identifies the caller.
func (g *gate) admit(ctx context.Context, c *call, r *route) (err error) {
	if r.body > 0 {
		c.params, err = wire.ReadParams(c.http, c.Query, r.body)
	} else {
		c.params, err = wire.ReadOptionalParams(c.http, c.Query, small)
	}
	if err != nil {
		return err
	}
	if err = c.Complete(c.params); err != nil {
		return err
	}
	return g.authorise(ctx, c, r.caller)
}

// authorise identifies the caller and checks that a route is open to them.
func (g *gate) authorise(ctx context.Context, c *call, who caller) error {
	switch {
	case who == anyone, who == goodToken && c.Token == "":
		return nil
	case who == clientID:
		if c.ClientIdentifier == "" {
			return errNoClient
		}
		return nil
	case c.Token == "" && c.ClientIdentifier == "" && who != serverToken && who != adminToken:
		return errNoClient
	case c.Token == "":
		return errNoToken
	case (who == serverToken || who == adminToken) && !g.mediaJWT && token.IsJWT(c.Token):
		return token.ErrInvalid
	}
	var err error
	if c.principal, err = g.tokens.Verify(ctx, c.Token); err != nil {
		if who == anyTokenV1 && errors.Is(err, token.ErrInvalid) {
			return errBadToken
		}
		return err
	}
	switch {
	case who == accountToken && !c.principal.ActsForAccount(),
		(who == serverToken || who == adminToken) && !c.principal.Reaches(g.selfID),
		who == adminToken && !c.principal.Admin:
		return errForbidden
	}
	return nil
}
