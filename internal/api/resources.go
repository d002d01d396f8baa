package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// resourceHandlers list the servers that an account can use.
type resourceHandlers struct {
	sources *source.Service
	homes   *home.Service
	version string // of this server, in the format of media servers
	now     func() time.Time
}

// list lists the servers that the caller owns or that are shared with the caller.
func (h resourceHandlers) list(ctx context.Context, c *call) (answer, error) {
	list, part, err := h.read(ctx, c)
	return answer{status: http.StatusOK, body: wire.Resources(list), part: part}, err
}

// listV1 is list in version 1.
func (h resourceHandlers) listV1(ctx context.Context, c *call) (answer, error) {
	list, part, err := h.read(ctx, c)
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.XML // the list has no other form
	return answer{status: http.StatusOK, body: wire.LegacyResources{Resources: list, Part: part}, part: part}, nil
}

// read returns the servers, or the requested part of them.
func (h resourceHandlers) read(ctx context.Context, c *call) ([]wire.Resource, *wire.Part, error) {
	wanted, err := readWanted(c.params)
	if err != nil {
		return nil, nil, err
	}
	all, err := h.servers(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	servers, part, err := wire.Cut(c.http, c.params, all)
	if err != nil {
		return nil, nil, err
	}
	housemates, err := h.housemates(ctx, c, servers)
	if err != nil {
		return nil, nil, err
	}
	list := make([]wire.Resource, 0, len(servers))
	for _, src := range servers {
		r, ok, err := h.reached(ctx, c, src)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		r.Home = !r.Owned && housemates[src.OwnerID]
		r.Connections = wanted.filter(r.Connections)
		if !r.Owned {
			r.Connections = reachable(r.Connections)
		}
		list = append(list, r)
	}
	return list, part, nil
}

// housemates returns the accounts in the caller's home, if one of the servers has
// another owner than the caller.
func (h resourceHandlers) housemates(ctx context.Context, c *call, servers []source.Source) (map[int64]bool, error) {
	ofOthers := func(src source.Source) bool { return src.OwnerID != 0 && src.OwnerID != c.principal.AccountID }
	if !slices.ContainsFunc(servers, ofOthers) {
		return nil, nil
	}
	found, err := h.homes.Of(ctx, c.principal.AccountID)
	list := make(map[int64]bool, len(found.Users))
	for _, u := range found.Users {
		list[u.Account.ID] = true
	}
	return list, asInvalid(err)
}

// servers returns the servers that the caller can reach.
func (h resourceHandlers) servers(ctx context.Context, c *call) ([]source.Source, error) {
	all, err := h.sources.Servers(ctx, c.principal.AccountID)
	return all, asInvalid(err)
}

// reached is resource, and reports whether the caller can still reach the server: access may
// have been removed since the servers were read.
func (h resourceHandlers) reached(ctx context.Context, c *call, src source.Source) (wire.Resource, bool, error) {
	r, err := h.resource(ctx, c, src)
	if errors.Is(err, source.ErrReach) {
		return r, false, nil
	}
	return r, err == nil, err
}

// resource returns a server with a token for it.
func (h resourceHandlers) resource(ctx context.Context, c *call, src source.Source) (wire.Resource, error) {
	owned := src.OwnedBy(c.principal.AccountID, c.principal.Admin)
	// A request with a JWT gets that JWT for the account's own servers, and an opaque
	// token for the others (a client's source).
	accessToken := c.Token
	if !owned || c.principal.Kind != token.JWT {
		var err error
		if accessToken, err = h.sources.Token(ctx, c.actor(), c.principal, src.ID); err != nil {
			return wire.Resource{}, err
		}
	}
	r := wire.Resource{
		Name: src.Name, Product: src.Product, ProductVersion: src.ProductVersion, Platform: src.Platform,
		PlatformVersion: src.PlatformVersion, Device: src.Device, ClientIdentifier: src.Identifier,
		CreatedAt: src.CreatedAt, LastSeenAt: h.now(), Provides: "server", PublicAddress: reachedAt(src).Address,
		PublicAddressMatches: sameNetwork(src, c.address), AccessToken: accessToken, Owned: owned, Connections: connections(src),
	}
	if src.ID == h.sources.Self().ID {
		r.ProductVersion = h.version
	}
	if !owned && src.OwnerID != 0 {
		r.OwnerID, r.SourceTitle = wire.Some(src.OwnerID), wire.Some(src.OwnerName)
	}
	return r, nil
}
