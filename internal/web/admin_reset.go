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

// linkReset makes a link by which the account's owner comes back who has lost the
// password or the second factor, and shows it once.
func (a *adminAccount) linkReset(ctx context.Context, v *visit) (view, error) {
	data := resetLinkData{Reset: account.Reset{
		Password: v.PostFormValue("password") != "", SecondFactor: v.PostFormValue("factor") != "",
	}}
	answer, err := a.change(ctx, v, "", a.confirmed(v, func(ctx context.Context, id int64) error {
		secret, expires, err := a.accounts.NewReset(ctx, v.actor(), id, data.Reset, 0)
		if err != nil {
			return err
		}
		if data.Account, err = a.accounts.Get(ctx, id); err != nil {
			return err
		}
		data.handed, err = newHanded(a.handover.base(v)+ResetPath(secret), expires, accountPath(id))
		if data.Password && data.Account.EmailConfirmed() {
			l := resetLetter(data.Account, data.Link)
			data.Mailed = a.post.send(v, data.Account.Email, l.subject, l.text...)
		}
		return err
	}))
	if err != nil || data.Link == "" {
		return answer, err
	}
	return view{name: "reset-link", data: data}, nil
}
