package server

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// need is who may call a route.
type need uint8

const (
	// anyone: no token is asked for, and one that is sent is not looked at.
	anyone need = iota
	// client: anyone who sends a client identifier.
	client
	// bearer: any token that is valid.
	bearer
	// holder: bearer, where version 1 has a status of its own for a bad token.
	holder
	// owner: an access token. Transient and server tokens are refused, since
	// the route changes the account or hands out what outlives them.
	owner
	// guest: any token that reaches this server.
	guest
	// admin: a token that reaches this server and has an admin's access.
	admin
)

// syntax is which formats a route answers in.
type syntax uint8

const (
	negotiated syntax = iota // as the path's suffix or the Accept header says
	legacyXML                // XML, unless the path's suffix says JSON
)

// route is one row of a plane's table.
type route struct {
	methods string // separated by spaces; GET stands for HEAD, too
	path    string // as http.ServeMux has them; ".json" and ".xml" after it choose the format
	need    need
	body    int64 // the most bytes a body may have; 0: it is not read
	syntax  syntax
	handle  func(*Server, context.Context, *call) (answer, error)
}

const (
	small   = 16 << 10 // forms that people fill in
	anyVerb = "GET POST PUT PATCH DELETE"
)

// accountPlane is what answers at plex.tv in the wild: who someone is.
var accountPlane = [...]route{
	{"POST", "/api/v2/users/signin", client, small, negotiated, (*Server).signIn},
	{"DELETE", "/api/v2/users/signout", owner, 0, negotiated, (*Server).signOut},
	{"GET", "/api/v2/user", bearer, 0, negotiated, (*Server).tokenDetails},
	{"GET", "/api/v2/ping", anyone, 0, negotiated, (*Server).ping},
	{"GET", "/api/v2/resources", owner, 0, negotiated, (*Server).resources},

	{"POST", "/api/v2/pins", client, small, negotiated, (*Server).startPIN},
	{"GET", "/api/v2/pins/{id}", client, small, negotiated, (*Server).pollPIN},
	{"PUT", "/api/v2/pins/link", owner, small, negotiated, (*Server).linkPIN},
	{"GET", "/api/v2/pins/qr/{code}", anyone, 0, negotiated, (*Server).pictureOfPIN},

	// Version 1, which older programs still speak.
	{"POST", "/users/sign_in", client, small, legacyXML, (*Server).legacySignIn},
	{"GET", "/users/account", holder, 0, legacyXML, (*Server).legacyAccount},
	{"GET", "/api/resources", owner, 0, legacyXML, (*Server).legacyResources},
	{"GET", "/devices", owner, 0, legacyXML, (*Server).devices},
	{"DELETE", "/devices/{id}", owner, 0, legacyXML, (*Server).endDevice},
	{"POST", "/pins", client, small, legacyXML, (*Server).startLegacyPIN},
	{"GET", "/pins/{id}", client, small, legacyXML, (*Server).pollLegacyPIN},
}

// mediaPlane is what answers at a media server in the wild: what may be
// reached. Its first two paths take any verb, as a media server's do.
var mediaPlane = [...]route{
	{anyVerb, "/security/token", guest, 0, negotiated, (*Server).transientToken},
	{anyVerb, "/security/resources", admin, 0, negotiated, (*Server).sourceConnection},
	{"GET", "/identity", anyone, 0, negotiated, (*Server).identity},
	{"GET", "/{$}", guest, 0, negotiated, (*Server).root},
}

// call is a request on its way through.
type call struct {
	wire.Request
	http *http.Request
	// principal is set on routes that need a token.
	principal token.Principal
	// params are the body's parameters and the query's, on routes that read a
	// body; elsewhere the query's.
	params wire.Params
	// address is where the request comes from, without the port.
	address string

	exchange httpd.Exchange
}

// answer is what a handler gives back. A nil body sends none.
type answer struct {
	status int
	body   wire.Body
	part   *wire.Part // of a list, when the caller asked for a part
}
