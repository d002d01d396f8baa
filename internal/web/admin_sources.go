package web

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// adminSources lists, adds and removes the sources of one kind: servers or
// providers.
type adminSources struct {
	kind     source.Kind
	path     string // of the page
	sources  *source.Service
	accounts *account.Service
	tokens   *token.Service
	caution  caution
}

func (a *adminSources) pages() []page {
	return []page{
		{"GET", a.path, admin, section(a.show).asHandler},
		{"POST", a.path, admin, a.add},
		{"POST", a.path + "/remove", admin, a.caution.before(risk{a.askRemove, a.remove})},
	}
}

type sourcesData struct {
	notice
	Kind    source.Kind
	Path    string // where the forms are sent
	Sources []sourceRow
	Besides neighbours
	// Accounts are all accounts, if they are few enough to choose one. Empty: the
	// visitor types a name.
	Accounts []account.Account
}

// sourceRow is one source on the page.
type sourceRow struct {
	source.Source
	// Self: it is this server itself, whose name and connections are configured
	// on the command line.
	Self   bool
	Shares []source.Share
	// MoreShares: there are more shares than those.
	MoreShares bool
	// Others are the accounts that it can still be shared with, out of all accounts.
	Others []account.Account
}

func (a *adminSources) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := sourcesData{notice: newNotice(v, s), Kind: a.kind, Path: a.path}
	var err error
	if data.Accounts, err = fewAccounts(ctx, a.accounts); err != nil {
		return view{}, err
	}
	list, err := a.sources.List(ctx, a.kind, wantedPage(v, "", someRows))
	if err != nil {
		return view{}, err
	}
	for _, src := range list.Rows {
		row, err := a.row(ctx, src, data.Accounts)
		if err != nil {
			return view{}, err
		}
		data.Sources = append(data.Sources, row)
	}
	data.Besides = besides(v, "", string(a.kind)+"s", list)
	return data.page("admin-sources", data), nil
}

// fewAccounts returns all accounts, if they are few enough to choose one from a list.
func fewAccounts(ctx context.Context, accounts *account.Service) ([]account.Account, error) {
	list, err := accounts.List(ctx, paging.Request{Limit: someRows})
	if list.Next != "" {
		return nil, err
	}
	return list.Rows, err
}

// row returns a source with its first shares.
func (a *adminSources) row(ctx context.Context, src source.Source, accounts []account.Account) (sourceRow, error) {
	self := a.sources.Self()
	row := sourceRow{Source: src, Self: src.ID == self.ID}
	if row.Self {
		row.Name, row.Connections = self.Name, self.Connections
	}
	shares, err := a.sources.SharesOf(ctx, src.ID, paging.Request{Limit: someRows})
	if err != nil {
		return row, err
	}
	row.Shares, row.MoreShares = shares.Rows, shares.Next != ""
	for _, other := range accounts {
		has := slices.ContainsFunc(row.Shares, func(s source.Share) bool { return s.AccountID == other.ID })
		if !has && !src.OwnedBy(other.ID, other.Admin) {
			row.Others = append(row.Others, other)
		}
	}
	return row, nil
}

func (a *adminSources) add(ctx context.Context, v *visit) (view, error) {
	src := source.Source{
		Kind:       a.kind,
		Identifier: formText(v, "identifier"),
		Name:       formText(v, "name"),
		Product:    formText(v, "product"), ProductVersion: formText(v, "version"),
		Platform: formText(v, "platform"), PlatformVersion: formText(v, "platformVersion"),
		Device:   formText(v, "device"),
		Everyone: v.PostFormValue("everyone") != "",
	}
	owner, err := a.owner(ctx, v)
	if fault.KindOf(err) == fault.Invalid {
		return adminChanged(ctx, v, a.path, "added", a.show, err)
	}
	if err != nil {
		return view{}, err
	}
	src.OwnerID = owner
	if src.Connections, err = readConnections(v.PostFormValue("connections")); err == nil {
		_, err = a.sources.Add(ctx, v.actor(), src)
	}
	return adminChanged(ctx, v, a.path, "added", a.show, err)
}

// formText returns a field of a form without the space around it.
func formText(v *visit, name string) string { return strings.TrimSpace(v.PostFormValue(name)) }

// owner is the account that a form names as the owner. It returns 0, for every
// admin, if the form names none.
func (a *adminSources) owner(ctx context.Context, v *visit) (int64, error) {
	if v.PostFormValue("owner") == "" && formText(v, "owner-name") == "" {
		return 0, nil
	}
	owner, err := chosenAccount(ctx, a.accounts, v.PostFormValue("owner"), formText(v, "owner-name"))
	return owner.ID, err
}

// chosenAccount is the account with an id that was chosen from a list or, without an
// id, with a name or e-mail address that was typed. fault.Invalid if nobody has it.
func chosenAccount(ctx context.Context, accounts *account.Service, id, name string) (account.Account, error) {
	if id != "" {
		return accounts.Get(ctx, number(id))
	}
	found, err := accounts.Find(ctx, name)
	if errors.Is(err, account.ErrNotFound) {
		err = fault.Invalidf("account", "there is no account %s", quoted(name))
	}
	return found, err
}

func (a *adminSources) askRemove(ctx context.Context, v *visit) (question, error) {
	src, err := a.sources.Find(ctx, source.Ref{Kind: a.kind, Identifier: v.PostFormValue("identifier")})
	if err != nil {
		return question{}, err
	}
	shares, err := a.sources.SharesOf(ctx, src.ID, paging.Request{Limit: manyShares})
	if err != nil {
		return question{}, err
	}
	tokens, err := a.tokens.CountSelected(ctx, token.Selection{SourceID: src.ID})
	return question{
		Title: say("Remove %s from the list?", claim(src.Name)),
		Ends: []phrase{
			countOf(len(shares.Rows), "share", "shares"), say("%s for it", countOf(tokens, "token", "tokens")),
			say("It is itself not changed."),
		},
		Button: say("Remove it"), Back: a.path, Others: true,
	}, err
}

func (a *adminSources) remove(ctx context.Context, v *visit) (view, error) {
	err := a.sources.Remove(ctx, v.actor(), source.Ref{Kind: a.kind, Identifier: v.PostFormValue("identifier")})
	return adminChanged(ctx, v, a.path, "removed", a.show, err)
}

// readConnections reads a connection from each line: its address, and then the
// properties that the command line has flags for. The address of a private
// network is local unless the line says "remote".
func readConnections(text string) (list []source.Connection, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		c := source.Connection{URI: fields[0], Local: source.LooksLocal(fields[0])}
		for _, property := range fields[1:] {
			switch strings.ToLower(property) {
			case "local":
				c.Local = true
			case "remote":
				c.Local = false
			case "relay":
				c.Relay = true
			default:
				return nil, fault.Invalidf("connections",
					"after a connection, there may stand local, remote or relay, and not %s", quoted(property))
			}
		}
		list = append(list, c)
	}
	return list, nil
}
