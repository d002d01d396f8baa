package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// resourceHandlers list the servers that an account may use.
type resourceHandlers struct {
	sources *source.Service
	version string // of this server, as media servers write theirs
	now     func() time.Time
}

// list lists the servers that the caller owns or is shared.
func (h resourceHandlers) list(ctx context.Context, c *call) (answer, error) {
	list, part, err := h.read(ctx, c)
	return answer{http.StatusOK, wire.Resources(list), part}, err
}

// listV1 is list in version 1.
func (h resourceHandlers) listV1(ctx context.Context, c *call) (answer, error) {
	list, part, err := h.read(ctx, c)
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.XML // the list has no other form
	return answer{http.StatusOK, wire.LegacyResources{Resources: list, Part: part}, part}, nil
}

// read returns the servers, or the part of them that was asked for.
func (h resourceHandlers) read(ctx context.Context, c *call) ([]wire.Resource, *wire.Part, error) {
	wanted, err := readWanted(c.params)
	if err != nil {
		return nil, nil, err
	}
	all, err := h.sources.Servers(ctx, c.principal.AccountID)
	if errors.Is(err, account.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", token.ErrInvalid, err) // removed a moment ago
	}
	if err != nil {
		return nil, nil, err
	}
	servers, part, err := wire.Cut(c.http, c.params, all)
	if err != nil {
		return nil, nil, err
	}
	by := c.actor()
	list := make([]wire.Resource, 0, len(servers))
	for _, src := range servers {
		r, err := h.resource(ctx, by, c, src)
		if errors.Is(err, source.ErrReach) {
			continue // access was removed since the servers were read
		}
		if err != nil {
			return nil, nil, err
		}
		r.Connections = wanted.filter(r.Connections)
		if !r.Owned {
			r.Connections = reachable(r.Connections)
		}
		list = append(list, r)
	}
	return list, part, nil
}

// resource returns a server with a token for it.
func (h resourceHandlers) resource(
	ctx context.Context, by audit.Actor, c *call, src source.Source,
) (wire.Resource, error) {
	accessToken, err := h.sources.Token(ctx, by, c.principal, src.ID)
	if err != nil {
		return wire.Resource{}, err
	}
	owned := src.OwnedBy(c.principal.AccountID, c.principal.Admin)
	r := wire.Resource{
		Name: src.Name, Product: src.Product, ProductVersion: src.ProductVersion, ClientIdentifier: src.Identifier,
		CreatedAt: src.CreatedAt, LastSeenAt: h.now(), Provides: "server", PublicAddress: c.address,
		AccessToken: accessToken, Owned: owned, Connections: connections(src),
	}
	if src.ID == h.sources.Self().ID {
		r.ProductVersion = h.version
	}
	if !owned && src.OwnerID != 0 {
		r.OwnerID, r.SourceTitle = wire.Some(src.OwnerID), wire.Some(src.OwnerName)
	}
	return r, nil
}

// connections are a source's connections as answers have them.
func connections(src source.Source) []wire.Connection {
	list := make([]wire.Connection, 0, len(src.Connections))
	for _, c := range src.Connections {
		list = append(list, wire.Connection{
			Protocol: c.Protocol, Address: c.Address, Port: c.Port, URI: c.URI,
			Local: wire.Bool(c.Local), Relay: wire.Bool(c.Relay), IPv6: wire.Bool(c.IPv6),
		})
	}
	return list
}

// wanted is which kinds of connections a caller asks for.
type wanted struct{ https, relay, ipv6 bool }

func readWanted(p wire.Params) (w wanted, err error) {
	for _, param := range [...]struct {
		name string
		into *bool
	}{{"includeHttps", &w.https}, {"includeRelay", &w.relay}, {"includeIPv6", &w.ipv6}} {
		if *param.into, err = p.Bool(param.name); err != nil {
			return w, err
		}
	}
	return w, nil
}

// filter removes what was not asked for, kind by kind, as long as something is
// left: a client that gets no connection at all cannot connect.
// (Inference: what the real service leaves out is not known.)
func (w wanted) filter(list []wire.Connection) []wire.Connection {
	for _, rule := range []struct {
		asked bool
		of    func(wire.Connection) bool
	}{
		{w.relay, func(c wire.Connection) bool { return bool(c.Relay) }},
		{w.ipv6, func(c wire.Connection) bool { return bool(c.IPv6) }},
		{w.https, func(c wire.Connection) bool { return c.Protocol == "https" }},
	} {
		if rule.asked {
			continue
		}
		kept := make([]wire.Connection, 0, len(list))
		for _, c := range list {
			if !rule.of(c) {
				kept = append(kept, c)
			}
		}
		if len(kept) > 0 {
			list = kept
		}
	}
	return list
}

// reachable marks connections as not local if all of them are local, for callers
// who do not own the server: PlexAPI and @ctrl/plex use a local connection only
// for its owner, and would have none left. (Inference.)
func reachable(list []wire.Connection) []wire.Connection {
	if slices.ContainsFunc(list, func(c wire.Connection) bool { return !bool(c.Local) }) {
		return list
	}
	marked := slices.Clone(list)
	for i := range marked {
		marked[i].Local = false
	}
	return marked
}
