package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

// ownSecurity shows how the visitor signs in: the password, the second factor and
// passkeys. It changes the password.
type ownSecurity struct {
	accounts *account.Service
	sessions *session.Service
	passkeys *passkey.Service
	site     passkeySite
	check    factorCheck
}

func (o *ownSecurity) pages() []page {
	return []page{
		{"GET", securityPath, signedIn, section(o.show).asHandler},
		{"POST", "/account/password", signedIn, o.setPassword},
	}
}

// securityData is the section.
type securityData struct {
	ownNotice
	Passkeys []passkey.Passkey
	// PasskeyHint says why no passkey can be added here. It is empty if one can.
	PasskeyHint phrase
	// Factor is what the forms that change how to sign in ask for.
	Factor factorFields
}

// factorFields are the fields of a form for the second factor.
type factorFields struct {
	On      bool // the account has one
	Passkey bool // a passkey of the account's will do
}

func (o *ownSecurity) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := securityData{ownNotice: newOwnNotice(v, s), PasskeyHint: o.site.hint(v)}
	var err error
	if data.Passkeys, err = o.passkeys.List(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Factor.On = v.account.HasSecondFactor(); data.Factor.On {
		data.Factor.Passkey, err = o.check.hasPasskey(ctx, v)
	}
	return view{name: "account-security", data: data}, err
}

// changed answers a form of the section.
func (o *ownSecurity) changed(ctx context.Context, v *visit, done string, err error) (view, error) {
	return section(o.show).changed(ctx, v, securityPath, done, err)
}

// setPassword changes the password. Tokens and sessions stay valid unless the
// visitor checks "others".
func (o *ownSecurity) setPassword(ctx context.Context, v *visit) (view, error) {
	password := plexauth.Secret(v.PostFormValue("new"))
	err := fault.Join(confirmPassword(ctx, o.accounts, v), account.CheckPassword(password))
	if err == nil {
		err = o.accounts.SetPassword(ctx, v.actor(), v.account.ID, password)
	}
	if err == nil && v.PostFormValue("others") != "" {
		err = o.sessions.RevokeOthers(ctx, v.actor(), v.account.ID, v.session.ID)
	}
	return o.changed(ctx, v, "password", err)
}
