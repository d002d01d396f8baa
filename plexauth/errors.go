package plexauth

import (
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

// What an error means for the next step, for use with errors.Is. A server that
// refuses and a server that cannot be reached are never confused: an error
// with a status is the former, ErrUnreachable the latter.
var (
	// ErrBadRequest: the server says that the request is wrong (400, 422).
	ErrBadRequest = errors.New("bad request")
	// ErrUnauthorized: the token, the login or the password is not good (401),
	// or there is no token that could be sent. Sign in, or ask again.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrVerificationRequired: the password is right and a second factor is
	// needed, or its code is wrong. Ask for the code and sign in again with it.
	// It is an ErrUnauthorized, too.
	ErrVerificationRequired = errors.New("verification code required")
	// ErrForbidden: the token is good and does not reach that far (403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: there is no such thing (404).
	ErrNotFound = errors.New("not found")
	// ErrTokenExpired: the token was good and has expired (498).
	ErrTokenExpired = errors.New("token expired")
	// ErrRateLimited: too many requests or failures (429, or code 1031). The
	// error's RetryAfter says how long to wait, if the server did.
	ErrRateLimited = errors.New("rate limited")
	// ErrPINExpired: nobody entered the PIN in time, somebody refused it, or the
	// server knows it no longer; servers do not say which. Start another.
	ErrPINExpired = errors.New("the PIN has expired")
	// ErrServer: the server, or a proxy before it, failed (500 and above).
	ErrServer = errors.New("server failed")
	// ErrUnreachable: there was no answer, or it broke off. It is that, too, when
	// the time is over that Client.Timeout or the context's deadline leaves, and
	// never when the program itself cancels the call: that is context.Canceled.
	ErrUnreachable = errors.New("unreachable")
)

// The codes that servers are known to send.
const (
	codePINGone         = 1020
	codeSecondFactor    = 1029
	codeTooManyFailures = 1031
)

// ErrorDetail is one error as the server put it.
type ErrorDetail struct {
	Code    int
	Message string
}

// Error is a call that was refused, or that got no answer that can be used.
type Error struct {
	// Operation is the method that was called: SignIn, TokenDetails, ….
	Operation string
	// Method and URL are the request's. The URL has no query and no password.
	// Both are empty for Connect, which makes one request for each connection.
	Method, URL string
	// StatusCode is 0 when there was no answer.
	StatusCode int
	// Details are the errors that the answer holds. Empty when it holds none
	// that can be read, as with a proxy's page.
	Details []ErrorDetail
	// Body is the beginning of the answer's body, 4 KiB at the most. It may
	// hold whatever the server put there; Error does not print it.
	Body []byte
	// Header is the answer's.
	Header http.Header
	// RetryAfter is how long the server asks to wait; 0: it did not say.
	RetryAfter time.Duration

	cause error
	sent  bool // the request was on its way when it failed
}

// maxErrorBody is how much of a refusal's body is kept, maxErrorDocument how
// much of it is searched for the server's errors: more is a page, or an attack.
const (
	maxErrorBody     = 4 << 10
	maxErrorDocument = 64 << 10
)

// Error says what was done, what came of it, and the server's own words.
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

// Unwrap returns why there was no answer, or why it cannot be used; nil for a
// plain refusal.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether the error is one of this package's.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrBadRequest:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized && !e.has(codeTooManyFailures) ||
			e.cause == errNoToken || e.cause == errTokenText
	case ErrVerificationRequired:
		return e.StatusCode == http.StatusUnauthorized && (e.has(codeSecondFactor) || e.says("verification code"))
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrPINExpired:
		return e.StatusCode == http.StatusNotFound && e.has(codePINGone)
	case ErrTokenExpired:
		return e.StatusCode == statusTokenExpired
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests || e.has(codeTooManyFailures)
	case ErrServer:
		return e.StatusCode >= 500
	case ErrUnreachable:
		return e.sent && (e.StatusCode == 0 || errors.Is(e.cause, errBrokenOff)) && !errors.Is(e.cause, context.Canceled)
	}
	return false
}

// statusTokenExpired is no standard status; servers send it for a JWT that has
// expired.
const statusTokenExpired = 498

// has reports whether one of the details has a code.
func (e *Error) has(code int) bool {
	for _, d := range e.Details {
		if d.Code == code {
			return true
		}
	}
	return false
}

// says reports whether one of the details has words in it, in any case.
func (e *Error) says(words string) bool {
	for _, d := range e.Details {
		if strings.Contains(strings.ToLower(d.Message), words) {
			return true
		}
	}
	return false
}

// failure is an error for a call that was not sent.
func (c *Client) failure(op call, cause error) *Error {
	e := &Error{Operation: op.operation, Method: op.method, cause: cause}
	// An address that cannot be used may have a password anywhere.
	if u, err := url.Parse(c.target(op)); err == nil && checkAddress(u, op) == nil {
		e.URL = cleanURL(op, u)
	}
	return e
}

// cleanURL is a URL without what may be secret in it.
func cleanURL(op call, u *url.URL) string {
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, op.id)}
	return clean.String() + hidden(op.id)
}

// rejected is the error for an answer that is not a success.
func rejected(op call, u *url.URL, res response) *Error {
	e := &Error{
		Operation: op.operation, Method: op.method, URL: cleanURL(op, u), StatusCode: res.status,
		Header: res.header, Body: res.body[:min(len(res.body), maxErrorBody)],
		Details: readDetails(res.body), RetryAfter: readRetryAfter(res.header, time.Now()),
	}
	if res.status < 400 {
		e.cause = errRedirect
		if where, err := url.Parse(res.header.Get("Location")); err == nil && where.Host != "" {
			e.cause = fmt.Errorf("%w, to %s", errRedirect, where.Host)
		}
	}
	return e
}

var (
	errRedirect  = errors.New("redirected, which is not followed since it would carry the token along")
	errBrokenOff = errors.New("the answer broke off")
)

// unreachable is the error for no answer, or half of one.
func unreachable(op call, req *http.Request, res response, cause error) *Error {
	// What net/http returns repeats the whole URL.
	if inner := (*url.Error)(nil); errors.As(cause, &inner) {
		cause = inner.Err
	}
	if res.status != 0 && cause != errTooLarge {
		cause = fmt.Errorf("%w: %w", errBrokenOff, cause)
	}
	// What net/http returns for a context that was cancelled with a cause is the
	// cause alone.
	if errors.Is(req.Context().Err(), context.Canceled) && !errors.Is(cause, context.Canceled) {
		cause = fmt.Errorf("%w: %w", context.Canceled, cause)
	}
	return &Error{
		Operation: op.operation, Method: op.method, URL: cleanURL(op, req.URL), StatusCode: res.status,
		Header: res.header, cause: cause, sent: true,
	}
}

// ended is why a context has ended: what it says, and its cause when it has one
// of its own.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// unusable is the error for a success whose body is not what was asked for.
func (c *Client) unusable(op call, res response, cause error) *Error {
	e := c.failure(op, cause)
	e.StatusCode, e.Header, e.Body = res.status, res.header, res.body[:min(len(res.body), maxErrorBody)]
	return e
}

// readDetails reads the errors of a body, in JSON or XML, of either of the
// forms that servers send; none when it is something else, or goes on for
// longer than errors do.
func readDetails(body []byte) []ErrorDetail {
	var doc struct {
		Errors list[struct {
			Code    number `json:"code"`
			Message text   `json:"message"`
			Text    text   `json:"text"` // <error>Invalid token</error>
		}] `json:"errors"`
		Error text `json:"error"` // some of version 1
	}
	jsonBody, err := toJSON(body[:min(len(body), maxErrorDocument)])
	if err != nil || json.Unmarshal(jsonBody, &doc) != nil {
		return nil
	}
	var details []ErrorDetail
	for _, d := range doc.Errors {
		details = append(details, ErrorDetail{int(d.Code), orDefault(string(d.Message), string(d.Text))})
	}
	if len(details) == 0 && doc.Error != "" {
		details = append(details, ErrorDetail{Message: string(doc.Error)})
	}
	return details
}

// readRetryAfter reads the header in both of its forms (RFC 9110, section
// 10.2.3); 0 when there is none or it lies in the past.
func readRetryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
