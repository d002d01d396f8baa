package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

// adminAccounts lists all accounts and adds new ones.
type adminAccounts struct {
	accounts *account.Service
}

func (a *adminAccounts) pages() []page {
	return []page{
		{"GET", "/admin/accounts", admin, show(a.show).asHandler},
		{"POST", "/admin/accounts", admin, a.add},
	}
}

type accountsData struct {
	notice
	Accounts []account.Account
	Self     int64 // the id of the visitor's account
}

func (a *adminAccounts) show(ctx context.Context, v *visit, problem string) (view, error) {
	data := accountsData{notice: newNotice(v, problem), Self: v.account.ID}
	var err error
	data.Accounts, err = a.accounts.List(ctx)
	return data.page("admin-accounts", data), err
}

// add adds an account, if the admin confirms it by password.
func (a *adminAccounts) add(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, a.accounts, v)
	var added account.Account
	if err == nil {
		added, err = a.accounts.Add(ctx, v.actor(), account.NewAccount{
			Username: v.PostFormValue("username"), Email: v.PostFormValue("email"),
			Password: plexauth.Secret(v.PostFormValue("password")), Admin: v.PostFormValue("admin") != "",
		})
	}
	return adminChanged(ctx, v, accountPath(added.ID), "added", a.show, err)
}

// accountPath is the page for admins of one account.
func accountPath(id int64) string { return "/admin/accounts/" + decimal(id) }
