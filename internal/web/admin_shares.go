package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// adminShares shares servers with accounts, and lists the shares of one server or
// one account. The form that shares a server is on the page of that server.
type adminShares struct {
	servers  *adminSources
	sources  *source.Service
	accounts *account.Service
}

func (a *adminShares) pages() []page {
	return []page{
		{"GET", sharesPath, admin, a.show},
		{"POST", sharesPath, admin, a.add},
		{"POST", sharesPath + "/remove", admin, a.servers.caution.before(risk{a.askRemove, a.remove})},
	}
}

const sharesPath = "/admin/shares"

type sharesData struct {
	notice
	// Of is the server or the account whose shares are listed. If empty, all are listed.
	Of string
	// Name is the account that was searched for.
	Name    string
	Shares  []source.Share
	Besides neighbours
}

func (a *adminShares) show(ctx context.Context, v *visit) (view, error) {
	q := v.URL.Query()
	data := sharesData{notice: newNotice(v, sent{}), Name: strings.TrimSpace(q.Get("name"))}
	if data.Name == "" {
		return a.list(ctx, v, data)
	}
	found, err := chosenAccount(ctx, a.accounts, "", data.Name)
	if text, ok := problem(err); ok {
		data.problem = text
		return data.page("admin-shares", data), nil
	}
	return view{to: sharesPath + "?account=" + decimal(found.ID)}, err
}

func (a *adminShares) list(ctx context.Context, v *visit, data sharesData) (view, error) {
	r, q := wantedPage(v, "", tallRows), v.URL.Query()
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
	data.Shares, data.Besides = list.Rows, besides(v, sharesPath, "", "shares", list)
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
		Button: say("Take it back"), Back: a.back(v, server), Others: true,
	}, err
}

func (a *adminShares) remove(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "unshared", a.sources.Unshare)
}

// back is the list that a share was in: that of its server, or of shares.
func (a *adminShares) back(v *visit, server source.Source) string {
	return v.back(a.servers.sourcePath(server.ID), sharesPath)
}

// change changes a share, and answers the form of the server's page.
func (a *adminShares) change(
	ctx context.Context, v *visit, confirmation string,
	change func(ctx context.Context, by audit.Actor, src source.Source, accountID int64) error,
) (view, error) {
	server, with, err := a.chosen(ctx, v)
	if fault.KindOf(err) == fault.NotFound {
		return view{}, err
	}
	if err == nil {
		err = change(ctx, v.actor(), server, with.ID)
	}
	if form, ok := rejected(v, err); ok {
		return a.servers.oneOf(ctx, v, server.ID, form)
	}
	return view{to: done(a.back(v, server), confirmation)}, err
}

// chosen is the server and the account that a form names.
func (a *adminShares) chosen(ctx context.Context, v *visit) (server source.Source, with account.Account, err error) {
	server, err = a.sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: v.PostFormValue("server")})
	if err == nil {
		with, err = chosenAccount(ctx, a.accounts, v.PostFormValue("account"), formText(v, "account-name"))
	}
	return server, with, err
}
