package api

import (
	"errors"
	"log/slog"
	"net/http"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/source"
)

// Errors of the admin API.
var (
	// errMalformed reports a request that cannot be decoded. A request that can be
	// decoded but is not valid has the kind Invalid, too, with another status.
	errMalformed = fault.New(fault.Invalid, "the request cannot be read")
	errNotJSON   = fault.New(fault.Unsupported, "the body's Content-Type is not application/json")
	errBodySize  = fault.New(fault.TooLarge, "the body is larger than 16 KiB")
	errNoKey     = fault.New(fault.Unauthenticated, "there is no key: send it in Authorization, after Bearer")
	errScope     = fault.New(fault.Denied, "the key does not have the scope")
)

// problem is an error response of the admin API: problem details (RFC 9457). Code is
// stable, and Detail is for people.
type problem struct {
	Title  string `json:"title"`           // text of the status
	Status int    `json:"status"`          // status of the response
	Code   string `json:"code"`            // stable name of the error
	Detail string `json:"detail"`          // human-readable explanation
	Field  string `json:"field,omitempty"` // the invalid field of the body or the query
}

// problemCodes has the code of each kind of error. The statuses are those of
// responses, except for those in problemStatuses.
var problemCodes = [...]string{
	fault.Unknown:         "failed",
	fault.NotFound:        "not-found",
	fault.Exists:          "exists",
	fault.Conflict:        "conflict",
	fault.Invalid:         "invalid",
	fault.TooLarge:        "too-large",
	fault.Unsupported:     "not-json",
	fault.Unauthenticated: "bad-key",
	fault.Denied:          "denied",
	fault.Limited:         "rate-limited",
	fault.Busy:            "busy",
	fault.Unavailable:     "unavailable",
}

// problemStatuses are the statuses of kinds that differ from those of the planes.
var problemStatuses = map[fault.Kind]int{fault.Invalid: http.StatusUnprocessableEntity}

// adminProblems are errors with their own code or status.
var adminProblems = [...]struct {
	err    error
	status int // 0: the status of the kind
	code   string
}{
	{errMalformed, http.StatusBadRequest, "malformed"},
	{errMethod, http.StatusMethodNotAllowed, "method"},
	{errNoRoute, 0, "no-path"},
	{errNoKey, 0, "no-key"},
	{errScope, 0, "scope"},
	{account.ErrMembersOnly, 0, "scope"},
	{adminkey.ErrInvalid, 0, "bad-key"},
	{account.ErrLastAdmin, 0, "last-admin"},
	{account.ErrManaged, 0, "managed"},
	{source.ErrSelf, 0, "own-server"},
}

// problemOf returns the problem of an error. ours reports whether the error is a
// failure of the server, which must be logged.
func problemOf(err error) (p problem, ours bool) {
	kind := fault.KindOf(err)
	p = problem{Status: responses[kind].status, Code: problemCodes[kind], Detail: responses[fault.Unknown].message}
	if status, ok := problemStatuses[kind]; ok {
		p.Status = status
	}
	for _, own := range adminProblems {
		if errors.Is(err, own.err) {
			p.Code = own.code
			if own.status != 0 {
				p.Status = own.status
			}
			break
		}
	}
	p.Title = http.StatusText(p.Status)
	if found := fault.Find(err); found != nil {
		first, size := utf8.DecodeRuneInString(found.Error())
		p.Detail, p.Field = string(unicode.ToUpper(first))+found.Error()[size:], found.Field
	}
	return p, kind == fault.Unknown
}

// writeProblem sends an error by the tables.
func (e *adminEndpoint) writeProblem(w http.ResponseWriter, x *httpd.Exchange, err error) {
	p, ours := problemOf(err)
	if ours {
		e.api.log.Error("a request failed", "error", err)
	}
	setRetryAfter(w.Header(), err)
	x.Add(slog.String("code", p.Code))
	x.Status = p.Status
	x.Size, _ = writeJSON(w, p.Status, "application/problem+json", p)
}
