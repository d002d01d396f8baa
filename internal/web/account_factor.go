package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
)

// ownFactor turns the visitor's own second factor on and off.
type ownFactor struct {
	page     *accountPage
	accounts *account.Service
	forms    factorForms
}

func (o *ownFactor) pages() []page {
	return []page{
		{"GET", "/account/second-factor", signedIn, o.form},
		{"POST", "/account/second-factor", signedIn, o.submit},
		{"POST", "/account/second-factor/remove", signedIn, o.remove},
	}
}

func (o *ownFactor) form(_ context.Context, v *visit) (view, error) {
	return o.forms.show(factorOfVisitor(v))
}

func (o *ownFactor) submit(ctx context.Context, v *visit) (view, error) {
	return o.forms.submit(ctx, v, factorOfVisitor(v))
}

func factorOfVisitor(v *visit) factorOf {
	return factorOf{v.account, true, "/account/second-factor", "/account"}
}

func (o *ownFactor) remove(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, o.accounts, v)
	if err == nil {
		err = o.accounts.RemoveSecondFactor(ctx, v.actor(), v.account.ID)
	}
	return o.page.changed(ctx, v, "factor", err)
}
