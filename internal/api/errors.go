package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// Errors that arise in this package.
var (
	errNoClient  = errors.New("no client identifier")
	errNoToken   = errors.New("no token")
	errBadToken  = errors.New("a bad token, at a path of version 1")
	errForbidden = errors.New("the token does not reach that far")
	errNoRoute   = errors.New("no such path")
	errNoDevice  = errors.New("no such device")
	errMethod    = errors.New("method not allowed")
)

// The codes that the protocol is known to have. Where it is not known to have
// one, the code is the status.
const (
	codeNoClient        = 1000
	codeUnauthenticated = 1001
	codeNoPIN           = 1020
	codeSecondFactor    = 1029
	codeTooManyFailures = 1031
)

// failures is the one place where an error gets its status, code and text.
// The first row that matches counts. An empty message stands for the error's
// own text, which is made to be shown; what matches no row is not shown.
var failures = [...]struct {
	match   func(error) bool
	status  int
	code    int
	message string
}{
	{is(errNoClient), 400, codeNoClient, "X-Plex-Client-Identifier is missing"},
	{of(fault.Invalid), 400, 400, ""},
	{is(errNoToken), 401, codeUnauthenticated, "User could not be authenticated"},
	{is(token.ErrInvalid), 401, codeUnauthenticated, "User could not be authenticated"},
	{is(account.ErrCredentials), 401, codeUnauthenticated, "User could not be authenticated"},
	{is(account.ErrCode), 401, codeSecondFactor, "Please enter the verification code"},
	{is(account.ErrRateLimited), 401, codeTooManyFailures, ""},
	{is(errForbidden), 403, 403, "This token does not reach that far: it takes the access token of an account that may"},
	{is(errNoRoute), 404, 404, "There is nothing at this path"},
	{is(errNoDevice), 404, 404, "No device of this account's that holds a token has this number"},
	{is(source.ErrNotFound), 404, 404, "This source is not known here"},
	{is(pin.ErrNotFound), 404, codeNoPIN, "Code not found or expired"},
	{is(errMethod), 405, 405, "This path does not take this method"},
	{of(fault.TooLarge), 413, 413, ""},
	{of(fault.Unsupported), 415, 415, ""},
	{is(errBadToken), 422, 422, "Invalid token"},
	{of(fault.Limited), 429, 429, ""},
	{is(guard.ErrBusy), 503, 503, "Too many sign-ins are waiting already; try again in a second"},
	{is(context.Canceled), 503, 503, "The request was ended before it was answered"},
	{is(context.DeadlineExceeded), 503, 503, "The request took too long"},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func of(kind fault.Kind) func(error) bool {
	return func(err error) bool { return fault.KindOf(err) == kind }
}

// explain turns an error into what the caller is told, and reports whether it
// is a failure of ours that must be logged.
func explain(err error) (told wire.Error, ours bool) {
	for _, f := range failures {
		if !f.match(err) {
			continue
		}
		if f.message == "" {
			return wire.Error{Code: f.code, Message: err.Error(), Status: f.status}, false
		}
		return wire.Error{Code: f.code, Message: f.message, Status: f.status}, false
	}
	return wire.Error{Code: 500, Message: "Something went wrong here; the server's log says what", Status: 500}, true
}

// setRetryAfter says when to try again, where that is known.
func setRetryAfter(h http.Header, err error) {
	if wait := fault.WaitOf(err); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
}
