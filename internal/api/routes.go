package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// caller is the permission that a route requires.
type caller uint8

const (
	// anyone: no token is required, and a token is ignored.
	anyone caller = iota
	// goodToken: anyone, but a token must be valid if it is sent. Tautulli takes any
	// status but 401 to mean that its token is valid.
	goodToken
	// clientID: anyone who sends a client identifier. A token is
	// ignored.
	clientID
	// anyToken: the holder of any valid token.
	anyToken
	// anyTokenV1: anyToken, on a path of version 1 that rejects an invalid token
	// with another status.
	anyTokenV1
	// accountToken: the holder of an access token. Transient and server tokens
	// are denied: the route changes the account, or issues secrets that outlive them.
	accountToken
	// serverToken: the holder of any token that reaches this server.
	serverToken
	// adminToken: the holder of a token that reaches this server with an admin's
	// access.
	adminToken
)

// syntax selects the formats in which a route can respond.
type syntax uint8

const (
	negotiated syntax = iota // by the path's suffix or the Accept header
	legacyXML                // XML, unless the path's suffix says JSON or the request is for the media plane
	onlyJSON                 // JSON, whatever the caller requests
)

// route is one row of a plane's table.
type route struct {
	methods string // separated by spaces; GET includes HEAD
	path    string // a pattern of http.ServeMux; the suffixes ".json" and ".xml" select the format
	caller  caller
	body    int64 // maximum size of a body with fields of the request; 0: the request has no body
	syntax  syntax
	handle  handler
}

// handler handles the calls of one route.
type handler func(context.Context, *call) (answer, error)

const (
	small   = 16 << 10 // forms that users fill in
	anyVerb = "GET POST PUT PATCH DELETE"
)

// accountPlane returns the routes of plex.tv, about identity.
func (f *features) accountPlane() []route {
	return slices.Concat(constantRoutes(), []route{
		{"POST", "/api/v2/users/signin", clientID, small, negotiated, f.signIn.signIn},
		{"POST", "/api/v2/users", clientID, small, negotiated, f.signIn.signUp},
		{"GET", "/users/{uuid}/avatar", anyone, 0, negotiated, f.avatars.picture},
		{"DELETE", "/api/v2/users/signout", accountToken, 0, negotiated, f.signIn.signOut},
		{"GET", "/api/v2/user", anyToken, 0, negotiated, f.user.details},
		{"GET", "/api/v2/ping", goodToken, 0, negotiated, f.user.ping},
		{"GET", "/api/v2/resources", accountToken, 0, negotiated, f.resources.list},

		{"POST", "/api/v2/pins", clientID, small, negotiated, f.pins.start},
		{"GET", "/api/v2/pins/{id}", clientID, small, negotiated, f.pins.poll},
		{"PUT", "/api/v2/pins/link", accountToken, small, negotiated, f.pins.link},
		{"GET", "/api/v2/pins/qr/{code}", anyone, 0, negotiated, f.pins.picture},

		{"POST", "/api/v2/auth/jwk", accountToken, small, onlyJSON, f.keys.register},
		{"GET", "/api/v2/auth/nonce", anyone, 0, onlyJSON, f.keys.nonce},
		{"POST", "/api/v2/auth/token", anyone, small, onlyJSON, f.keys.exchange},
		{"GET", "/api/v2/auth/keys", anyone, 0, onlyJSON, f.keys.published},

		{"GET", "/api/v2/home", accountToken, 0, negotiated, f.homes.info},
		{"GET", "/home", accountToken, 0, negotiated, f.homes.info}, // the older SDKs' getHomeData
		{"GET", "/api/v2/home/users", accountToken, 0, negotiated, f.homes.users},
		{"POST", "/api/v2/home/users", accountToken, small, negotiated, f.homes.add},
		{"POST", "/api/v2/home/users/restricted", accountToken, small, negotiated, f.homes.add},
		{"POST PUT", "/api/v2/home/users/restricted/{id}", accountToken, small, negotiated, f.homes.change},
		{"PUT", "/api/v2/home/users/{id}", accountToken, small, negotiated, f.homes.change},
		{"DELETE", "/api/v2/home/users/{id}", accountToken, 0, negotiated, f.homes.remove},
		{"POST", "/api/v2/home/users/{id}/switch", accountToken, small, negotiated, f.homes.toUser},

		// Version 1, which older programs still speak.
		{"POST", "/users/sign_in", clientID, small, legacyXML, f.signIn.signInV1},
		{"GET", "/users/account", anyTokenV1, 0, legacyXML, f.user.detailsV1},
		{"GET", "/api/resources", accountToken, 0, legacyXML, f.resources.listV1},
		{"DELETE", "/devices/{id}", accountToken, 0, legacyXML, f.devices.revoke},
		{"POST", "/pins", clientID, small, legacyXML, f.pins.startV1},
		{"GET", "/pins/{id}", clientID, small, legacyXML, f.pins.pollV1},
		{"GET", "/pms/servers", accountToken, 0, legacyXML, f.mediaServer.published},
		{"GET", "/:/ip", anyone, 0, negotiated, ownAddress},
		{"GET", "/api/claim/token", accountToken, 0, legacyXML, f.claims.token},
		{"GET", "/api/users", accountToken, 0, legacyXML, f.friends.users},
		{"GET", "/api/home/users", accountToken, 0, legacyXML, f.homes.usersV1},
		{"POST", "/api/home/users", accountToken, small, legacyXML, f.homes.add},
		{"PUT", "/api/home/users/{id}", accountToken, small, legacyXML, f.homes.change},
		{"DELETE", "/api/home/users/{id}", accountToken, 0, legacyXML, f.homes.remove},
		{"POST", "/api/home/users/{id}/switch", accountToken, small, legacyXML, f.homes.toUserV1},

		// Shares and invitations.
		{"GET", "/api/servers/{id}", accountToken, 0, legacyXML, f.shares.infoV1},
		{"GET", "/api/servers/{id}/shared_servers", accountToken, 0, legacyXML, f.shares.sharesV1},
		{"POST", "/api/servers/{id}/shared_servers", accountToken, small, legacyXML, f.shares.inviteV1},
		{"GET", "/api/servers/{id}/shared_servers/{share}", accountToken, 0, legacyXML, f.shares.shareOneV1},
		{"PUT", "/api/servers/{id}/shared_servers/{share}", accountToken, small, legacyXML, f.shares.changeV1},
		{"DELETE", "/api/servers/{id}/shared_servers/{share}", accountToken, 0, legacyXML, f.shares.removeV1},
		{"GET", "/api/invites/requested", accountToken, 0, legacyXML, f.friends.requested},
		{"DELETE", "/api/invites/requested/{id}", accountToken, 0, legacyXML, f.friends.end},
		{"GET", "/api/invites/requests", accountToken, 0, legacyXML, f.friends.requests},
		{"PUT", "/api/invites/requests/{id}", accountToken, 0, legacyXML, f.friends.acceptV1},
		{"DELETE", "/api/invites/requests/{id}", accountToken, 0, legacyXML, f.friends.end},
		{"GET", "/api/v2/servers/{id}", accountToken, 0, negotiated, f.shares.info},
		{"PUT", "/api/v2/sharings/{id}", accountToken, 0, negotiated, f.friends.settings},
		{"DELETE", "/api/v2/sharings/{id}", accountToken, 0, negotiated, f.friends.remove},
		{"POST", "/api/v2/shared_servers", accountToken, small, negotiated, f.shares.add},
		{"GET", "/api/v2/shared_servers/owned/accepted", accountToken, 0, negotiated, f.shares.owned},
		{"GET", "/api/v2/shared_servers/owned/pending", accountToken, 0, negotiated, f.shares.waiting},
		{"GET", "/api/v2/shared_servers/invites/received/pending", accountToken, 0, negotiated, f.shares.invites},
		{"POST", "/api/v2/shared_servers/{id}/accept", accountToken, 0, negotiated, f.shares.acceptShare},
		{"POST", "/api/v2/shared_servers/{id}", accountToken, small, negotiated, f.shares.change},
		{"DELETE", "/api/v2/shared_servers/{id}", accountToken, 0, negotiated, f.shares.remove},
		{"GET", "/api/v2/friends", accountToken, 0, negotiated, f.friends.list},
		{"POST", "/api/v2/friends/invite", accountToken, small, negotiated, f.friends.invite},
		{"POST", "/api/v2/friends/{id}/accept", accountToken, 0, negotiated, f.friends.accept},
		{"DELETE", "/api/v2/friends/{id}", accountToken, 0, negotiated, f.friends.remove},

		{"GET", "/api/v2/user/{uuid}/settings/opt_outs", accountToken, 0, negotiated, f.optOuts.list},
		{"POST", "/api/v2/user/{uuid}/settings/opt_outs", accountToken, small, negotiated, f.optOuts.set},

		{"GET", "/api/v2/user/webhooks", accountToken, 0, negotiated, f.webhooks.list},
		{"POST", "/api/v2/user/webhooks", accountToken, small, negotiated, f.webhooks.set},

		{"GET", "/api/v2/user/privacy", accountToken, 0, negotiated, f.consents.privacy},
		{"PUT", "/api/v2/user/privacy", accountToken, small, negotiated, f.consents.setPrivacy},
		{"GET", "/api/v2/user/view_state_sync", accountToken, 0, negotiated, f.consents.viewStateSync},
		{"PUT", "/api/v2/user/view_state_sync", accountToken, small, negotiated, f.consents.setViewStateSync},

		// An addition of usher.
		{"GET", "/api/openapi.yaml", anyone, 0, negotiated, f.document.show},
	})
}

// mediaPlane returns the routes of a media server, about access to sources. The first
// two paths accept any method, like those of a media server.
func (f *features) mediaPlane() []route {
	return []route{
		{anyVerb, "/security/token", serverToken, 0, negotiated, f.media.transientToken},
		{anyVerb, "/security/resources", adminToken, 0, negotiated, f.media.sourceConnection},
		{"GET", "/identity", anyone, 0, negotiated, f.media.identity},
		{"GET", "/{$}", serverToken, 0, negotiated, f.media.root},
		{"GET", "/media/providers", serverToken, 0, negotiated, f.mediaServer.providers},
		{"GET", "/servers", serverToken, 0, negotiated, f.mediaServer.self},
		{"GET", "/accounts", adminToken, 0, negotiated, f.mediaServer.accounts},
		{"GET", "/myplex/account", adminToken, 0, negotiated, f.mediaServer.account},
		{"POST", "/myplex/claim", anyone, small, negotiated, f.claims.claim},
	}
}

// bothPlanes returns the routes whose paths mean one thing at plex.tv and another at a
// media server: see call.media.
func (f *features) bothPlanes() []route {
	return []route{
		{"GET", "/devices", anyToken, 0, legacyXML, f.devices.list},
	}
}

// features are the handlers of all features.
type features struct {
	signIn    signInHandlers
	user      userHandlers
	avatars   avatarHandlers
	resources resourceHandlers
	devices   deviceHandlers
	pins      pinHandlers
	keys      keyHandlers
	media     mediaHandlers

	mediaServer mediaServerHandlers
	claims      claimHandlers
	homes       homeHandlers
	friends     friendHandlers
	shares      shareHandlers
	optOuts     optOutHandlers
	document    documentHandler
	webhooks    webhookHandlers
	consents    consentHandlers
}

// newFeatures creates each feature with its dependencies.
func newFeatures(c *core.Core, cfg Config) *features {
	accounts, sources := newAccountCache(c.DB, c.Accounts, c.Homes), newSourceCache(c.DB, c.Sources)
	version := serverVersion(cfg.Version)
	base := newBaseURL(cfg.PublicURL)
	avatars := avatarHandlers{c.Accounts, base}
	signIns := newSignInCounter()
	cfg.Observer.Register(signIns)
	resources := resourceHandlers{c.Sources, c.Homes, version, c.Now}
	media := mediaHandlers{c.Tokens, c.Sources, accounts, sources, version}
	mediaServer := mediaServerHandlers{media, avatars, resources}
	homes := homeHandlers{c.Homes, accounts, avatars, c.Now}
	friends := friendHandlers{c.Friends, homes, c.Now}
	return &features{
		signIn:    signInHandlers{c.Accounts, c.Tokens, accounts, avatars, signIns, c.Now},
		user:      userHandlers{accounts, avatars, c.Now},
		avatars:   avatars,
		resources: resources,
		devices:   deviceHandlers{c.Devices, c.Tokens, resources, c.Sources.Self().ID},
		keys:      keyHandlers{c.DeviceKeys, c.Signing},
		pins:      pinHandlers{c.PINs, newPictures(c.Now), base, c.Now},
		media:     media,

		mediaServer: mediaServer,
		claims:      claimHandlers{c.Claims, mediaServer},
		homes:       homes,
		friends:     friends,
		shares:      shareHandlers{friends, c.Sources, resources},
		optOuts:     optOutHandlers{c.Accounts, accounts},
		document:    newDocumentHandler(cfg.PublicURL),
		webhooks:    webhookHandlers{c.Webhooks},
		consents:    consentHandlers{c.Accounts},
	}
}

// call is a request that is being handled.
type call struct {
	wire.Request
	http *http.Request
	// principal is set on routes that need a token.
	principal token.Principal
	// params are the parameters of the body, and the query's parameters that the body
	// does not have.
	params wire.Params
	// media reports whether the request is for the media plane.
	media bool
	// address is the client's network address, without the port.
	address string

	exchange httpd.Exchange
}

// device returns the caller as it describes itself.
func (c *call) device() device.Device {
	return device.Device{
		ClientIdentifier: c.ClientIdentifier, Product: c.Product, Version: c.Version, Platform: c.Platform,
		PlatformVersion: c.PlatformVersion, Device: c.Device, Model: c.Model, Vendor: c.DeviceVendor,
		Name: c.DeviceName, Address: c.address,
	}
}

// actor returns the caller as an actor of the audit log.
func (c *call) actor() audit.Actor {
	return audit.Actor{AccountID: c.principal.AccountID, Device: c.device().Label(), Address: c.address}
}

// answer is the response of a handler. A nil body is not sent.
type answer struct {
	status int
	body   wire.Body
	part   *wire.Part // of a list, if the caller requested a part
	// life is how long the response can be cached. If zero, it must not be cached.
	life time.Duration
}
