package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
)

// adminSources lists, adds and removes the sources of one kind: servers or
// providers.
type adminSources struct {
	kind     source.Kind
	path     string // of the page
	sources  *source.Service
	accounts *account.Service
}

func (a *adminSources) pages() []page {
	return []page{
		{"GET", a.path, admin, show(a.show).asHandler},
		{"POST", a.path, admin, a.add},
		{"POST", a.path + "/remove", admin, a.remove},
	}
}

type sourcesData struct {
	notice
	Kind     source.Kind
	Path     string // where the forms are sent
	Sources  []sourceRow
	Accounts []account.Account
}

// sourceRow is one source on the page.
type sourceRow struct {
	source.Source
	// Self: it is this server itself, whose name and connections are configured
	// on the command line.
	Self   bool
	Shares []source.Share
	// Others are the accounts that it can still be shared with.
	Others []account.Account
}

func (a *adminSources) show(ctx context.Context, v *visit, problem string) (view, error) {
	data := sourcesData{notice: newNotice(v, problem), Kind: a.kind, Path: a.path}
	var err error
	if data.Accounts, err = a.accounts.List(ctx); err != nil {
		return view{}, err
	}
	sources, err := a.sources.List(ctx, a.kind)
	if err != nil {
		return view{}, err
	}
	shares, err := a.sources.Shares(ctx)
	if err != nil {
		return view{}, err
	}
	for _, src := range sources {
		data.Sources = append(data.Sources, a.row(src, shares, data.Accounts))
	}
	return data.page("admin-sources", data), nil
}

func (a *adminSources) row(
	src source.Source, shares []source.Share, accounts []account.Account,
) sourceRow {
	self := a.sources.Self()
	row := sourceRow{Source: src, Self: src.ID == self.ID}
	if row.Self {
		row.Name, row.Connections = self.Name, self.Connections
	}
	reached := make(map[int64]bool)
	for _, s := range shares {
		if s.SourceID == src.ID {
			row.Shares = append(row.Shares, s)
			reached[s.AccountID] = true
		}
	}
	row.Others = only(accounts, func(other account.Account) bool {
		return !reached[other.ID] && !src.OwnedBy(other.ID, other.Admin)
	})
	return row
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
	var err error
	if src.OwnerID, err = a.owner(ctx, v.PostFormValue("owner")); err != nil {
		return view{}, err
	}
	if src.Connections, err = readConnections(v.PostFormValue("connections")); err == nil {
		_, err = a.sources.Add(ctx, v.actor(), src)
	}
	return adminChanged(ctx, v, a.path, "added", a.show, err)
}

// formText returns a field of a form without the space around it.
func formText(v *visit, name string) string { return strings.TrimSpace(v.PostFormValue(name)) }

// owner is the account whose id is in a form. It returns 0, for every admin, if
// the form has none.
func (a *adminSources) owner(ctx context.Context, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	owner, err := a.accounts.Get(ctx, number(text))
	return owner.ID, err
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
