package web

import (
	"context"
	"encoding/json"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

const ownFactorPath = "/account/second-factor"

// ownFactor turns the visitor's own second factor on and off.
type ownFactor struct {
	page     *ownSecurity
	accounts *account.Service
	forms    factorForms
	check    factorCheck
}

func (o *ownFactor) pages() []page {
	return []page{
		{"GET", ownFactorPath, signedIn, o.form},
		{"POST", ownFactorPath, signedIn, o.submit},
		{"POST", ownFactorPath + "/challenge", signedIn, asJSON(o.challenge)},
		{"POST", ownFactorPath + "/remove", signedIn, o.remove},
	}
}

func (o *ownFactor) form(ctx context.Context, v *visit) (view, error) {
	of, err := o.of(ctx, v)
	if err != nil {
		return view{}, err
	}
	return o.forms.show(ctx, v, of, sent{})
}

func (o *ownFactor) submit(ctx context.Context, v *visit) (view, error) {
	of, err := o.of(ctx, v)
	if err != nil {
		return view{}, err
	}
	return o.forms.submit(ctx, v, of, func(code plexauth.Secret) ([]plexauth.Secret, error) {
		proof, err := o.check.proof(ctx, v, "present")
		if err != nil {
			return nil, err
		}
		codes, err := o.accounts.EnrolPending(ctx, v.actor(), proof, v.session.ID, code)
		return codes, confirmed(err)
	})
}

func (o *ownFactor) of(ctx context.Context, v *visit) (of factorOf, err error) {
	of = factorOf{Account: v.account, Page: ownFactorPath, Back: securityPath, Present: v.account.HasSecondFactor(), Due: v.overdue}
	if of.Present {
		of.Passkey, err = o.check.hasPasskey(ctx, v)
	}
	return of, err
}

// challenge returns what the script needs to ask for a passkey instead of a code.
func (o *ownFactor) challenge(ctx context.Context, v *visit) (view, error) {
	party, err := o.check.site.party(v)
	if err != nil {
		return view{}, err
	}
	options, err := o.check.passkeys.BeginSecondFactor(ctx, party, v.account.ID, browserOf(v))
	return view{json: json.RawMessage(options)}, err
}

func (o *ownFactor) remove(ctx context.Context, v *visit) (view, error) {
	proof, err := o.check.proof(ctx, v, "code")
	if err == nil {
		err = confirmed(o.accounts.TurnOffSecondFactor(ctx, v.actor(), proof))
	}
	return o.page.changed(ctx, v, "factor", err)
}
