package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
)

// sourcesData is the page of all servers, or of all providers.
type sourcesData struct {
	notice
	Kind     string
	Sources  []sourceRow
	Accounts []store.Account
}

// sourceRow is a server or provider on its page.
type sourceRow struct {
	store.Source
	// Self: it is this server, whose connections the command line says.
	Self   bool
	Shares []store.Share
	// Others are the accounts that a share would let reach it.
	Others []store.Account
}

// Path is where the page's forms are sent.
func (d sourcesData) Path() string { return sourcesPath(d.Kind) }

func sourcesPath(kind string) string { return "/admin/" + kind + "s" }

func (p *Pages) adminServers(ctx context.Context, v *visit) (view, error) {
	return p.showServers(ctx, v, "")
}

func (p *Pages) showServers(ctx context.Context, v *visit, problem string) (view, error) {
	return p.showSources(ctx, v, store.ServerSource, problem)
}

func (p *Pages) adminProviders(ctx context.Context, v *visit) (view, error) {
	return p.showProviders(ctx, v, "")
}

func (p *Pages) showProviders(ctx context.Context, v *visit, problem string) (view, error) {
	return p.showSources(ctx, v, store.ProviderSource, problem)
}

func (p *Pages) showSources(ctx context.Context, v *visit, kind, problem string) (view, error) {
	data := sourcesData{notice: newNotice(v, problem), Kind: kind}
	var err error
	if data.Accounts, err = p.Accounts.List(ctx); err != nil {
		return view{}, err
	}
	sources, err := p.Sources.List(ctx, kind)
	if err != nil {
		return view{}, err
	}
	shares, err := p.Sources.Shares(ctx)
	if err != nil {
		return view{}, err
	}
	for _, src := range sources {
		data.Sources = append(data.Sources, p.newSourceRow(src, shares, data.Accounts))
	}
	return data.shown("admin-sources", data), nil
}

func (p *Pages) newSourceRow(src store.Source, shares []store.Share, accounts []store.Account) sourceRow {
	row := sourceRow{Source: src, Self: src.ID == p.Sources.Self().ID}
	if row.Self {
		row.Name, row.Connections = p.Sources.Self().Name, p.Sources.Self().Source.Connections
	}
	reaches := make(map[int64]bool)
	for _, s := range shares {
		if s.SourceID == src.ID {
			row.Shares = append(row.Shares, s)
			reaches[s.AccountID] = true
		}
	}
	row.Others = only(accounts, func(a store.Account) bool {
		return !reaches[a.ID] && a.ID != src.OwnerID && (src.OwnerID != 0 || !a.Admin)
	})
	return row
}

func (p *Pages) addServer(ctx context.Context, v *visit) (view, error) {
	return p.addSource(ctx, v, store.ServerSource, p.showServers)
}

func (p *Pages) addProvider(ctx context.Context, v *visit) (view, error) {
	return p.addSource(ctx, v, store.ProviderSource, p.showProviders)
}

func (p *Pages) addSource(ctx context.Context, v *visit, kind string, again show) (view, error) {
	src := store.Source{
		Kind: kind, Identifier: strings.TrimSpace(v.PostFormValue("identifier")), Name: strings.TrimSpace(v.PostFormValue("name")),
		Product: v.PostFormValue("product"), ProductVersion: v.PostFormValue("version"), Everyone: v.PostFormValue("everyone") != "",
	}
	var err error
	if src.OwnerID, err = p.owner(ctx, v.PostFormValue("owner")); err != nil {
		return view{}, err
	}
	if src.Connections, err = readConnections(v.PostFormValue("connections")); err == nil {
		_, err = p.Sources.Add(ctx, src)
	}
	return adminChanged(ctx, v, sourcesPath(kind), "added", again, err)
}

// owner is the account that a form names by its number; 0 for every admin.
func (p *Pages) owner(ctx context.Context, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	a, err := p.Store.Account(ctx, number(text))
	return a.ID, err
}

// readConnections reads a line for each connection: its address and, after it,
// what the command line has flags for. An address of a private network is
// local unless the line says "remote".
func readConnections(text string) (list []store.Connection, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		c := store.Connection{URI: fields[0], Local: source.LooksLocal(fields[0])}
		for _, mark := range fields[1:] {
			switch strings.ToLower(mark) {
			case "local":
				c.Local = true
			case "remote":
				c.Local = false
			case "relay":
				c.Relay = true
			default:
				return nil, fault.Invalidf("connections",
					"after a connection, there may stand local, remote or relay, and not %s", quoted(mark))
			}
		}
		list = append(list, c)
	}
	return list, nil
}

func (p *Pages) removeServer(ctx context.Context, v *visit) (view, error) {
	return p.removeSource(ctx, v, store.ServerSource, p.showServers)
}

func (p *Pages) removeProvider(ctx context.Context, v *visit) (view, error) {
	return p.removeSource(ctx, v, store.ProviderSource, p.showProviders)
}

func (p *Pages) removeSource(ctx context.Context, v *visit, kind string, again show) (view, error) {
	err := p.Sources.Remove(ctx, source.Ref{Kind: kind, Identifier: v.PostFormValue("identifier")})
	return adminChanged(ctx, v, sourcesPath(kind), "removed", again, err)
}

func (p *Pages) addShare(ctx context.Context, v *visit) (view, error) {
	return p.changeShare(ctx, v, "shared", p.Sources.Share)
}

func (p *Pages) removeShare(ctx context.Context, v *visit) (view, error) {
	return p.changeShare(ctx, v, "unshared", p.Sources.Unshare)
}

func (p *Pages) changeShare(
	ctx context.Context, v *visit, done string, change func(ctx context.Context, source, account int64) error,
) (view, error) {
	src, err := p.Sources.Find(ctx, source.Ref{Kind: store.ServerSource, Identifier: v.PostFormValue("server")})
	if err != nil {
		return view{}, err
	}
	a, err := p.Store.Account(ctx, number(v.PostFormValue("account")))
	if err != nil {
		return view{}, err
	}
	return adminChanged(ctx, v, "/admin/servers", done, p.showServers, change(ctx, src.ID, a.ID))
}
