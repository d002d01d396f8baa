package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// mediaHandlers handle the requests to a media server.
type mediaHandlers struct {
	tokens   *token.Service
	sources  *source.Service
	accounts *accountCache
	pages    *sourceCache
	version  string // of this server, in the format of media servers
}

// protocolVersion is the prefix of usher's own version in /identity and /.
// Clients compare it with the media server's version that first had a feature;
// this version has all features of usher. (Inference.)
const protocolVersion = "1.42.0.0"

// serverVersion returns this server's version in the format of media servers. An empty
// version of usher is "dev".
func serverVersion(version string) string {
	if version == "" {
		version = "dev"
	}
	return protocolVersion + "-" + version
}

// transientToken is getTransientToken.
func (h mediaHandlers) transientToken(_ context.Context, c *call) (answer, error) {
	for _, param := range [...]struct{ name, only string }{{"type", "delegation"}, {"scope", "all"}} {
		got, err := c.params.Text(param.name)
		if err != nil {
			return answer{}, err
		}
		if got != param.only {
			return answer{}, fault.Invalidf(param.name, "%s must be %s", param.name, param.only)
		}
	}
	tok, expires := h.tokens.MintTransient(c.principal, 0)
	return answer{status: http.StatusOK, body: wire.TransientToken{Token: tok, ExpiresAt: expires}}, nil
}

// sourceConnection is getSourceConnectionInformation.
func (h mediaHandlers) sourceConnection(ctx context.Context, c *call) (answer, error) {
	text, err := c.params.Text("source")
	if err != nil {
		return answer{}, err
	}
	// There is nothing to refresh: every response is up to date.
	if _, err := c.params.Bool("refresh"); err != nil {
		return answer{}, err
	}
	ref, err := source.Parse(text)
	if err != nil {
		return answer{}, err
	}
	src, err := h.pages.page(ctx, ref)
	if err != nil {
		return answer{}, err
	}
	if !c.principal.Reaches(src.id) {
		// A token for this server alone gets no token for another one.
		return answer{}, errForbidden
	}
	tok, _ := h.tokens.MintTransient(c.principal, src.id)
	return answer{status: http.StatusOK, body: src.page.With(tok)}, nil
}

// identity needs no token. Clients use it to check whether this is the server that they
// expect.
func (h mediaHandlers) identity(context.Context, *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.Identity{
		Claimed: true, MachineIdentifier: h.sources.Self().Identifier, Version: h.version,
	}}, nil
}

// root returns the document that clients read when they connect.
func (h mediaHandlers) root(ctx context.Context, c *call) (answer, error) {
	server, err := h.server(ctx, c)
	return answer{status: http.StatusOK, body: server}, err
}

// server describes this server to a caller.
func (h mediaHandlers) server(ctx context.Context, c *call) (wire.Server, error) {
	if _, err := h.accounts.account(ctx, c.principal.AccountID); err != nil {
		return wire.Server{}, err // another process has just removed it
	}
	owner, err := h.owner(ctx)
	if err != nil {
		return wire.Server{}, err
	}
	self := h.sources.Self()
	return wire.Server{
		FriendlyName: self.Name, MachineIdentifier: self.Identifier, Version: h.version,
		Platform: self.Platform, PlatformVersion: self.PlatformVersion, Owner: owner, UpdatedAt: self.CreatedAt,
	}, nil
}

// owner returns the name of the account that this server is signed in with, like a
// media server: its e-mail address, or its username without one.
func (h mediaHandlers) owner(ctx context.Context) (string, error) {
	a, err := h.accounts.accounts.FirstAdmin(ctx)
	if errors.Is(err, account.ErrNotFound) {
		return "", nil // every admin is disabled
	}
	if a.Email == "" {
		return a.Username, err
	}
	return a.Email, err
}
