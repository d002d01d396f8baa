// Package control is the API through which a test controls the usher that answers the
// program under test: its clock, its accounts, its faults, and the reset to the initial
// state.
//
// It owns the routes, their request and response bodies, and the authentication of
// calls. It does not own the operations: those are package stage's.
package control

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/stage"
	"github.com/usher-auth/usher/plexauth"
)

// Secret is the secret that a test sends with each request, as "Authorization: Bearer
// SECRET". It keeps out web pages in a browser on the same machine.
type Secret = plexauth.Secret

// NewSecret returns a secret for a run.
func NewSecret() Secret { return Secret(rand.Text()) }

// Route is a row of the API.
type Route struct {
	// Method and Path select the requests. Path is a pattern of net/http.
	Method, Path string
	// Takes is an example of the request body, and Gives of the response body, in JSON.
	// If empty, there is no body.
	Takes, Gives string
	// Does describes the operation.
	Does string

	handle func(*api, *http.Request) (any, error)
}

// api is the API of a stage.
type api struct {
	*stage.Stage
	version string
}

// New returns the API of a stage. Every request must contain the secret.
func New(s *stage.Stage, version string, secret Secret) http.Handler {
	a := &api{s, version}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, req *http.Request) {
			req.Body = http.MaxBytesReader(w, req.Body, maxBody)
			answer, err := r.handle(a, req)
			write(w, answer, err)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, nil, fault.New(fault.NotFound, "the control API has no such path and method"))
	})
	wanted := sha256.Sum256([]byte(secret))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		if subtle.ConstantTimeCompare(wanted[:], given[:]) != 1 {
			write(w, nil, fault.New(fault.Unauthenticated, "the header Authorization: Bearer $USHER_CONTROL_TOKEN is required"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// maxBody is the maximum size of a request body, in bytes.
const maxBody = 1 << 20

// statuses maps the kinds of error to HTTP statuses.
var statuses = map[fault.Kind]int{
	fault.NotFound: http.StatusNotFound, fault.Exists: http.StatusConflict, fault.Conflict: http.StatusConflict,
	fault.Invalid: http.StatusBadRequest, fault.TooLarge: http.StatusRequestEntityTooLarge,
	fault.Unauthenticated: http.StatusUnauthorized, fault.Denied: http.StatusForbidden,
}

// write sends a response, or an error as {"error": "…"}.
func write(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		var known bool
		if status, known = statuses[fault.KindOf(err)]; !known {
			status = http.StatusInternalServerError
		}
		answer = map[string]string{"error": fault.Message(err)}
	}
	w.Header().Set("Cache-Control", "no-store")
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(answer)
}

// read decodes the body of a request. An unknown field is an error, because it would
// silently have no effect.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil // every field is optional, or checked later
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fault.Invalidf(kind.Field, "%s cannot be a %s", kind.Field, kind.Value)
	}
	if err != nil {
		return fault.Invalidf("body", "the body is not what this takes: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// invalid returns an error without a kind as an error of the caller (fault.Invalid).
func invalid(err error) error {
	if err == nil || fault.KindOf(err) != fault.Unknown {
		return err
	}
	return fault.Invalidf("", "%s", err.Error())
}

// required returns an error for a missing field.
func required(field, value string) error {
	if value == "" {
		return fault.Invalidf(field, "%s is missing", field)
	}
	return nil
}
