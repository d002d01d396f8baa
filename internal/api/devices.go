package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// deviceHandlers list and sign out the programs that hold a token of an account.
type deviceHandlers struct {
	devices *device.Service
	tokens  *token.Service
}

// list lists the caller's devices.
func (h deviceHandlers) list(ctx context.Context, c *call) (answer, error) {
	all, err := h.devices.List(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	stored, part, err := wire.Cut(c.http, c.params, all)
	if err != nil {
		return answer{}, err
	}
	list := make([]wire.Device, 0, len(stored))
	for _, d := range stored {
		list = append(list, wire.Device{
			Name: d.Name, PublicAddress: d.Address, Product: d.Product, ProductVersion: d.Version,
			Platform: d.Platform, PlatformVersion: d.PlatformVersion, Device: d.Device, Model: d.Model,
			Vendor: d.Vendor, ClientIdentifier: d.ClientIdentifier, Version: d.Version, ID: d.ID,
			CreatedAt: d.CreatedAt.Unix(), LastSeenAt: d.LastSeenAt.Unix(),
		})
	}
	return answer{http.StatusOK, wire.Devices{PublicAddress: c.address, Devices: list, Part: part}, part}, nil
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
