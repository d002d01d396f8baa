package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

// profile changes the visitor's name, e-mail address and password.
type profile struct {
	page     *accountPage
	accounts *account.Service
	sessions *session.Service
}

func (p *profile) pages() []page {
	return []page{
		{"POST", "/account/identity", signedIn, p.setIdentity},
		{"POST", "/account/password", signedIn, p.setPassword},
	}
}

func (p *profile) setIdentity(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, p.accounts, v)
	if err == nil {
		email := v.account.Email
		if v.PostForm.Has("email") {
			email = v.PostFormValue("email")
		}
		err = p.accounts.SetIdentity(ctx, v.actor(), v.account.ID, v.PostFormValue("username"), email)
	}
	return p.page.changed(ctx, v, "identity", err)
}

// setPassword changes the password. Tokens and sessions stay valid unless the
// visitor checks "others".
func (p *profile) setPassword(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, p.accounts, v)
	if err == nil {
		err = p.accounts.SetPassword(ctx, v.actor(), v.account.ID, plexauth.Secret(v.PostFormValue("new")))
	}
	if err == nil && v.PostFormValue("others") != "" {
		err = p.sessions.RevokeOthers(ctx, v.actor(), v.account.ID, v.session.ID)
	}
	return p.page.changed(ctx, v, "password", err)
}
