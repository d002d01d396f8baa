package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

const resetPath = "/reset"

// resetCookie holds the secret of a reset link between the link and the form. The
// link's address is replaced immediately, so that the secret is in no history and in no
// Referer.
const resetCookie = "usher_reset"

var errNoReset = fault.New(fault.Denied, "open the link that you were given again: this browser has forgotten it")

// reset is the page for users who have lost the password or the second factor, and
// was given a link.
type reset struct {
	accounts *account.Service
	sessions *session.Service
	passkeys *passkey.Service
	browsers *browserSessions
	site     passkeySite
}

func (r *reset) pages() []page {
	return []page{
		{"GET", resetPath, anyone, r.form},
		{"POST", resetPath, anyone, r.submit},
		{"POST", resetPath + "/passkey/challenge", anyone, asJSON(r.challenge)},
		{"POST", resetPath + "/passkey", anyone, asJSON(r.submitPasskey)},
	}
}

// ResetPath returns the path of the link with a secret of account.Service.NewReset.
func ResetPath(secret plexauth.Secret) plexauth.Secret { return resetPath + "?key=" + secret }

// resetData is the form.
type resetData struct {
	sent
	account.Reset
	Username  string
	First     bool // the password is the first one of the account
	FactorOff bool // the account has a second factor, which is turned off
	Kept      bool // the account has a second factor, which stays
	// Passkey: the link makes a new passkey, and no password. Hint says why it cannot
	// be made at this address; empty: it can.
	Passkey bool
	Hint    phrase
}

// form shows the form. Opening the link changes nothing.
func (r *reset) form(ctx context.Context, v *visit) (view, error) {
	if key := v.URL.Query().Get("key"); key != "" {
		return view{to: resetPath, cookies: []*http.Cookie{linkCookie(resetCookie, resetPath, key)}}, nil
	}
	return r.show(ctx, v, sent{})
}

func (r *reset) show(ctx context.Context, v *visit, s sent) (view, error) {
	secret := v.cookie(resetCookie, resetPath)
	if secret == "" {
		return view{}, errNoReset
	}
	a, what, err := r.accounts.ByReset(ctx, v.actor(), secret)
	if err != nil {
		return view{}, err
	}
	data := resetData{sent: s, Reset: what, Username: a.Username, Passkey: a.TakePasskey(), Hint: r.site.hint(v)}
	data.First = what.Password && a.PasswordHash == ""
	data.FactorOff = a.HasSecondFactor() && what.SecondFactor
	data.Kept = a.HasSecondFactor() && !what.SecondFactor && !data.Passkey
	answer := view{name: "reset", data: data}
	if !s.problem.empty() {
		answer.status = http.StatusBadRequest
	}
	return answer, nil
}

// submit does what the link is for, and signs the visitor in. What was signed in
// before is signed out.
func (r *reset) submit(ctx context.Context, v *visit) (view, error) {
	answer, err := r.use(ctx, v)
	if errors.Is(err, account.ErrCredentials) {
		err = errPassword
	}
	if form, ok := rejected(v, err); ok && !errors.Is(err, account.ErrResetTries) {
		return r.show(ctx, v, form)
	}
	return answer, err
}

func (r *reset) use(ctx context.Context, v *visit) (view, error) {
	secret := v.cookie(resetCookie, resetPath)
	if secret == "" {
		return view{}, errNoReset
	}
	return r.useWith(ctx, v, secret, account.ResetWith{
		New: plexauth.Secret(v.PostFormValue("new")), Current: plexauth.Secret(v.PostFormValue("current")), Caller: v.caller(),
	})
}

// useWith uses the link up, and signs the visitor in.
func (r *reset) useWith(ctx context.Context, v *visit, secret plexauth.Secret, with account.ResetWith) (view, error) {
	verified, err := r.accounts.UseReset(ctx, v.actor(), secret, with, r.sessions)
	if err != nil {
		return view{}, err
	}
	next := "/account"
	if !verified.Complete {
		next = secondStepPath(next)
	}
	answer, err := r.browsers.start(ctx, v, verified.Proof, verified.Complete, next)
	answer.cookies = append(answer.cookies, linkCookie(resetCookie, resetPath, ""))
	return answer, err
}

// resettingBrowser names the browser in which a passkey is made: only it has the secret
// of the link.
func resettingBrowser(secret plexauth.Secret) string { return "reset " + string(secret) }

// linked returns the link that this browser opened, its account, and the site at which
// a passkey is made.
func (r *reset) linked(ctx context.Context, v *visit) (secret plexauth.Secret, a account.Account, at passkey.Party, err error) {
	if at, err = r.site.party(v); err != nil {
		return "", a, at, err
	}
	if secret = v.cookie(resetCookie, resetPath); secret == "" {
		return "", a, at, errNoReset
	}
	a, _, err = r.accounts.ByReset(ctx, v.actor(), secret)
	return secret, a, at, err
}

// challenge returns what the script needs to make a passkey.
func (r *reset) challenge(ctx context.Context, v *visit) (view, error) {
	secret, a, at, err := r.linked(ctx, v)
	if err != nil {
		return view{}, err
	}
	options, err := r.passkeys.BeginReplace(ctx, at, a, resettingBrowser(secret))
	return view{json: json.RawMessage(options)}, err
}

// submitPasskey puts the passkey that the browser created in the place of the old ones.
func (r *reset) submitPasskey(ctx context.Context, v *visit) (view, error) {
	secret, a, at, err := r.linked(ctx, v)
	if err != nil {
		return view{}, err
	}
	made, err := r.passkeys.FinishReplace(
		ctx, at, a.ID, resettingBrowser(secret), browserName(v.userAgent), []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	return r.useWith(ctx, v, secret, account.ResetWith{Passkey: r.passkeys.Replacing(v.actor(), made)})
}
