package api_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	pins "github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// The parts of an error that clients read belong to the protocol. They must not change
// with the text for users.
func TestResponses(t *testing.T) {
	_, malformed := source.Parse("den")
	for name, test := range map[string]struct {
		err  error
		want wire.Error
	}{
		"no client": {
			api.ErrNoClient, wire.Error{Status: 400, Code: 1000, Message: "X-Plex-Client-Identifier is missing"},
		},
		"no token":     {api.ErrNoToken, wire.Error{Status: 401, Code: 1001, Message: "User could not be authenticated"}},
		"an old path":  {api.ErrBadToken, wire.Error{Status: 422, Code: 422, Message: "Invalid token"}},
		"no such path": {api.ErrNoRoute, wire.Error{Status: 404, Code: 404, Message: "There is nothing at this path"}},
		"a method":     {api.ErrMethod, wire.Error{Status: 405, Code: 405, Message: "This path does not take this method"}},
		"no such device": {
			token.ErrNoDevice,
			wire.Error{Status: 404, Code: 404, Message: "No device of this account's that holds a token has this number"},
		},
		"a reach": {
			api.ErrForbidden,
			wire.Error{
				Status: 403, Code: 403,
				Message: "This token does not reach that far: it takes the access token of an account that may",
			},
		},
		"a bad token":         {token.ErrInvalid, wire.Error{Status: 401, Code: 1001, Message: "User could not be authenticated"}},
		"bad credentials":     {account.ErrCredentials, wire.Error{Status: 401, Code: 1001, Message: "User could not be authenticated"}},
		"a bad second factor": {account.ErrCode, wire.Error{Status: 401, Code: 1029, Message: "Please enter the verification code"}},
		"too many sign-ins": {
			fault.WithWait(account.ErrRateLimited, time.Minute),
			wire.Error{Status: 401, Code: 1031, Message: "too many failed tries: wait 1m0s"},
		},
		"another limit": {
			fault.WithWait(fault.New(fault.Limited, "too many wrong codes"), 20*time.Second),
			wire.Error{Status: 429, Code: 429, Message: "too many wrong codes: wait 20s"},
		},
		"an unknown PIN":    {pins.ErrNotFound, wire.Error{Status: 404, Code: 1020, Message: "Code not found or expired"}},
		"an unknown source": {source.ErrNotFound, wire.Error{Status: 404, Code: 404, Message: "This source is not known here"}},
		"a malformed source": {
			malformed, wire.Error{Status: 400, Code: 400, Message: "source begins with neither server:// nor provider://"},
		},
		"a full queue": {
			guard.ErrBusy,
			wire.Error{Status: 503, Code: 503, Message: "Too many sign-ins are waiting already; try again in a second"},
		},
		"a caller that left": {
			context.Canceled, wire.Error{Status: 503, Code: 503, Message: "The request was ended before it was answered"},
		},
		"a deadline": {context.DeadlineExceeded, wire.Error{Status: 503, Code: 503, Message: "The request took too long"}},
	} {
		t.Run(name, func(t *testing.T) {
			// The context that callers add to an error is only for logs.
			got, ours := api.Respond(fmt.Errorf("doing something secret: %w", test.err))
			if got != test.want || ours {
				t.Errorf("got %+v, %v; want %+v", got, ours, test.want)
			}
		})
	}
}

// Attack: make a request fail, and read internals of the server in the answer.
func TestFailuresAreNotShown(t *testing.T) {
	got, ours := api.Respond(errors.New("secret"))
	want := wire.Error{Status: 500, Code: 500, Message: "Something went wrong here; the server's log says what"}
	if got != want || !ours {
		t.Errorf("got %+v, %v; want %+v, true", got, ours, want)
	}
}

// A new kind of error needs a row, and nothing else.
func TestEveryKindHasAResponse(t *testing.T) {
	for _, kind := range fault.Kinds() {
		got, ours := api.Respond(fault.New(kind, "some text"))
		if got.Status < 400 || got.Code == 0 || got.Message == "" || ours {
			t.Errorf("%v: got %+v, %v", kind, got, ours)
		}
	}
}
