package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// protocolVersion is what /identity and / say in front of usher's own version.
// Clients compare it with the media server's that first had a feature; this is
// one that has all that usher has. (Inference.)
const protocolVersion = "1.42.0.0"

func (s *Server) ping(context.Context, *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.Pong{}}, nil
}

// signIn is post-users-sign-in-data.
func (s *Server) signIn(ctx context.Context, c *call) (answer, error) {
	in, err := readSignIn(c, "login", "password")
	if err != nil {
		return answer{}, err
	}
	a, token, err := s.issue(ctx, c, in)
	if err != nil {
		return answer{}, err
	}
	page, err := s.accountPage(ctx, a.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: page.With(token, s.Now())}, nil
}

// legacySignIn is the sign-in of version 1: by Basic authentication, or with
// the same fields one level deeper.
func (s *Server) legacySignIn(ctx context.Context, c *call) (answer, error) {
	login, password, ok, err := wire.BasicCredentials(c.http)
	if err != nil {
		return answer{}, err
	}
	in := account.Credentials{Login: login, Password: password}
	if !ok {
		if in, err = readSignIn(c, "user[login]", "user[password]"); err != nil {
			return answer{}, err
		}
	}
	in.Address = c.address
	a, token, err := s.issue(ctx, c, in)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: wire.LegacyAccount{Person: person(a), Token: token}}, nil
}

// readSignIn reads the form of a sign-in, whose two required fields have other
// names in version 1.
func readSignIn(c *call, loginField, passwordField string) (in account.Credentials, err error) {
	in.Address = c.address
	if in.Login, err = c.params.Text(loginField); err != nil {
		return in, err
	}
	if in.Password, err = c.params.Secret(passwordField); err != nil {
		return in, err
	}
	if in.Code, err = c.params.Secret("verificationCode"); err != nil {
		return in, err
	}
	// Whether to remember the device changes nothing: tokens live until they
	// are revoked. What is not a boolean is still refused.
	if _, err = c.params.Bool("rememberMe"); err != nil {
		return in, err
	}
	return in, missing(loginField, in.Login, passwordField, string(in.Password))
}

// missing says which of the named values are missing, in one line; nil when
// none is.
func missing(namesAndValues ...string) error {
	var names []string
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			names = append(names, namesAndValues[i])
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.Invalidf(names[0], "%s is missing", strings.Join(names, " is missing, "))
}

// issue checks credentials and gives the caller's device a token.
func (s *Server) issue(ctx context.Context, c *call, in account.Credentials) (store.Account, plexauth.Secret, error) {
	proof, err := s.Accounts.Verify(ctx, in)
	if err != nil {
		s.countSignIn(err)
		return store.Account{}, "", err
	}
	proof.Device = device(c)
	token, err := s.Tokens.SignIn(ctx, proof.SignIn)
	if errors.Is(err, store.ErrConflict) {
		err = s.Accounts.Rejected(ctx, proof)
	}
	s.countSignIn(err)
	return proof.Account, token, err
}

// device is the caller as it describes itself.
func device(c *call) store.Device {
	return store.Device{
		ClientIdentifier: c.ClientIdentifier, Product: c.Product, Version: c.Version, Platform: c.Platform,
		PlatformVersion: c.PlatformVersion, Device: c.Device, Model: c.Model, Vendor: c.DeviceVendor,
		Name: c.DeviceName, Address: c.address,
	}
}

// signOut ends the caller's token and its children.
func (s *Server) signOut(ctx context.Context, c *call) (answer, error) {
	if err := s.Tokens.SignOut(ctx, c.principal); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// tokenDetails is getTokenDetails: the account, with the token that asked.
func (s *Server) tokenDetails(ctx context.Context, c *call) (answer, error) {
	page, err := s.accountPage(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: page.With(c.Token, s.Now())}, nil
}

func (s *Server) legacyAccount(ctx context.Context, c *call) (answer, error) {
	a, err := s.account(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.LegacyAccount{Person: person(a), Token: c.Token}}, nil
}

func person(a store.Account) wire.Person {
	return wire.Person{
		ID: a.ID, UUID: a.UUID, Username: a.Username, Title: a.Title, Email: a.Email, JoinedAt: a.CreatedAt,
		HasPassword: a.PasswordHash != "", Admin: a.Admin, TwoFactorEnabled: a.TOTPSeed != nil,
		BackupCodes: a.BackupCodes > 0,
	}
}

// resources lists the servers that the caller owns or is shared.
func (s *Server) resources(ctx context.Context, c *call) (answer, error) {
	list, part, err := s.listResources(ctx, c)
	return answer{http.StatusOK, wire.Resources(list), part}, err
}

func (s *Server) legacyResources(ctx context.Context, c *call) (answer, error) {
	list, part, err := s.listResources(ctx, c)
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.XML // the list has no other form
	return answer{http.StatusOK, wire.LegacyResources{Resources: list, Part: part}, part}, nil
}

func (s *Server) listResources(ctx context.Context, c *call) ([]wire.Resource, *wire.Part, error) {
	wanted, err := readWanted(c.params)
	if err != nil {
		return nil, nil, err
	}
	all, err := s.Sources.Servers(ctx, c.principal.AccountID)
	if err != nil {
		return nil, nil, err
	}
	servers, part, err := wire.Cut(c.http, c.Query, all)
	if err != nil {
		return nil, nil, err
	}
	list := make([]wire.Resource, 0, len(servers))
	for _, src := range servers {
		r, err := s.resource(ctx, c, src)
		if errors.Is(err, token.ErrReach) {
			continue // it was taken back since the servers were read
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

func (s *Server) resource(ctx context.Context, c *call, src source.Source) (wire.Resource, error) {
	token, err := s.Tokens.ServerToken(ctx, c.principal, src.ID)
	if err != nil {
		return wire.Resource{}, err
	}
	owned := src.OwnerID == c.principal.AccountID || src.OwnerID == 0 && c.principal.Admin
	r := wire.Resource{
		Name: src.Name, Product: src.Product, ProductVersion: src.ProductVersion, ClientIdentifier: src.Identifier,
		CreatedAt: src.CreatedAt, LastSeenAt: s.Now(), Provides: "server", PublicAddress: c.address,
		AccessToken: token, Owned: owned, Connections: connections(src),
	}
	if src.ID == s.Sources.Self().ID {
		r.ProductVersion = s.serverVersion()
	}
	if !owned && src.OwnerID != 0 {
		r.OwnerID, r.SourceTitle = wire.Some(src.OwnerID), wire.Some(src.OwnerName)
	}
	return r, nil
}

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

// wanted is which connections a caller asks for.
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

// filter leaves out what was not asked for, kind by kind, as long as something
// is left: a client that is given no connection at all cannot connect.
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

// reachable tells connections that are all local as not local, for who does not
// own the server: PlexAPI and @ctrl/plex connect to a local one only for its
// owner, and would have none left. (Inference.)
func reachable(list []wire.Connection) []wire.Connection {
	if slices.ContainsFunc(list, func(c wire.Connection) bool { return !bool(c.Local) }) {
		return list
	}
	told := slices.Clone(list)
	for i := range told {
		told[i].Local = false
	}
	return told
}

// devices lists the programs that hold a token of the account.
func (s *Server) devices(ctx context.Context, c *call) (answer, error) {
	all, err := s.Store.Devices(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	stored, part, err := wire.Cut(c.http, c.Query, all)
	if err != nil {
		return answer{}, err
	}
	list := make([]wire.Device, 0, len(stored))
	for _, d := range stored {
		list = append(list, wire.Device{
			Name: d.Name, PublicAddress: d.Address, Product: d.Product, ProductVersion: d.Version,
			Platform: d.Platform, PlatformVersion: d.PlatformVersion, Device: d.Device.Device, Model: d.Model,
			Vendor: d.Vendor, ClientIdentifier: d.ClientIdentifier, Version: d.Version, ID: d.ID,
			CreatedAt: d.CreatedAt.Unix(), LastSeenAt: d.LastSeenAt.Unix(),
		})
	}
	return answer{http.StatusOK, wire.Devices{PublicAddress: c.address, Devices: list, Part: part}, part}, nil
}

// endDevice ends every token of one of the caller's devices, as "Sign out" on
// the account's page does.
func (s *Server) endDevice(ctx context.Context, c *call) (answer, error) {
	id, err := strconv.ParseInt(c.http.PathValue("id"), 10, 64)
	if err != nil {
		return answer{}, errNoDevice
	}
	err = s.Store.RevokeDevice(ctx, c.principal.AccountID, id)
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, errNoDevice
	}
	return answer{status: http.StatusOK}, err
}

// transientToken is getTransientToken.
func (s *Server) transientToken(_ context.Context, c *call) (answer, error) {
	for _, param := range [...]struct{ name, only string }{{"type", "delegation"}, {"scope", "all"}} {
		got, err := c.params.Text(param.name)
		if err != nil {
			return answer{}, err
		}
		if got != param.only {
			return answer{}, fault.Invalidf(param.name, "%s must be %s", param.name, param.only)
		}
	}
	token, expires := s.Tokens.MintTransient(c.principal, 0)
	return answer{status: http.StatusOK, body: wire.TransientToken{Token: token, ExpiresAt: expires}}, nil
}

// sourceConnection is getSourceConnectionInformation.
func (s *Server) sourceConnection(ctx context.Context, c *call) (answer, error) {
	text, err := c.params.Text("source")
	if err != nil {
		return answer{}, err
	}
	// There is nothing to refresh: every answer comes from the store.
	if _, err := c.params.Bool("refresh"); err != nil {
		return answer{}, err
	}
	ref, err := source.Parse(text)
	if err != nil {
		return answer{}, err
	}
	src, err := s.sourcePage(ctx, ref)
	if err != nil {
		return answer{}, err
	}
	if !c.principal.Reaches(src.id) {
		// A token for this server alone is not traded for one for another.
		return answer{}, errForbidden
	}
	token, _ := s.Tokens.MintTransient(c.principal, src.id)
	return answer{status: http.StatusOK, body: src.page.With(token)}, nil
}

func (s *Server) serverVersion() string { return protocolVersion + "-" + s.version }

// identity needs no token: it is how clients find out that this is the server
// they look for.
func (s *Server) identity(context.Context, *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.Identity{
		Claimed: true, MachineIdentifier: s.Sources.Self().Identifier, Version: s.serverVersion(),
	}}, nil
}

// root is what clients read when they connect.
func (s *Server) root(ctx context.Context, c *call) (answer, error) {
	a, err := s.account(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	self := s.Sources.Self()
	return answer{status: http.StatusOK, body: wire.Server{
		FriendlyName: self.Name, MachineIdentifier: self.Identifier, Version: s.serverVersion(),
		Username: a.Username, UpdatedAt: self.CreatedAt,
	}}, nil
}
