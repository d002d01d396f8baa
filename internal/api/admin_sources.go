package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
)

// adminSources manages servers, providers and shares in the admin API.
type adminSources struct {
	sources  *source.Service
	accounts *account.Service
}

// routes returns the routes for the sources of a kind.
func (f adminSources) routes(kind source.Kind) []adminRoute {
	path, read, write := "/admin/api/v1/servers", adminkey.ServersRead, adminkey.ServersWrite
	if kind == source.Provider {
		path, read, write = "/admin/api/v1/providers", adminkey.ProvidersRead, adminkey.ProvidersWrite
	}
	of := func(h func(context.Context, *adminCall, source.Kind) (int, any, error)) adminHandler {
		return func(ctx context.Context, c *adminCall) (int, any, error) { return h(ctx, c, kind) }
	}
	return []adminRoute{
		{"GET", path, read, paged, false, of(f.list)},
		{"POST", path, write, "", true, of(f.add)},
		{"GET", path + "/{identifier}", read, "", false, of(f.show)},
		{"DELETE", path + "/{identifier}", write, "", false, of(f.remove)},
	}
}

func (f adminSources) shareRoutes() []adminRoute {
	const path = "/admin/api/v1/servers/{identifier}/shares"
	return []adminRoute{
		{"GET", path, adminkey.ServersRead, paged, false, f.sharesOf},
		{"PUT", path + "/{id}", adminkey.ServersWrite, "", false, f.share},
		{"DELETE", path + "/{id}", adminkey.ServersWrite, "", false, f.unshare},
		{"GET", "/admin/api/v1/shares", adminkey.ServersRead, paged + " account", false, f.shares},
	}
}

// sourceJSON is a server or a provider for admins.
type sourceJSON struct {
	Identifier      string                `json:"identifier"`      // machine identifier
	Name            string                `json:"name"`            // to display
	OwnerID         int64                 `json:"ownerId"`         // account of the owner; 0 for every admin
	Owner           string                `json:"owner"`           // username of the owner
	Everyone        bool                  `json:"everyone"`        // every account reaches it
	Product         string                `json:"product"`         // program of the server
	ProductVersion  string                `json:"productVersion"`  // its version
	Platform        string                `json:"platform"`        // operating system
	PlatformVersion string                `json:"platformVersion"` // its version
	Device          string                `json:"device"`          // kind of computer
	Connections     []adminConnectionJSON `json:"connections"`     // at least one
	CreatedAt       time.Time             `json:"createdAt"`       // in UTC
}

type adminConnectionJSON struct {
	URI   string `json:"uri"`   // such as http://192.0.2.7:32400
	Local bool   `json:"local"` // within the network of the server
	Relay bool   `json:"relay"` // through a relay
}

func newSourceJSON(s source.Source) sourceJSON {
	row := sourceJSON{
		s.Identifier, s.Name, s.OwnerID, s.OwnerName, s.Everyone, s.Product, s.ProductVersion, s.Platform, s.PlatformVersion,
		s.Device, make([]adminConnectionJSON, 0, len(s.Connections)), s.CreatedAt,
	}
	for _, c := range s.Connections {
		row.Connections = append(row.Connections, adminConnectionJSON{c.URI, c.Local, c.Relay})
	}
	return row
}

func (f adminSources) list(ctx context.Context, c *adminCall, kind source.Kind) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	l, err := f.sources.List(ctx, kind, part)
	return listed(l, err, newSourceJSON)
}

func (f adminSources) add(ctx context.Context, c *adminCall, kind source.Kind) (int, any, error) {
	var in struct {
		Identifier, Name, Product, ProductVersion, Platform, PlatformVersion, Device string
		OwnerID                                                                      int64
		Everyone                                                                     bool
		Connections                                                                  []struct {
			URI   string
			Local *bool
			Relay bool
		}
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	src := source.Source{
		Kind: kind, Identifier: in.Identifier, Name: in.Name, Product: in.Product, ProductVersion: in.ProductVersion,
		Platform: in.Platform, PlatformVersion: in.PlatformVersion, Device: in.Device, OwnerID: in.OwnerID, Everyone: in.Everyone,
	}
	if src.OwnerID != 0 {
		owner, err := f.accounts.Get(ctx, src.OwnerID)
		if errors.Is(err, account.ErrNotFound) {
			err = fault.Invalidf("ownerId", "there is no account with this number")
		}
		if err != nil {
			return 0, nil, err
		}
		src.OwnerName = owner.Title
	}
	for _, conn := range in.Connections {
		local := source.LooksLocal(conn.URI)
		if conn.Local != nil {
			local = *conn.Local
		}
		src.Connections = append(src.Connections, source.Connection{URI: conn.URI, Local: local, Relay: conn.Relay})
	}
	src, err := f.sources.Add(ctx, c.actor(), src)
	if err == nil {
		src, err = f.sources.Find(ctx, source.Ref{Kind: kind, Identifier: src.Identifier})
	}
	return http.StatusCreated, newSourceJSON(src), err
}

func (c *adminCall) ref(kind source.Kind) source.Ref {
	return source.Ref{Kind: kind, Identifier: c.http.PathValue("identifier")}
}

func (f adminSources) show(ctx context.Context, c *adminCall, kind source.Kind) (int, any, error) {
	src, err := f.sources.Find(ctx, c.ref(kind))
	return http.StatusOK, newSourceJSON(src), err
}

func (f adminSources) remove(ctx context.Context, c *adminCall, kind source.Kind) (int, any, error) {
	return gone(f.sources.Remove(ctx, c.actor(), c.ref(kind)))
}

// shareJSON is a share for admins.
type shareJSON struct {
	Server     string    `json:"server"`     // machine identifier
	ServerName string    `json:"serverName"` // to display
	AccountID  int64     `json:"accountId"`  // account that it is shared with
	Account    string    `json:"account"`    // username of that account
	CreatedAt  time.Time `json:"createdAt"`  // in UTC
}

func newShareJSON(s source.Share) shareJSON {
	return shareJSON{s.Identifier, s.SourceName, s.AccountID, s.Username, s.CreatedAt}
}

func (f adminSources) sharesOf(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	src, err := f.sources.Find(ctx, c.ref(source.Server))
	if err != nil {
		return 0, nil, err
	}
	l, err := f.sources.SharesOf(ctx, src.ID, part)
	return listed(l, err, newShareJSON)
}

func (f adminSources) shares(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	with, err := c.number("account")
	if err != nil {
		return 0, nil, err
	}
	l, err := paging.List[source.Share]{}, error(nil)
	if with != 0 {
		l, err = f.sources.SharesWith(ctx, with, part)
	} else {
		l, err = f.sources.Shares(ctx, part)
	}
	return listed(l, err, newShareJSON)
}

// shared returns the server and the account of a share.
func (f adminSources) shared(ctx context.Context, c *adminCall) (src source.Source, a account.Account, err error) {
	if src, err = f.sources.Find(ctx, c.ref(source.Server)); err == nil {
		a, err = f.accounts.Get(ctx, c.id("id"))
	}
	return src, a, err
}

func (f adminSources) share(ctx context.Context, c *adminCall) (int, any, error) {
	src, a, err := f.shared(ctx, c)
	if err == nil {
		err = f.sources.Share(ctx, c.actor(), src, a.ID)
	}
	if errors.Is(err, source.ErrShared) {
		err = nil
	}
	return done(err)
}

func (f adminSources) unshare(ctx context.Context, c *adminCall) (int, any, error) {
	src, a, err := f.shared(ctx, c)
	if err == nil {
		err = f.sources.Unshare(ctx, c.actor(), src, a.ID)
	}
	return gone(err)
}

func (f adminSources) sectionRoutes() []adminRoute {
	const path = "/admin/api/v1/servers/{identifier}/sections"
	return []adminRoute{
		{"GET", path, adminkey.ServersRead, "", false, f.sections},
		{"POST", path, adminkey.ServersWrite, "", true, f.addSection},
		{"DELETE", path + "/{section}", adminkey.ServersWrite, "", false, f.removeSection},
	}
}

// sectionJSON is a section of a server for admins.
type sectionJSON struct {
	ID        int64     `json:"id"`        // unique among all servers
	Number    int       `json:"number"`    // within its server
	Name      string    `json:"name"`      // given by the owner of the server
	Type      string    `json:"type"`      // such as movie
	CreatedAt time.Time `json:"createdAt"` // in UTC
}

func newSectionJSON(s source.Section) sectionJSON {
	return sectionJSON{s.ID, s.Number, s.Title, s.Kind, s.CreatedAt}
}

func (f adminSources) sections(ctx context.Context, c *adminCall) (int, any, error) {
	src, err := f.sources.Find(ctx, c.ref(source.Server))
	if err != nil {
		return 0, nil, err
	}
	rows, err := f.sources.Sections(ctx, src.ID)
	return listed(paging.List[source.Section]{Rows: rows}, err, newSectionJSON)
}

func (f adminSources) addSection(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Name, Type string
		Number     int
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	src, err := f.sources.Find(ctx, c.ref(source.Server))
	if err != nil {
		return 0, nil, err
	}
	added, err := f.sources.AddSection(ctx, c.actor(), src, source.Section{Number: in.Number, Title: in.Name, Kind: in.Type})
	return http.StatusCreated, newSectionJSON(added), err
}

func (f adminSources) removeSection(ctx context.Context, c *adminCall) (int, any, error) {
	src, err := f.sources.Find(ctx, c.ref(source.Server))
	if err == nil {
		_, err = f.sources.RemoveSectionByID(ctx, c.actor(), src, c.id("section"))
	}
	return gone(err)
}
