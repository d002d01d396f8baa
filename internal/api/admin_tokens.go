package api

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/token"
)

// adminTokens manages devices, tokens and sessions in the admin API.
type adminTokens struct {
	accounts *account.Service
	devices  *device.Service
	tokens   *token.Service
	sessions *session.Service
}

func (f adminTokens) routes() []adminRoute {
	const read, write = adminkey.TokensRead, adminkey.TokensWrite
	return []adminRoute{
		{"GET", accountPath + "/devices", read, paged + " search sort", false, f.listDevices},
		{"DELETE", accountPath + "/devices/{device}", write, "", false, f.removeDevice},
		{"POST", accountPath + "/devices/{device}/merge", write, "", true, f.mergeDevice},
		{"GET", accountPath + "/sessions", read, paged, false, f.listSessions},
		{"DELETE", accountPath + "/sessions/{session}", write, "", false, f.endSession},
		{"DELETE", accountPath + "/sign-ins", write, "", false, f.signOut},
		{"GET", "/admin/api/v1/tokens", read, paged + " account search", false, f.list},
		{"GET", "/admin/api/v1/tokens/{id}", read, "", false, f.show},
		{"DELETE", "/admin/api/v1/tokens/{id}", write, "", false, f.revoke},
	}
}

// deviceJSON is a device for admins.
type deviceJSON struct {
	ID               int64      `json:"id"`
	ClientIdentifier string     `json:"clientIdentifier"`
	Name             string     `json:"name"`
	Product          string     `json:"product"`
	Version          string     `json:"version"`
	Platform         string     `json:"platform"`
	Device           string     `json:"device"`
	Address          string     `json:"address"`
	CreatedAt        *time.Time `json:"createdAt"`
	LastSeenAt       *time.Time `json:"lastSeenAt"`
}

func newDeviceJSON(d device.Device) deviceJSON {
	return deviceJSON{
		d.ID, d.ClientIdentifier, d.Name, d.Product, d.Version, d.Platform, d.Device, d.Address, orNull(d.CreatedAt),
		orNull(d.LastSeenAt),
	}
}

// deviceOrders are the orders of devices, by their names.
var deviceOrders = map[string]device.Order{"seen": device.BySeen, "name": device.ByName, "product": device.ByProduct}

func (f adminTokens) listDevices(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	sort, err := c.choice("sort", "seen", "name", "product")
	if err != nil {
		return 0, nil, err
	}
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err != nil {
		return 0, nil, err
	}
	query := device.Query{Text: c.query.Get("search"), Order: deviceOrders[sort]}
	if query == (device.Query{}) {
		l, err := f.devices.List(ctx, a.ID, part)
		return listed(l, err, newDeviceJSON)
	}
	l, err := f.devices.Search(ctx, a.ID, query, part)
	return listed(l, err, newDeviceJSON)
}

func (f adminTokens) removeDevice(ctx context.Context, c *adminCall) (int, any, error) {
	return gone(f.tokens.RevokeDevice(ctx, c.actor(), c.id("id"), c.id("device")))
}

// mergeDevice merges two devices, and returns the remaining one.
func (f adminTokens) mergeDevice(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Into int64 }
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if in.Into == 0 {
		return 0, nil, lacks("into")
	}
	if _, err := f.tokens.MergeDevices(ctx, c.actor(), c.id("id"), c.id("device"), in.Into); err != nil {
		return 0, nil, err
	}
	d, _, err := f.devices.Held(ctx, c.id("id"), in.Into)
	return http.StatusOK, newDeviceJSON(d), err
}

// sessionJSON is a browser that is signed in.
type sessionJSON struct {
	ID         int64     `json:"id"`
	Browser    string    `json:"browser"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

func (f adminTokens) listSessions(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err != nil {
		return 0, nil, err
	}
	l, err := f.sessions.List(ctx, a.ID, part)
	return listed(l, err, func(s session.Session) sessionJSON {
		return sessionJSON{s.ID, s.UserAgent, s.Address, s.CreatedAt, s.LastUsedAt, s.ExpiresAt}
	})
}

func (f adminTokens) endSession(ctx context.Context, c *adminCall) (int, any, error) {
	return gone(f.sessions.Revoke(ctx, c.actor(), c.id("id"), c.id("session")))
}

// signOut revokes everything that is signed in with an account.
func (f adminTokens) signOut(ctx context.Context, c *adminCall) (int, any, error) {
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err == nil {
		err = f.sessions.RevokeOthers(ctx, c.actor(), a.ID, 0)
	}
	return gone(err)
}

// tokenJSON is the public part of a token.
type tokenJSON struct {
	ID         int64      `json:"id"`
	Kind       string     `json:"kind"`
	AccountID  int64      `json:"accountId"`
	Account    string     `json:"account"`
	Server     string     `json:"server"`
	Device     deviceJSON `json:"device"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt time.Time  `json:"lastUsedAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
}

func newTokenJSON(t token.Token) tokenJSON {
	return tokenJSON{
		t.ID, t.Kind.String(), t.AccountID, t.Username, t.Source, newDeviceJSON(t.Device), t.CreatedAt, t.LastUsedAt,
		orNull(t.ExpiresAt),
	}
}

func (f adminTokens) list(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	of, err := c.number("account")
	if err != nil {
		return 0, nil, err
	}
	l, err := f.tokens.Search(ctx, c.query.Get("search"), of, part)
	return listed(l, err, newTokenJSON)
}

func (f adminTokens) show(ctx context.Context, c *adminCall) (int, any, error) {
	t, err := f.tokens.Get(ctx, c.id("id"))
	return http.StatusOK, newTokenJSON(t), err
}

func (f adminTokens) revoke(ctx context.Context, c *adminCall) (int, any, error) {
	return gone(f.tokens.Revoke(ctx, c.actor(), c.id("id")))
}
