package plexauth

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Resource is a server, or another device, that an account can reach. A field
// that the server omits has its zero value.
type Resource struct {
	// Name is the name to display.
	Name string
	// Product is the name of the program that runs there.
	Product string
	// ProductVersion is the version of Product.
	ProductVersion string
	// Platform is the operating system.
	Platform string
	// PlatformVersion is the version of Platform.
	PlatformVersion string
	// Device is the type of the device.
	Device string
	// ClientIdentifier identifies the resource. For a server it is the machine
	// identifier.
	ClientIdentifier string
	// CreatedAt is when the resource was registered, in UTC, or zero.
	CreatedAt time.Time
	// LastSeenAt is when the resource last reported to the account plane, in
	// UTC, or zero.
	LastSeenAt time.Time
	// Provides are the roles of the resource, such as "server" and "player".
	Provides []string
	// OwnerID is the id of the owner's account. It is 0 if the caller owns the
	// resource.
	OwnerID int64
	// SourceTitle is the name of the owner. It is empty if the caller owns the
	// resource.
	SourceTitle string
	// PublicAddress is the public IP address of the resource.
	PublicAddress string
	// AccessToken is a token that only this resource accepts.
	AccessToken Secret
	// Owned reports whether the caller owns the resource.
	Owned bool
	// Home reports whether the resource belongs to the caller's home.
	Home bool
	// Synced reports whether the resource is synchronized. The public API
	// documentation does not say more.
	Synced bool
	// Relay reports whether the resource can be reached through a relay.
	Relay bool
	// Presence reports whether the resource is online.
	Presence bool
	// HTTPSRequired reports whether the resource accepts only TLS. Connect then
	// ignores the connections without TLS.
	HTTPSRequired bool
	// PublicAddressMatches reports whether the request came from PublicAddress,
	// so that the caller is probably in the network of the resource.
	PublicAddressMatches bool
	// DNSRebindingProtection reports whether the router of the resource protects
	// against DNS rebinding. Names of local addresses may then not resolve.
	DNSRebindingProtection bool
	// NATLoopbackSupported reports whether the router of the resource lets
	// devices in its network use the public address.
	NATLoopbackSupported bool
	// Connections are the known ways to reach the resource, in the order of the
	// server. Those without an address are omitted.
	Connections []Connection

	// raw contains the token. See Account.raw.
	raw *[]byte
}

// Raw returns the element of the list as the server sent it, in JSON or XML, or
// nil for a Resource that did not come from a server. Use it for values that
// have no field. It may contain the token. The caller must not modify it.
func (r *Resource) Raw() []byte {
	if r.raw == nil {
		return nil
	}
	return *r.raw
}

// resourceDocument is the wire form of a resource. In XML, an element contains
// the connections.
type resourceDocument struct {
	Name             text
	Product          text
	ProductVersion   text
	Platform         text
	PlatformVersion  text
	Device           text
	ClientIdentifier text
	CreatedAt        timestamp
	LastSeenAt       timestamp
	Provides         text
	OwnerID          number
	SourceTitle      text
	PublicAddress    text
	AccessToken      text
	Owned            boolean
	Home             boolean
	Relay            boolean
	Presence         boolean
	HTTPSRequired    boolean
	Synced           boolean

	PublicAddressMatches   boolean
	DNSRebindingProtection boolean
	NATLoopbackSupported   boolean

	Connections list[connectionDocument]
}

// usable implements item.
func (d resourceDocument) usable() bool { return d.ClientIdentifier != "" }

// resourceList is the form of a list of resources. A container of version 1 is
// not one.
var resourceList = listForm{root: "resources", element: "resource"}

// Resources returns the servers and devices that the account can reach, with all their
// connections: HTTP, HTTPS, IPv4, IPv6 and relays. If there are none, the list is empty
// and not nil. An element that is not a resource, or that has no ClientIdentifier, is
// omitted. If no element is left of a list that had some, or if the response is not a
// list, the call fails with an *Error. The error is ErrUnauthorized if the token is
// invalid, revoked or expired. Servers may reject transient tokens and the tokens of
// resources with ErrForbidden.
func (c *Client) Resources(ctx context.Context) ([]Resource, error) {
	op := call{
		operation: "Resources", method: http.MethodGet, path: "/api/v2/resources",
		query: "includeHttps=1&includeRelay=1&includeIPv6=1",
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	elements, err := readList[resourceDocument](res.body, resourceList)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	resources := make([]Resource, 0, len(elements))
	for _, e := range elements {
		resources = append(resources, e.value.resource(e.raw))
	}
	return resources, nil
}

// resource returns the resource of a document.
func (d *resourceDocument) resource(raw []byte) Resource {
	return Resource{
		Name: string(d.Name), Product: string(d.Product), ProductVersion: string(d.ProductVersion),
		Platform: string(d.Platform), PlatformVersion: string(d.PlatformVersion), Device: string(d.Device),
		ClientIdentifier: string(d.ClientIdentifier), CreatedAt: time.Time(d.CreatedAt),
		LastSeenAt: time.Time(d.LastSeenAt), Provides: splitRoles(d.Provides),
		OwnerID: int64(d.OwnerID), SourceTitle: string(d.SourceTitle),
		PublicAddress: string(d.PublicAddress), AccessToken: Secret(d.AccessToken), Owned: bool(d.Owned),
		Home: bool(d.Home), Synced: bool(d.Synced), Relay: bool(d.Relay), Presence: bool(d.Presence),
		HTTPSRequired: bool(d.HTTPSRequired), PublicAddressMatches: bool(d.PublicAddressMatches),
		DNSRebindingProtection: bool(d.DNSRebindingProtection),
		NATLoopbackSupported:   bool(d.NATLoopbackSupported),
		Connections:            connectionsOf(d.Connections), raw: &raw,
	}
}

// splitRoles returns the roles in a "provides" text.
func splitRoles(provides text) (roles []string) {
	for role := range strings.SplitSeq(string(provides), ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}
