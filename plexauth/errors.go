package plexauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The errors to test for with errors.Is. Calls return an *Error that matches
// them, and not these values themselves. Rejection and unreachability are
// distinct: a rejected call has a StatusCode, and a server that did not respond
// is ErrUnreachable.
var (
	// ErrBadRequest reports an invalid request (status 400 or 422).
	ErrBadRequest = errors.New("bad request")
	// ErrUnauthorized reports that the token, the login or the password was
	// rejected (status 401, or 422 with "Invalid token", which also matches
	// ErrBadRequest), or that the call needs a token and Client.Token supplied
	// no valid one. Sign in again.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrVerificationRequired reports that the password is right and that a
	// verification code is missing or wrong. Ask for a code and sign in with
	// it. The error also matches ErrUnauthorized.
	ErrVerificationRequired = errors.New("verification code required")
	// ErrForbidden reports that the token is valid but not sufficient (status
	// 403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound reports that the requested object does not exist (status
	// 404).
	ErrNotFound = errors.New("not found")
	// ErrTokenExpired reports that the token has expired (status 498). Servers
	// send this status for JWTs; for other tokens they send 401.
	ErrTokenExpired = errors.New("token expired")
	// ErrRateLimited reports too many requests or too many failed sign-ins
	// (status 429, or code 1031). Error.RetryAfter is the time to wait, if the
	// server sent one.
	ErrRateLimited = errors.New("rate limited")
	// ErrPINExpired reports that the PIN expired, that the user denied access,
	// or that the server does not know the PIN (code 1020). Servers do not
	// distinguish these cases. Start a new PIN.
	ErrPINExpired = errors.New("PIN expired")
	// ErrHomePIN reports that switching to a user of the home requires that
	// user's PIN, and that it is missing or wrong (code 1041). The error also
	// matches ErrForbidden.
	ErrHomePIN = errors.New("home PIN required")
	// ErrServer reports a failure of the server, or of a proxy in front of it
	// (status 500 or higher).
	ErrServer = errors.New("server error")
	// ErrUnreachable reports that there was no response, that the response was
	// incomplete, or that Client.Timeout or the deadline of the context passed
	// first. If the program cancels the context, the error matches
	// context.Canceled and not ErrUnreachable.
	ErrUnreachable = errors.New("unreachable")
)

// Error codes of known servers.
const (
	codeUnauthorized         = 1001
	codePINNotFound          = 1020
	codeVerificationRequired = 1029
	codeTooManyFailures      = 1031
	codeHomePINRequired      = 1041
)

// ErrorDetail is an error in the body of a response.
type ErrorDetail struct {
	// Code is the error code of the server, or 0 if it sent none.
	Code int
	// Message is the error message of the server.
	Message string
}

// Error describes a failed call: the server rejected it, did not respond, or
// sent an invalid response. Use errors.Is with ErrUnauthorized and the other
// variables of this package to decide what to do. errors.Is and errors.As also
// find the cause, such as context.DeadlineExceeded or a *net.OpError.
type Error struct {
	// Operation is the name of the method that failed, such as "SignIn".
	Operation string
	// Method is the HTTP method. It is empty for Connect, which sends a request
	// through every connection.
	Method string
	// URL is the URL of the request, without query, password and PIN id. It is
	// empty for Connect, and if the base URL is invalid.
	URL string
	// StatusCode is the HTTP status, or 0 if there was no response.
	StatusCode int
	// Details are the errors in the response body. They are empty if the body
	// has no known format, such as the page of a proxy.
	Details []ErrorDetail
	// Body is the start of the response body, at most 4 KiB. It may contain
	// secrets. The method Error does not print it.
	Body []byte
	// Header is the header of the response, or nil if there was none.
	Header http.Header
	// RetryAfter is the time to wait that the server sent with the status
	// (header Retry-After), or 0.
	RetryAfter time.Duration

	cause error
	sent  bool // the request was passed to the transport before the call failed
}

// maxErrorBody limits Error.Body. maxErrorDocument limits the part of a body
// that is parsed for details: a longer one is a web page or an attack.
const (
	maxErrorBody     = 4 << 10
	maxErrorDocument = 64 << 10
)

// Error returns the operation, the URL, the status, the details and the cause.
// The text contains no secret of the program. It contains the messages of the
// server unchanged.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plexauth: %s", e.Operation)
	if e.URL != "" {
		fmt.Fprintf(&b, ": %s %s", e.Method, e.URL)
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": %s", strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+http.StatusText(e.StatusCode)))
	}
	for _, d := range e.Details {
		fmt.Fprintf(&b, ": %s (code %d)", d.Message, d.Code)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap returns the reason why there was no response, or why it is invalid. It
// returns nil if the server rejected the call.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether e matches target, one of the variables of this package.
// errors.Is calls it.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrBadRequest:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized && !e.has(codeTooManyFailures) ||
			e.rejectsToken() || e.cause == errNoToken || e.cause == errInvalidToken
	case ErrVerificationRequired:
		return e.StatusCode == http.StatusUnauthorized &&
			(e.has(codeVerificationRequired) || e.mentions("verification code"))
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrPINExpired:
		return e.StatusCode == http.StatusNotFound && e.has(codePINNotFound)
	case ErrHomePIN:
		return e.StatusCode == http.StatusForbidden && e.has(codeHomePINRequired)
	case ErrTokenExpired:
		return e.StatusCode == statusTokenExpired
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests || e.has(codeTooManyFailures)
	case ErrServer:
		return e.StatusCode >= 500
	case ErrUnreachable:
		return e.sent && (e.StatusCode == 0 || errors.Is(e.cause, errIncomplete)) &&
			!errors.Is(e.cause, context.Canceled)
	}
	return false
}

// statusTokenExpired is a non-standard status that servers send for an expired
// JWT.
const statusTokenExpired = 498

// has reports whether one of the details has the given code.
func (e *Error) has(code int) bool {
	for _, d := range e.Details {
		if d.Code == code {
			return true
		}
	}
	return false
}

// rejectsToken reports whether the response is 422 "Invalid token", which
// version 1 of the API sends in place of 401.
func (e *Error) rejectsToken() bool {
	return e.StatusCode == http.StatusUnprocessableEntity &&
		(e.has(codeUnauthorized) || e.mentions("invalid token"))
}

// mentions reports whether a message contains phrase, which is in lower case.
// If the body has no known format and is not a page, it is the message.
func (e *Error) mentions(phrase string) bool {
	for _, d := range e.Details {
		if strings.Contains(strings.ToLower(d.Message), phrase) {
			return true
		}
	}
	return len(e.Details) == 0 && !isHTML(bytes.TrimSpace(e.Body)) &&
		bytes.Contains(bytes.ToLower(e.Body), []byte(phrase))
}

// newError returns an *Error for a call without a response.
func (c *Client) newError(op call, cause error) *Error {
	e := &Error{Operation: op.operation, Method: op.method, cause: cause}
	// An invalid base URL may contain a password anywhere.
	if u, err := url.Parse(c.target(op)); err == nil && checkAddress(u, op) == nil {
		e.URL = cleanURL(op, u)
	}
	return e
}

// cleanURL returns a URL without the parts that may be secret.
func cleanURL(op call, u *url.URL) string {
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, op.id)}
	return clean.String() + redact(op.id)
}

// statusError returns the error for a response whose status is not 2xx.
func statusError(op call, u *url.URL, res response) *Error {
	e := &Error{
		Operation: op.operation, Method: op.method, URL: cleanURL(op, u), StatusCode: res.status,
		Header: res.header, Body: res.body[:min(len(res.body), maxErrorBody)],
		Details: readDetails(res.body), RetryAfter: readRetryAfter(res.header, time.Now()),
	}
	if res.status < 400 {
		e.cause = errRedirect
		if where, err := url.Parse(res.header.Get("Location")); err == nil && where.Host != "" {
			e.cause = fmt.Errorf("%w (location: %s)", errRedirect, where.Host)
		}
	}
	return e
}

var (
	errRedirect   = errors.New("redirected; redirects are not followed, to protect the token")
	errIncomplete = errors.New("the response is incomplete")
)

// transportError returns the error for a missing or incomplete response.
func transportError(op call, req *http.Request, res response, cause error) *Error {
	// The *url.Error of net/http contains the whole URL.
	if inner := (*url.Error)(nil); errors.As(cause, &inner) {
		cause = inner.Err
	}
	if res.status != 0 && cause != errTooLarge {
		cause = fmt.Errorf("%w: %w", errIncomplete, cause)
	}
	// If the context was cancelled with a cause, net/http returns the cause
	// alone.
	if errors.Is(req.Context().Err(), context.Canceled) && !errors.Is(cause, context.Canceled) {
		cause = fmt.Errorf("%w: %w", context.Canceled, cause)
	}
	return &Error{
		Operation: op.operation, Method: op.method, URL: cleanURL(op, req.URL), StatusCode: res.status,
		Header: res.header, cause: cause, sent: true,
	}
}

// contextError returns the error of a context that has ended, with its cause if
// that is a different error.
func contextError(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// invalidResponse returns the error for a 2xx response with an invalid body.
func (c *Client) invalidResponse(op call, res response, cause error) *Error {
	e := c.newError(op, cause)
	e.StatusCode, e.Header, e.Body = res.status, res.header, res.body[:min(len(res.body), maxErrorBody)]
	e.Details = readDetails(res.body)
	return e
}

// detailDocument is the wire form of an ErrorDetail: an object, or the message
// alone.
type detailDocument struct {
	Code    number
	Message text
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *detailDocument) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return d.Message.UnmarshalJSON(b)
	}
	var doc struct {
		Code    number
		Message text
		Text    innerText // <error>Invalid token</error>
	}
	err := json.Unmarshal(b, &doc)
	d.Code, d.Message = doc.Code, text(orDefault(string(doc.Message), string(doc.Text)))
	return err
}

// usable implements item.
func (d detailDocument) usable() bool { return d.Code != 0 || d.Message != "" }

// readDetails decodes the errors in a body, in JSON or XML and in each of the
// formats of known servers. It returns nil for a body in another format, and
// for one of more than maxErrorDocument bytes.
func readDetails(body []byte) []ErrorDetail {
	var doc struct {
		Errors   list[detailDocument]     `json:"errors"`
		Error    detailDocument           `json:"error"` // version 1 of the API
		Response object[responseDocument] // version 1, about servers and invitations
	}
	jsonBody, err := toJSON(body[:min(len(body), maxErrorDocument)])
	if err != nil || json.Unmarshal(jsonBody, &doc) != nil {
		return nil
	}
	var details []ErrorDetail
	for _, d := range doc.Errors {
		details = append(details, ErrorDetail{int(d.Code), string(d.Message)})
	}
	if len(details) == 0 && doc.Error.usable() {
		details = append(details, ErrorDetail{int(doc.Error.Code), string(doc.Error.Message)})
	}
	if r := doc.Response.value; len(details) == 0 && (r.Code != 0 || r.Status != "") {
		details = append(details, ErrorDetail{int(r.Code), string(r.Status)})
	}
	return details
}

// responseDocument is the wire form of <Response code="400" status="message"/>.
type responseDocument struct {
	Code   number
	Status text
}

// maxRetryAfter exceeds every real time to wait. It prevents an overflow.
const maxRetryAfter = 365 * 24 * time.Hour

// readRetryAfter parses the Retry-After header, a number of seconds or a date
// (RFC 9110, section 10.2.3). It compares a date with the Date header, because the
// clock of the server may differ from now. It returns 0 if the header is missing or
// invalid, or if the date is in the past.
func readRetryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	seconds, err := strconv.ParseInt(value, 10, 64) // the nearest int64 if the number is out of range
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
