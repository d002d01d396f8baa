package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// adminShares shares servers with accounts, and lists the shares of one server or
// one account. Its other forms are on the servers' page.
type adminShares struct {
	servers  *adminSources
	sources  *source.Service
	accounts *account.Service
}

func (a *adminShares) pages() []page {
	return []page{
		{"GET", "/admin/shares", admin, a.show},
		{"POST", "/admin/shares", admin, a.add},
		{"POST", "/admin/shares/remove", admin, a.servers.caution.before(risk{a.askRemove, a.remove})},
	}
}

type sharesData struct {
	notice
	// Of is the server or the account whose shares are listed. Empty: all are.
	Of      string
	Shares  []source.Share
	Besides neighbours
}

func (a *adminShares) show(ctx context.Context, v *visit) (view, error) {
	data := sharesData{notice: newNotice(v, sent{})}
	r, q := wantedPage(v, "", maxRows), v.URL.Query()
	list, err := paging.List[source.Share]{}, error(nil)
	switch {
	case q.Has("server"):
		var of source.Source
		of, err = a.sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: q.Get("server")})
		if data.Of = of.Name; err == nil {
			list, err = a.sources.SharesOf(ctx, of.ID, r)
		}
	case q.Has("account"):
		var of account.Account
		of, err = a.accounts.Get(ctx, number(q.Get("account")))
		if data.Of = of.Username; err == nil {
			list, err = a.sources.SharesWith(ctx, of.ID, r)
		}
	default:
		list, err = a.sources.Shares(ctx, r)
	}
	data.Shares, data.Besides = list.Rows, besides(v, "", "shares", list)
	return view{name: "admin-shares", data: data}, err
}

func (a *adminShares) add(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "shared", a.sources.Share)
}

func (a *adminShares) askRemove(ctx context.Context, v *visit) (question, error) {
	server, with, err := a.chosen(ctx, v)
	if err != nil {
		return question{}, err
	}
	tokens, err := a.servers.tokens.CountSelected(ctx, token.Selection{SourceID: server.ID, AccountID: with.ID})
	return question{
		Title:  say("Take back the share of %s in %s?", with.Username, claim(server.Name)),
		Ends:   []phrase{say("1 share, and %s that %s has for it", countOf(tokens, "token", "tokens"), with.Username)},
		Button: say("Take it back"), Back: a.servers.path, Others: true,
	}, err
}

func (a *adminShares) remove(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "unshared", a.sources.Unshare)
}

func (a *adminShares) change(
	ctx context.Context, v *visit, done string,
	change func(ctx context.Context, by audit.Actor, src source.Source, accountID int64) error,
) (view, error) {
	server, with, err := a.chosen(ctx, v)
	if fault.KindOf(err) == fault.NotFound {
		return view{}, err
	}
	if err == nil {
		err = change(ctx, v.actor(), server, with.ID)
	}
	return adminChanged(ctx, v, a.servers.path, done, a.servers.show, err)
}

// chosen is the server and the account that a form names.
func (a *adminShares) chosen(ctx context.Context, v *visit) (server source.Source, with account.Account, err error) {
	server, err = a.sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: v.PostFormValue("server")})
	if err == nil {
		with, err = chosenAccount(ctx, a.accounts, v.PostFormValue("account"), formText(v, "account-name"))
	}
	return server, with, err
}
