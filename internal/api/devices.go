package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// deviceHandlers list and sign out the programs that hold a token of an account.
type deviceHandlers struct {
	devices   *device.Service
	tokens    *token.Service
	resources resourceHandlers
	selfID    int64 // this server as a source
}

// maxDevices is the maximum number of devices in a listing.
const maxDevices = 1000

// list lists the caller's devices. The path has one meaning at plex.tv and another at a
// media server; see call.media. Where both planes share one host name, the kind of token
// selects the list: a server token for this server, or a transient token, gets the list of
// a media server. An access token gets all devices of the account, with all attributes of
// the other list.
func (h deviceHandlers) list(ctx context.Context, c *call) (answer, error) {
	access := c.principal.ActsForAccount()
	if !access && (!c.media || !c.principal.Reaches(h.selfID)) {
		return answer{}, errForbidden
	}
	stored, err := paging.Rows(h.devices.List(ctx, c.principal.AccountID, paging.Request{Limit: maxDevices}))
	if err != nil {
		return answer{}, err
	}
	if !access {
		return answer{status: http.StatusOK, body: systemDevices(stored)}, nil
	}
	all := make([]wire.Device, 0, len(stored))
	for _, d := range stored {
		all = append(all, wire.Device{
			Name: d.Name, PublicAddress: d.Address, Product: d.Product, ProductVersion: d.Version,
			Platform: d.Platform, PlatformVersion: d.PlatformVersion, Device: d.Device, Model: d.Model,
			Vendor: d.Vendor, ClientIdentifier: d.ClientIdentifier, Version: d.Version, ID: d.ID,
			CreatedAt: d.CreatedAt.Unix(), LastSeenAt: d.LastSeenAt.Unix(),
		})
	}
	servers, err := h.servers(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, part, err := wire.Cut(c.http, c.params, append(all, servers...))
	body := wire.Devices{PublicAddress: c.address, Devices: list, Part: part, Contained: c.media}
	return answer{status: http.StatusOK, body: body, part: part}, err
}

// systemDevices returns devices in the form of a media server's list.
func systemDevices(stored []device.Device) wire.SystemDevices {
	list := make(wire.SystemDevices, 0, len(stored))
	for _, d := range stored {
		list = append(list, wire.SystemDevice{
			ID: d.ID, Name: d.Name, Platform: d.Platform, ClientIdentifier: d.ClientIdentifier,
			CreatedAt: d.CreatedAt.Unix(),
		})
	}
	return list
}

// firstServerID is the offset of the numbers of servers among devices:
// deleting a server must never sign out a device. Clients' numbers have 31
// bits.
const firstServerID = 1 << 30

// servers returns the servers that the caller owns as devices: PlexAPI connects
// to account.device(name).
func (h deviceHandlers) servers(ctx context.Context, c *call) ([]wire.Device, error) {
	sources, err := h.resources.servers(ctx, c)
	if err != nil {
		return nil, err
	}
	var list []wire.Device
	for _, src := range sources {
		if !src.OwnedBy(c.principal.AccountID, c.principal.Admin) {
			continue
		}
		r, ok, err := h.resources.reached(ctx, c, src)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		list = append(list, wire.Device{
			Name: r.Name, PublicAddress: r.PublicAddress, Product: r.Product, ProductVersion: r.ProductVersion,
			Platform: r.Platform, PlatformVersion: r.PlatformVersion, Device: r.Device, Provides: r.Provides,
			ClientIdentifier: r.ClientIdentifier, Version: r.ProductVersion, ID: firstServerID + src.ID,
			Token: string(r.AccessToken), CreatedAt: r.CreatedAt.Unix(), LastSeenAt: r.LastSeenAt.Unix(),
			Connections: wire.DeviceConnections(r.Connections),
		})
	}
	return list, nil
}

// revoke revokes every token of one of the caller's devices, as "Sign out" on the
// account's page does.
func (h deviceHandlers) revoke(ctx context.Context, c *call) (answer, error) {
	id, err := strconv.ParseInt(c.http.PathValue("id"), 10, 64)
	if err != nil {
		return answer{}, token.ErrNoDevice
	}
	err = h.tokens.RevokeDevice(ctx, c.actor(), c.principal.AccountID, id)
	return answer{status: http.StatusOK}, err
}
