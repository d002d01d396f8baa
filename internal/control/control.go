// Package control is the API with which a test controls the usher that answers the
// program under test: its clock, its people, its faults, and going back to the
// beginning.
//
// It owns the routes, what they read and write, and who may call them. It does not
// own what they do: package stage does it.
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

// Secret is what a test sends with each request, as "Authorization: Bearer SECRET".
// A page in a browser of the machine cannot know it.
type Secret = plexauth.Secret

// NewSecret returns a secret for a run.
func NewSecret() Secret { return Secret(rand.Text()) }

// Route is a row of the API.
type Route struct {
	// Method and Path are what it answers; the path is a pattern of net/http.
	Method, Path string
	// Takes is the body of the request, and Gives that of the answer, as examples
	// of JSON. Empty: no body.
	Takes, Gives string
	// Does says what it does.
	Does string

	handle func(*api, *http.Request) (any, error)
}

// api is the API of a stage.
type api struct {
	*stage.Stage
	version string
}

// New returns the API of a stage, for those who know the secret.
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
		write(w, nil, fault.New(fault.NotFound, "the control API has nothing at this path and method"))
	})
	wanted := sha256.Sum256([]byte(secret))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		if subtle.ConstantTimeCompare(wanted[:], given[:]) != 1 {
			write(w, nil, fault.New(fault.Unauthenticated, "this takes the header Authorization: Bearer $USHER_CONTROL_TOKEN"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// maxBody is the most bytes of a request.
const maxBody = 1 << 20

// statuses are the statuses of errors.
var statuses = map[fault.Kind]int{
	fault.NotFound: http.StatusNotFound, fault.Exists: http.StatusConflict, fault.Conflict: http.StatusConflict,
	fault.Invalid: http.StatusBadRequest, fault.TooLarge: http.StatusRequestEntityTooLarge,
	fault.Unauthenticated: http.StatusUnauthorized, fault.Denied: http.StatusForbidden,
}

// write sends an answer, or an error as {"error": "…"}.
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

// read reads the body of a request. A field that is not known is an error: it would
// silently not apply.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil // every field is optional, or checked
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

// invalid makes an error of a caller out of one without a kind.
func invalid(err error) error {
	if err == nil || fault.KindOf(err) != fault.Unknown {
		return err
	}
	return fault.Invalidf("", "%s", err.Error())
}

// required returns an error for a field that is missing.
func required(field, value string) error {
	if value == "" {
		return fault.Invalidf(field, "%s is missing", field)
	}
	return nil
}
