package web

import (
	"context"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// adminAccounts lists all accounts and adds new ones.
type adminAccounts struct {
	accounts *account.Service
	caution  caution
}

func (a *adminAccounts) pages() []page {
	return []page{
		{"GET", "/admin/accounts", admin, section(a.show).asHandler},
		{"POST", "/admin/accounts", admin, a.add},
		{"POST", "/admin/accounts/admin-factor", admin, a.caution.before(risk{a.askFactor, a.setFactor})},
	}
}

type accountsData struct {
	notice
	Accounts []account.Account
	Self     int64 // the id of the visitor's account
	// Search is what the names of the accounts begin with. Empty: all are listed.
	Search string
	// Sort is their order: "new" or "old"; empty: by name.
	Sort    string
	Besides neighbours
	// Rule is whether admins need a second factor, and Days how many they have to set
	// one up.
	Rule account.AdminRule
	Days int
}

// maxRows is how many rows of a listing are on a page: on a phone, that is two
// screens and a half.
const maxRows = 12

func (a *adminAccounts) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := accountsData{
		notice: newNotice(v, s), Self: v.account.ID, Search: strings.TrimSpace(v.URL.Query().Get("search")),
	}
	read := func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
		return a.accounts.Search(ctx, data.Search, r)
	}
	if data.Search == "" { // those that are searched for are listed by name
		switch data.Sort = v.URL.Query().Get("sort"); data.Sort {
		case "new":
			read = a.accounts.Newest
		case "old":
			read = a.accounts.List
		default:
			data.Sort = ""
		}
	}
	list, err := read(ctx, wantedPage(v, "", maxRows))
	if err != nil {
		return view{}, err
	}
	data.Accounts, data.Besides = list.Rows, besides(v, "", "accounts", list)
	data.Rule, err = a.accounts.AdminRule(ctx)
	data.Days = int(data.Rule.Grace / (24 * time.Hour))
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

// factorGrace is how long admins have to set up a second factor once it is required.
const factorGrace = 7 * 24 * time.Hour

func (a *adminAccounts) askFactor(_ context.Context, v *visit) (question, error) {
	q := question{
		Title: say("Let admins do without a second factor?"), Button: say("Let admins do without"), Back: "/admin/accounts", Others: true,
		Later: say("A password alone then signs an admin in. It can be required again."),
	}
	if v.PostFormValue("required") != "" {
		q.Title, q.Button = say("Require a second factor of admins?"), say("Require a second factor")
		q.Later = say("Admins without one have 7 days to set it up. After that, they sign in only to do so. It can be changed back.")
	}
	return q, nil
}

// setFactor says whether admins need a second factor.
func (a *adminAccounts) setFactor(ctx context.Context, v *visit) (view, error) {
	err := a.accounts.SetAdminRule(ctx, v.actor(), v.PostFormValue("required") != "", factorGrace)
	return adminChanged(ctx, v, "/admin/accounts", "factor-rule", a.show, err)
}

// accountPath is the page for admins of one account.
func accountPath(id int64) string { return "/admin/accounts/" + decimal(id) }
