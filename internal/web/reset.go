package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

const resetPath = "/reset"

// resetCookie holds the secret of a reset link between the link and the form. The
// link's address is replaced at once, so that the secret is in no history and in no
// Referer.
const resetCookie = "usher_reset"

var errNoReset = fault.New(fault.Denied, "open the link that you were given again: this browser has forgotten it")

// reset is the page of somebody who has lost the password or the second factor, and
// was given a link.
type reset struct {
	accounts *account.Service
	sessions *session.Service
	browsers *browserSessions
}

func (r *reset) pages() []page {
	return []page{
		{"GET", resetPath, anyone, r.form},
		{"POST", resetPath, anyone, r.submit},
	}
}

// ResetPath returns the path of the link with a secret of account.Service.NewReset.
func ResetPath(secret plexauth.Secret) plexauth.Secret { return resetPath + "?key=" + secret }

// resetData is the form.
type resetData struct {
	sent
	account.Reset
	Username string
	Kept     bool // the account has a second factor, which stays
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
	answer := view{name: "reset", data: resetData{s, what, a.Username, a.HasSecondFactor() && !what.SecondFactor}}
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
	verified, err := r.accounts.UseReset(ctx, v.actor(), secret, account.ResetWith{
		New: plexauth.Secret(v.PostFormValue("new")), Current: plexauth.Secret(v.PostFormValue("current")), Caller: v.caller(),
	}, r.sessions)
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
