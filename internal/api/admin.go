package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// The admin API is separate from the planes: JSON only, with its own keys. A request
// sends its key in Authorization only. Keys in cookies, X-Plex-Token and the query
// are ignored, so pages of other sites and links cannot use one.

// adminPrefix is the prefix of the paths of the admin API.
const adminPrefix = "/admin/api/"

// adminRoute is a row of the table of the admin API.
type adminRoute struct {
	method, path string
	scope        adminkey.Scope
	query        string // the parameters in the query, separated by spaces
	body         bool   // the request has an object in JSON
	handle       adminHandler
}

// adminHandler handles a call of the admin API. It returns a status, and a body to encode in
// JSON. A nil body is not sent.
type adminHandler func(ctx context.Context, c *adminCall) (status int, body any, err error)

// paged are the parameters of each listing.
const paged = "limit after before"

// adminCall is a request to the admin API with a key that has the route's scope.
type adminCall struct {
	http    *http.Request
	key     adminkey.Key
	address string
	query   url.Values
	body    []byte // the object that was sent
}

// actor returns the key as an actor of the audit log.
func (c *adminCall) actor() audit.Actor { return c.key.Actor(c.address) }

// read decodes the object in the body. A field that v does not have is an error: it
// may be a misspelt one that was meant to protect something.
func (c *adminCall) read(v any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	// null would leave every field as if it was omitted.
	if !bytes.HasPrefix(bytes.TrimLeft(c.body, " \t\r\n"), []byte("{")) {
		return fault.WithField(errMalformed, "", "the body is not a JSON object")
	}
	if err := d.Decode(v); err != nil {
		field := ""
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			field = lowered(wrong.Field)
		}
		if unknown, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
			name, _ := strconv.Unquote(unknown)
			return fault.WithField(errMalformed, shownName(name), "the body has a field that this path does not take")
		}
		return fault.WithField(errMalformed, field, "the body is not the JSON object that this path takes")
	}
	if _, err := d.Token(); err != io.EOF {
		return fault.WithField(errMalformed, "", "the body has something after the JSON object")
	}
	return nil
}

// shownName returns the name of a field or a parameter that a caller made up, for an
// error, or "" if it is too long or has other characters than names have.
func shownName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return ""
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)

// lowered returns the JSON name of a struct field.
func lowered(field string) string {
	first, size := utf8.DecodeRuneInString(field)
	if size == 0 {
		return ""
	}
	return string(unicode.ToLower(first)) + field[size:]
}

// id returns a number in the path. A malformed number is returned as one that no object has.
func (c *adminCall) id(name string) int64 {
	id, err := strconv.ParseInt(c.http.PathValue(name), 10, 64)
	if err != nil || id <= 0 {
		return -1
	}
	return id
}

// maxLimit is the maximum number of rows in a response.
const maxLimit = 500

// part returns the requested page of a listing.
func (c *adminCall) part() (r paging.Request, err error) {
	r = paging.Request{After: paging.Cursor(c.query.Get("after")), Before: paging.Cursor(c.query.Get("before"))}
	if c.query.Has("limit") {
		r.Limit, err = strconv.Atoi(c.query.Get("limit"))
		if err != nil || r.Limit < 1 || r.Limit > maxLimit {
			return r, fault.WithField(errMalformed, "limit", "limit is a number from 1 to "+strconv.Itoa(maxLimit))
		}
	}
	if r.After != "" && r.Before != "" {
		return r, fault.WithField(errMalformed, "before", "only one of after and before can be given")
	}
	return r, nil
}

// number returns a number in the query, or 0 if it is missing.
func (c *adminCall) number(name string) (int64, error) {
	if !c.query.Has(name) {
		return 0, nil
	}
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil || n < 1 {
		return 0, fault.WithField(errMalformed, name, name+" is not a number")
	}
	return n, nil
}

// choice returns one of some words in the query, or the first word if the parameter is
// missing.
func (c *adminCall) choice(name string, words ...string) (string, error) {
	word := c.query.Get(name)
	if word == "" {
		return words[0], nil
	}
	if !slices.Contains(words, word) {
		return "", fault.WithField(errMalformed, name, name+" is one of "+strings.Join(words, ", "))
	}
	return word, nil
}

// mayChange returns an error unless the key can change an account. Attack: a key for
// accounts that sets the password of an admin, and signs in. The change checks it again
// in its transaction; here the check precedes any work.
func (c *adminCall) mayChange(a account.Account) error { return account.CheckMayChange(c.actor(), a) }

// needs returns an error unless the key has another scope than the route's, too.
func (c *adminCall) needs(s adminkey.Scope) error {
	if !c.key.Allows(s) {
		return fault.WithField(errScope, "", "this takes the scope "+string(s)+" as well")
	}
	return nil
}

// list is the wire form of a page of a listing.
type list[T any] struct {
	Items    []T           `json:"items"`
	Next     paging.Cursor `json:"next"`
	Previous paging.Cursor `json:"previous"`
}

// listed returns the response with a page of a listing.
func listed[R, T any](l paging.List[R], err error, of func(R) T) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	if l.Restarted { // a program that continues would read the first rows repeatedly
		return 0, nil, fault.WithField(errMalformed, "", "after or before is not from a response of this listing")
	}
	items := make([]T, 0, len(l.Rows))
	for _, row := range l.Rows {
		items = append(items, of(row))
	}
	return http.StatusOK, list[T]{items, l.Next, l.Previous}, nil
}

// done returns the response to a change without content.
func done(err error) (int, any, error) { return http.StatusNoContent, nil, err }

// gone responds to a removal. A missing object counts as removed.
func gone(err error) (int, any, error) {
	if fault.KindOf(err) == fault.NotFound {
		err = nil
	}
	return done(err)
}

// adminAPI handles the requests below adminPrefix.
type adminAPI struct {
	keys     *adminkey.Service
	log      *slog.Logger
	notFound *adminEndpoint
	mux      *http.ServeMux
}

// adminEndpoint handles the requests for one path.
type adminEndpoint struct {
	api      *adminAPI
	observer *httpd.PathObserver
	methods  map[string]adminRoute // nil: the path does not exist
}

func newAdminAPI(c *core.Core, cfg Config) *adminAPI {
	a := &adminAPI{keys: c.AdminKeys, log: c.Logger, mux: http.NewServeMux()}
	a.notFound = &adminEndpoint{api: a, observer: cfg.Observer.At("")}
	endpoints := make(map[string]*adminEndpoint)
	for _, r := range newAdminFeatures(c, cfg).routes() {
		e := endpoints[r.path]
		if e == nil {
			e = &adminEndpoint{a, cfg.Observer.At(r.path), make(map[string]adminRoute)}
			endpoints[r.path] = e
			a.mux.Handle(r.path, e)
		}
		e.methods[r.method] = r
	}
	a.mux.Handle("/", a.notFound)
	return a
}

// ServeHTTP handles a request below adminPrefix. A path that a mux would clean by a
// redirect is unknown.
func (a *adminAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if unclean(r.URL.EscapedPath()) {
		a.notFound.ServeHTTP(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// ServeHTTP handles one request.
func (e *adminEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var x httpd.Exchange
	e.observer.Begin(&x, r)
	c := &adminCall{http: r, address: x.Address}
	status, body, err := e.answer(r.Context(), w, c)
	if c.key.ID != 0 {
		x.Add(slog.String("key", c.key.Name))
	}
	if err == nil {
		x.Status = status
		x.Size, err = writeJSON(w, status, wire.JSON.ContentType(), body)
	}
	if err != nil {
		e.writeProblem(w, &x, err)
	}
	e.observer.End(&x)
}

// answer finds the route, checks the key, reads the request and calls the handler.
func (e *adminEndpoint) answer(ctx context.Context, w http.ResponseWriter, c *adminCall) (int, any, error) {
	if e.methods == nil {
		return 0, nil, errNoRoute
	}
	method := c.http.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	r, ok := e.methods[method]
	if !ok {
		w.Header().Set("Allow", e.allowed())
		return 0, nil, errMethod
	}
	var err error
	if c.key, err = e.api.authenticate(ctx, c); err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="usher admin API"`)
		return 0, nil, err
	}
	if !c.key.Allows(r.scope) {
		return 0, nil, fault.WithField(errScope, "", "the key does not have the scope "+string(r.scope))
	}
	if err := c.receive(r); err != nil {
		return 0, nil, err
	}
	return r.handle(ctx, c)
}

// allowed lists the methods of an endpoint.
func (e *adminEndpoint) allowed() string {
	var names []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if _, ok := e.methods[m]; ok {
			names = append(names, m)
		}
	}
	if len(names) > 0 && names[0] == "GET" {
		names = slices.Insert(names, 1, "HEAD")
	}
	return strings.Join(names, ", ")
}

// authenticate returns the key of a request.
func (a *adminAPI) authenticate(ctx context.Context, c *adminCall) (adminkey.Key, error) {
	headers := c.http.Header["Authorization"]
	if len(headers) != 1 {
		return adminkey.Key{}, errNoKey
	}
	scheme, secret, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return adminkey.Key{}, errNoKey
	}
	return a.keys.Verify(ctx, c.address, plexauth.Secret(strings.TrimSpace(secret)))
}

// receive reads the query and the body of a request. It rejects parameters that the
// route does not have, and duplicates of single-valued ones.
func (c *adminCall) receive(r adminRoute) error {
	var err error
	if c.query, err = url.ParseQuery(c.http.URL.RawQuery); err != nil {
		return fault.WithField(errMalformed, "", "the query cannot be read")
	}
	known := strings.Fields(r.query)
	for name, values := range c.query {
		if !slices.Contains(known, name) {
			return fault.WithField(errMalformed, shownName(name), "the query has a parameter that this path does not take")
		}
		if len(values) > 1 && name != "event" {
			return fault.WithField(errMalformed, name, name+" is given twice")
		}
	}
	if !r.body {
		return nil
	}
	if media, _, err := mime.ParseMediaType(c.http.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return errNotJSON
	}
	c.body, err = io.ReadAll(http.MaxBytesReader(nil, c.http.Body, small))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return errBodySize
	}
	if err != nil {
		return fault.WithField(errMalformed, "", "the body cannot be read")
	}
	return nil
}

// writeJSON sends a response and returns the size of its body.
func writeJSON(w http.ResponseWriter, status int, media string, body any) (int, error) {
	h := w.Header()
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
	if body == nil {
		w.WriteHeader(status)
		return 0, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return 0, err
	}
	h.Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the caller may have disconnected
	return b.Len(), nil
}
