package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// adminAccounts lists all accounts and adds new ones.
type adminAccounts struct {
	accounts *account.Service
}

func (a *adminAccounts) pages() []page {
	return []page{
		{"GET", "/admin/accounts", admin, section(a.show).asHandler},
		{"POST", "/admin/accounts", admin, a.add},
	}
}

type accountsData struct {
	notice
	Accounts []account.Account
	Self     int64 // the id of the visitor's account
	// Search is the prefix of the names or e-mail addresses of the accounts. If empty, all
	// are listed.
	Search string
	// Sort is their order: "new" or "old"; empty: by name.
	Sort    string
	Besides neighbours
}

// maxRows is how many rows of a listing are on a page: on a phone, that is two
// screens and a half.
const maxRows = 12

// tallRows is that number for rows of several lines, and besideRows for such rows beside
// something else.
const (
	tallRows   = 6
	besideRows = 4
)

// someRows is how many there may be to choose one from a list, or to be counted.
const someRows = 25

func (a *adminAccounts) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := accountsData{
		notice: newNotice(v, s), Self: v.account.ID, Search: strings.TrimSpace(v.URL.Query().Get("search")),
	}
	read := func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
		return a.accounts.Search(ctx, data.Search, r)
	}
	if data.Search == "" { // those that are searched for have an order of their own
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
	data.Accounts, data.Besides = list.Rows, besides(v, accountsPath, "", "accounts", list)
	return data.page("admin-accounts", data), err
}

// add adds an account, if the admin confirms it by password.
func (a *adminAccounts) add(ctx context.Context, v *visit) (view, error) {
	n := account.NewAccount{
		Username: v.PostFormValue("username"), Email: v.PostFormValue("email"),
		Password: plexauth.Secret(v.PostFormValue("password")), Admin: v.PostFormValue("admin") != "",
	}
	err := fault.Join(n.Check(), confirmPassword(ctx, a.accounts, v))
	var added account.Account
	if err == nil {
		added, err = a.accounts.Add(ctx, v.actor(), n)
	}
	return adminChanged(ctx, v, accountPath(added.ID), "added", a.show, err)
}

const accountsPath = "/admin/accounts"

// accountPath is the page for admins of one account.
func accountPath(id int64) string { return accountsPath + "/" + decimal(id) }
