package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/source"
)

// adminShares shares servers with accounts. Its forms are on the servers' page.
type adminShares struct {
	servers  *adminSources
	sources  *source.Service
	accounts *account.Service
}

func (a *adminShares) pages() []page {
	return []page{
		{"POST", "/admin/shares", admin, a.add},
		{"POST", "/admin/shares/remove", admin, a.remove},
	}
}

func (a *adminShares) add(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "shared", a.sources.Share)
}

func (a *adminShares) remove(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "unshared", a.sources.Unshare)
}

func (a *adminShares) change(
	ctx context.Context, v *visit, done string,
	change func(ctx context.Context, by audit.Actor, src source.Source, accountID int64) error,
) (view, error) {
	server, err := a.sources.Find(ctx, source.Ref{
		Kind: source.Server, Identifier: v.PostFormValue("server"),
	})
	if err != nil {
		return view{}, err
	}
	with, err := a.accounts.Get(ctx, number(v.PostFormValue("account")))
	if err != nil {
		return view{}, err
	}
	err = change(ctx, v.actor(), server, with.ID)
	return adminChanged(ctx, v, a.servers.path, done, a.servers.show, err)
}
