package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// Errors of the pages themselves.
var (
	errElsewhere = errors.New("a form of another site was sent here")
	errForm      = errors.New("the form could not be read")
	errNotAdmin  = errors.New("the page is for admins")
	errNoPage    = errors.New("there is no such page")
	errSetupKey  = errors.New("the set-up link is not valid")
)

// failures is how every error that is not a form's own reads to people. What
// matches none is ours to look into.
var failures = [...]struct {
	err    error
	status int
	title  string
	text   string
}{
	{errElsewhere, 403, "Not from here", "Your browser says that this form was sent by another site, so nothing was changed. Open the page here and try again."},
	{errForm, 400, "That did not arrive whole", "The form could not be read, so nothing was changed. Go back and try again."},
	{errNotAdmin, 403, "For admins", "Only an admin of this server can see this page."},
	{errNoPage, 404, "Nothing here", "There is no page at this address."},
	{errForward, 400, "Nowhere to go back to", "The program asked to be opened at something that is not a web address, so nothing was given to it."},
	{errSetupKey, 403, "This link does not work", "The set-up link works once, and only until the server is started again. Look for the newest one where usher was started."},
	{session.ErrNotFound, 404, "Already signed out", "That browser is not signed in any more."},
	{token.ErrNoDevice, 404, "Not there any more", "That device had been signed out already."},
	{account.ErrNotFound, 404, "Not there any more", "There is no such account any more."},
	{source.ErrNotFound, 404, "Not there any more", "What you asked for has gone, perhaps a moment ago."},
	{source.ErrNotShared, 404, "Not there any more", "The server is not shared with this account any more."},
	{origin.ErrNotFound, 404, "Not there any more", "That origin is not on the list any more."},
	{token.ErrNotFound, 404, "Not there any more", "That had been revoked already."},
	{passkey.ErrNotFound, 404, "Not there any more", "The passkey had been removed already."},
	{pin.ErrNotFound, 404, "This code does not work", "It was used already, has expired, or was mistyped. The device can show you a new one."},
	{context.Canceled, 503, "Not finished", "The page was left before it was done."},
	{guard.ErrBusy, 503, "One moment", "Many people are signing in right now. Try again in a second."},
}

// failure is the page of an error.
func (f *frame) failure(v *visit, err error) view {
	for _, row := range failures {
		if errors.Is(err, row.err) {
			return view{name: "message", status: row.status, data: message{row.title, row.text, "/", "To the start"}}
		}
	}
	if text, ok := problem(err); ok {
		return view{name: "message", status: 429, data: message{"Not now", text, "/", "To the start"}}
	}
	f.log.Error("a page failed", "path", v.Pattern, "error", err)
	return view{name: "message", status: 500, data: message{"Something went wrong", "It is not your fault. The server's log says what happened.", "/", "To the start"}}
}

// jsonFailure is failure for one of our own scripts: what is wrong, in JSON.
func (f *frame) jsonFailure(v *visit, err error) view {
	status, text := f.jsonProblem(v, err)
	return view{status: status, json: map[string]string{"problem": text}}
}

func (f *frame) jsonProblem(v *visit, err error) (status int, text string) {
	text, ok := problem(err)
	switch {
	case fault.KindOf(err) == fault.Limited:
		return http.StatusTooManyRequests, text
	case ok:
		return http.StatusBadRequest, text
	}
	page := f.failure(v, err)
	if m, ok := page.data.(message); ok {
		text = m.Text
	}
	return page.status, text
}

// problem says what is wrong with a form, if that is what an error means.
func problem(err error) (string, bool) {
	switch {
	case fault.KindOf(err) == fault.Invalid:
		return sentence(fault.Find(err).Text), true
	case fault.KindOf(err) == fault.Limited && !errors.Is(err, passkey.ErrRateLimited):
		return waitText(fault.WaitOf(err)), true
	case errors.Is(err, account.ErrLastAdmin):
		return "This is the last admin: somebody must be left who can change things here.", true
	case errors.Is(err, source.ErrExists), errors.Is(err, source.ErrShared), errors.Is(err, source.ErrSelf),
		errors.Is(err, origin.ErrExists):
		return sentence(fault.Find(err).Text), true
	case errors.Is(err, account.ErrExists):
		return "Another account has this name or e-mail address.", true
	case errors.Is(err, account.ErrCredentials):
		return "The password is not right.", true
	case errors.Is(err, account.ErrCode):
		return "The code is not right, or was used before.", true
	}
	return passkeyProblem(err)
}

// passkeyProblem says what is wrong with a passkey, if that is what an error
// means.
func passkeyProblem(err error) (string, bool) {
	switch {
	case errors.Is(err, passkey.ErrRateLimited):
		return "Too many sign-ins were begun from where you are. Wait a moment, then try again.", true
	case errors.Is(err, passkey.ErrChallenge):
		return "That took too long, or was done before. Try once more.", true
	case errors.Is(err, passkey.ErrCloned):
		return "This passkey was not accepted: it answered as a copy of it would. Sign in another way, and remove it.", true
	case errors.Is(err, passkey.ErrRejected):
		return "This passkey was not accepted.", true
	case errors.Is(err, passkey.ErrNoPasskey):
		return "Your account has no passkey for this address.", true
	case errors.Is(err, passkey.ErrExists):
		return "This passkey is there already.", true
	case errors.Is(err, passkey.ErrFull):
		return "Your account has as many passkeys as it may. Remove one first.", true
	case errors.Is(err, errNoParty):
		return "Passkeys need a whole host name: an IP address does not do, nor a short name.", true
	case errors.Is(err, errOtherPort):
		return otherPort, true
	}
	return "", false
}
