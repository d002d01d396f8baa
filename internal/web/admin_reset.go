package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
)

// resetLinkData is the page that shows a reset link.
type resetLinkData struct {
	handed
	account.Reset
	Account account.Account
}

// FactorOff reports whether the link turns a second factor off.
func (d resetLinkData) FactorOff() bool { return d.SecondFactor && d.Account.HasSecondFactor() }

// FactorStays reports whether whoever uses the link still needs a second factor.
func (d resetLinkData) FactorStays() bool {
	return d.Account.HasSecondFactor() && !d.SecondFactor && !d.Account.TakePasskey()
}

// linkReset creates a link for an account's owner who has lost the
// password or the second factor, and shows it once.
func (a *adminAccount) linkReset(ctx context.Context, v *visit) (view, error) {
	data := resetLinkData{Reset: account.Reset{
		Password: v.PostFormValue("password") != "", SecondFactor: v.PostFormValue("factor") != "",
	}}
	answer, err := a.change(ctx, v, "", a.confirmed(v, func(ctx context.Context, id int64) error {
		base := a.handover.base(v)
		made, err := a.accounts.MailReset(ctx, v.actor(), id, data.Reset, 0, a.post.resetLetter(v.language(), base))
		if err != nil {
			return err
		}
		data.Account = made.Account
		data.handed, err = newHanded(base+ResetPath(made.Secret), made.ExpiresAt, accountPath(id))
		data.Mailed = made.MailedTo()
		return err
	}))
	if err != nil || data.Link == "" {
		return answer, err
	}
	return view{name: "reset-link", data: data}, nil
}
