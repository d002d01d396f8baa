package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
)

// profile changes the visitor's name and e-mail address.
type profile struct {
	accounts *account.Service
}

func (p *profile) pages() []page {
	return []page{
		{"GET", profilePath, signedIn, section(p.show).asHandler},
		{"POST", "/account/identity", signedIn, p.setIdentity},
	}
}

// profileData is the section of the profile.
type profileData struct {
	ownNotice
	// MayEmail says that the visitor may change the e-mail address.
	MayEmail bool
}

func (p *profile) show(_ context.Context, v *visit, s sent) (view, error) {
	data := profileData{newOwnNotice(v, s), p.accounts.MaySetEmail(v.account)}
	return view{name: "account-profile", data: data}, nil
}

func (p *profile) setIdentity(ctx context.Context, v *visit) (view, error) {
	email := v.account.Email
	if v.PostForm.Has("email") {
		email = v.PostFormValue("email")
	}
	err := fault.Join(account.CheckNames(v.PostFormValue("username"), email), confirmPassword(ctx, p.accounts, v))
	if err == nil {
		err = p.accounts.SetIdentity(ctx, v.actor(), v.account.ID, v.PostFormValue("username"), email)
	}
	return section(p.show).changed(ctx, v, profilePath, "identity", err)
}
