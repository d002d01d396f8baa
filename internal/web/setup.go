package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// setupCookie holds the set-up key from the link to the form, so that the key
// stays in no history and no address bar.
const setupCookie = "usher_setup"

// setupData is the form of the first admin.
type setupData struct {
	Username, Email string
	Problem         string
	Wrong           string // the field that the problem is with
}

// setupForm is the page of the first admin. The link to it works once.
func (p *Pages) setupForm(ctx context.Context, v *visit) (view, error) {
	if empty, err := p.empty(ctx); err != nil || !empty {
		return view{to: "/"}, err
	}
	if key := plexauth.Secret(v.URL.Query().Get("key")); key != "" {
		if !p.setup.opens(key) {
			return view{}, errSetupKey
		}
		return view{to: "/setup", cookies: []*http.Cookie{
			{Name: setupCookie, Value: string(key), Path: "/setup"},
		}}, nil
	}
	if !p.maySetUp(v) {
		return view{}, errSetupKey
	}
	return view{name: "setup", data: setupData{Username: "admin"}}, nil
}

func (p *Pages) maySetUp(v *visit) bool {
	cookie, err := v.Cookie(setupCookie)
	return err == nil && p.setup.opens(plexauth.Secret(cookie.Value))
}

// setUp makes the first admin and signs them in.
func (p *Pages) setUp(ctx context.Context, v *visit) (view, error) {
	if !p.maySetUp(v) {
		return view{}, errSetupKey
	}
	form := setupData{Username: v.PostFormValue("username"), Email: v.PostFormValue("email")}
	a, err := p.Accounts.AddFirst(ctx, account.NewAccount{
		Username: form.Username, Email: form.Email, Password: plexauth.Secret(v.PostFormValue("password")), Admin: true,
	})
	if fault.KindOf(err) == fault.Invalid {
		form.Problem, form.Wrong = sentence(fault.Find(err).Text), fault.FieldOf(err)
		return view{name: "setup", status: http.StatusBadRequest, data: form}, nil
	}
	if errors.Is(err, account.ErrExists) {
		return view{to: "/"}, nil // somebody was quicker
	}
	if err != nil {
		return view{}, err
	}
	p.setup.spend()
	proof := account.Proof{SignIn: store.SignIn{AccountID: a.ID, PasswordHash: a.PasswordHash}, Account: a}
	answer, err := p.begin(ctx, v, proof, true, "/account")
	answer.cookies = append(answer.cookies, &http.Cookie{Name: setupCookie, Path: "/setup", MaxAge: -1})
	return answer, err
}
