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
// providers. Each has a page of its own.
type adminSources struct {
	kind     source.Kind
	path     string // of the list
	sources  *source.Service
	accounts *account.Service
	tokens   *token.Service
	caution  caution
}

func (a *adminSources) pages() []page {
	return []page{
		{"GET", a.path, admin, section(a.list).asHandler},
		{"POST", a.path, admin, a.add},
		{"GET", a.path + "/{id}", admin, a.one},
		{"POST", a.path + "/remove", admin, a.caution.before(risk{a.askRemove, a.remove})},
	}
}

// sourcePath is the page of one source.
func (a *adminSources) sourcePath(id int64) string { return a.path + "/" + decimal(id) }

// sourcesData is the list.
type sourcesData struct {
	notice
	Kind    source.Kind
	Path    string // where the forms are sent
	Search  string // what the sources are searched for; empty: all are listed
	Sources []sourceRow
	Besides neighbours
	// Accounts are all accounts, if there are few enough to choose one. If empty, the
	// visitor types a name.
	Accounts []account.Account
}

// sourceRow is a source in the list.
type sourceRow struct {
	source.Source
	// Self: it is this server itself, whose name and connections are configured
	// on the command line.
	Self bool
	// Shares is how many accounts it is shared with, as far as someRows.
	Shares int
	More   bool // there are more than those
}

// Reach says with whom it is shared.
func (r sourceRow) Reach() phrase {
	switch {
	case r.Everyone:
		return say("shared with everyone")
	case r.More:
		return say("shared with more than %d accounts", r.Shares)
	case r.Shares > 0:
		return say("shared with %s", countOf(r.Shares, "account", "accounts"))
	}
	return say("shared with nobody")
}

func (a *adminSources) list(ctx context.Context, v *visit, s sent) (view, error) {
	data := sourcesData{notice: newNotice(v, s), Kind: a.kind, Path: a.path, Search: strings.TrimSpace(v.URL.Query().Get("search"))}
	var err error
	if data.Accounts, err = fewAccounts(ctx, a.accounts); err != nil {
		return view{}, err
	}
	list, err := a.sources.Search(ctx, a.kind, data.Search, wantedPage(v, "", maxRows))
	if err != nil {
		return view{}, err
	}
	for _, src := range list.Rows {
		row := sourceRow{Source: src}
		row.Source, row.Self = a.known(src)
		shares, err := a.sources.SharesOf(ctx, src.ID, paging.Request{Limit: someRows})
		if err != nil {
			return view{}, err
		}
		row.Shares, row.More = len(shares.Rows), shares.Next != ""
		data.Sources = append(data.Sources, row)
	}
	data.Besides = besides(v, a.path, "", string(a.kind)+"s", list)
	return data.page("admin-sources", data), nil
}

// known returns a source with what this server says of itself, if it is this server.
func (a *adminSources) known(src source.Source) (_ source.Source, self bool) {
	own := a.sources.Self()
	if src.ID != own.ID {
		return src, false
	}
	src.Name, src.Connections = own.Name, own.Connections
	return src, true
}

// oneSourceData is the page of one source.
type oneSourceData struct {
	notice
	source.Source
	Path   string // of the list
	Here   string // of the page
	Self   bool   // it is this server itself
	Search string // which accounts are searched for; empty: all shares are listed
	// Shares are those on this part of the list, and Any says that there are some.
	Shares  []source.Share
	Any     bool
	Besides neighbours
	// Others are the accounts that it can still be shared with, if all accounts are few
	// enough to choose one from a list, and Choose says that they are.
	Others []account.Account
	Choose bool
}

// one shows one source and the accounts that it is shared with.
func (a *adminSources) one(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	return a.oneOf(ctx, v, id, sent{})
}

func (a *adminSources) oneOf(ctx context.Context, v *visit, id int64, s sent) (view, error) {
	src, err := a.sources.Get(ctx, a.kind, id)
	if err != nil {
		return view{}, err
	}
	data := oneSourceData{notice: newNotice(v, s), Path: a.path, Here: a.sourcePath(id)}
	data.Source, data.Self = a.known(src)
	for _, text := range []*string{&data.ProductVersion, &data.Platform, &data.PlatformVersion, &data.Device} {
		if *text == source.Unknown {
			*text = "" // it is for programs, and not for users
		}
	}
	if a.kind == source.Server {
		if err := a.shares(ctx, v, &data); err != nil {
			return view{}, err
		}
	}
	return data.page("admin-source", data), nil
}

// shares fills in the accounts that a server is shared with, and could be.
func (a *adminSources) shares(ctx context.Context, v *visit, data *oneSourceData) error {
	data.Search = strings.TrimSpace(v.URL.Query().Get("search"))
	list, err := a.sources.SearchShares(ctx, data.ID, data.Search, wantedPage(v, "", besideRows))
	if err != nil {
		return err
	}
	data.Shares, data.Besides = list.Rows, besides(v, data.Here, "", "shares", list)
	data.Any = len(list.Rows) > 0 || data.Besides.First != "" || data.Search != ""
	all, err := fewAccounts(ctx, a.accounts)
	if err != nil || all == nil {
		return err
	}
	data.Choose = true
	shared, err := paging.Rows(a.sources.SharesOf(ctx, data.ID, paging.Request{Limit: someRows}))
	for _, other := range all {
		has := slices.ContainsFunc(shared, func(s source.Share) bool { return s.AccountID == other.ID })
		if !has && !data.OwnedBy(other.ID, other.Admin) {
			data.Others = append(data.Others, other)
		}
	}
	return err
}

// fewAccounts returns all accounts, if they are few enough to choose one from a list.
func fewAccounts(ctx context.Context, accounts *account.Service) ([]account.Account, error) {
	list, err := accounts.List(ctx, paging.Request{Limit: someRows})
	if list.Next != "" {
		return nil, err
	}
	return list.Rows, err
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
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return view{}, err
	}
	src.OwnerID = owner
	connections, wrong := readConnections(v.PostFormValue("connections"))
	src.Connections = connections
	if err = fault.Join(wrong, src.Check(), err); err == nil {
		_, err = a.sources.Add(ctx, v.actor(), src)
	}
	return adminChanged(ctx, v, a.path, "added", a.list, err)
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
	src, _ = a.known(src)
	return question{
		Title: say("Remove %s from the list?", claim(src.Name)),
		Ends: []phrase{
			countOf(len(shares.Rows), "share", "shares"), say("%s for it", countOf(tokens, "token", "tokens")),
			say("It is itself not changed."),
		},
		Button: say("Remove it"), Back: v.back(a.sourcePath(src.ID), a.path), Others: true,
	}, err
}

func (a *adminSources) remove(ctx context.Context, v *visit) (view, error) {
	err := a.sources.Remove(ctx, v.actor(), source.Ref{Kind: a.kind, Identifier: v.PostFormValue("identifier")})
	return adminChanged(ctx, v, a.path, "removed", a.list, err)
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
