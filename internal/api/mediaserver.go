package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/wire"
)

// mediaServerHandlers handle the requests of clients to a media server right after they
// have connected to it, and the list of servers of version 1.
type mediaServerHandlers struct {
	media     mediaHandlers
	avatars   avatarHandlers
	resources resourceHandlers
}

// providers lists no media: plex-api.rs connects by it.
func (h mediaServerHandlers) providers(ctx context.Context, c *call) (answer, error) {
	root, err := h.media.server(ctx, c)
	return answer{status: http.StatusOK, body: wire.MediaProviders(root)}, err
}

// maxAccounts is the maximum number of listed accounts: those that were added first.
const maxAccounts = 1000

// accounts lists the accounts of this server to its admins. The owner has number
// 1, as at a media server, where clients look for it; the account that has this
// number here gets the owner's.
func (h mediaServerHandlers) accounts(ctx context.Context, c *call) (answer, error) {
	owner, err := h.avatars.accounts.FirstAdmin(ctx)
	if err != nil {
		return answer{}, err
	}
	all, err := paging.Rows(h.avatars.accounts.List(ctx, paging.Request{Limit: maxAccounts}))
	if err != nil {
		return answer{}, err
	}
	list := make(wire.SystemAccounts, 0, len(all))
	for _, a := range all {
		if !a.Disabled {
			list = append(list, h.systemAccount(c, a, owner.ID))
		}
	}
	return answer{status: http.StatusOK, body: list}, nil
}

// ownerNumber is the number of the owner among the accounts of a media server.
const ownerNumber = 1

func (h mediaServerHandlers) systemAccount(c *call, a account.Account, ownerID int64) wire.SystemAccount {
	id := a.ID
	switch id {
	case ownerID:
		id = ownerNumber
	case ownerNumber:
		id = ownerID
	}
	return wire.SystemAccount{
		ID: id, Key: "/accounts/" + a.UUID, Name: a.Username, AutoSelectAudio: true, Thumb: h.avatars.base(c.http) + picturePath(a.Profile()),
	}
}

// self lists this server.
func (h mediaServerHandlers) self(context.Context, *call) (answer, error) {
	self := h.media.sources.Self()
	at := reachedAt(self)
	return answer{status: http.StatusOK, body: wire.LocalServer{
		Name: self.Name, Host: at.Address, Address: at.Address, Port: at.Port,
		MachineIdentifier: self.Identifier, Version: h.media.version,
	}}, nil
}

// account returns the account that this server is signed in with. It contains no token.
func (h mediaServerHandlers) account(ctx context.Context, _ *call) (answer, error) {
	owner, err := h.media.owner(ctx)
	if err != nil {
		return answer{}, err
	}
	self := h.media.sources.Self()
	public, private := reachedAt(self), localConnection(self)
	return answer{status: http.StatusOK, body: wire.ServerAccount{
		Username: owner, PublicAddress: public.Address, PublicPort: public.Port,
		PrivateAddress: private.Address, PrivatePort: private.Port,
	}}, nil
}

// published lists the servers that the caller can reach, in version 1.
func (h mediaServerHandlers) published(ctx context.Context, c *call) (answer, error) {
	sources, err := h.resources.servers(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list := make(wire.PublishedServers, 0, len(sources))
	for _, src := range sources {
		r, ok, err := h.resources.reached(ctx, c, src)
		if err != nil {
			return answer{}, err
		}
		if !ok {
			continue
		}
		list = append(list, wire.PublishedServer{AccessToken: string(r.AccessToken), ServerFacts: h.resources.facts(src, r.Owned)})
	}
	return answer{status: http.StatusOK, body: list}, nil
}

// facts returns the facts about a server in a list of servers.
func (h resourceHandlers) facts(src source.Source, owned bool) wire.ServerFacts {
	at := reachedAt(src)
	f := wire.ServerFacts{
		Name: src.Name, Address: at.Address, Port: at.Port, Version: src.ProductVersion, Scheme: at.Protocol, Host: at.Address,
		LocalAddresses: localAddresses(src), MachineIdentifier: src.Identifier, CreatedAt: src.CreatedAt.Unix(),
		UpdatedAt: h.now().Unix(), Owned: wire.Bool(owned),
	}
	if src.ID == h.sources.Self().ID {
		f.Version = h.version
	}
	return f
}

// reachedAt returns the connection through which a server is reached from other
// networks, or else its first one.
func reachedAt(src source.Source) source.Connection {
	for _, c := range src.Connections {
		if !c.Local && !c.Relay {
			return c
		}
	}
	if len(src.Connections) > 0 {
		return src.Connections[0]
	}
	return source.Connection{}
}

// localConnection returns a server's first local connection, or the zero value if it has
// none.
func localConnection(src source.Source) source.Connection {
	for _, c := range src.Connections {
		if c.Local {
			return c
		}
	}
	return source.Connection{}
}

// localAddresses returns the addresses of a server in its own network, separated by
// commas.
func localAddresses(src source.Source) string {
	var list []string
	for _, c := range src.Connections {
		if c.Local {
			list = append(list, c.Address)
		}
	}
	return strings.Join(list, ",")
}
