package plexauth

import (
	"context"
	"errors"
	"fmt"
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
	// Relay reports whether the resource can be reached through a relay.
	Relay bool
	// Presence reports whether the resource is online.
	Presence bool
	// HTTPSRequired reports whether the resource accepts only TLS.
	HTTPSRequired bool
	// Connections are the known ways to reach the resource, in the order of the
	// server.
	Connections []Connection
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
	Connections      list[connectionDocument]
}

// Resources returns the servers and devices that the account can reach, with
// all their connections: HTTP, HTTPS, IPv4, IPv6 and relays. The list is empty,
// and not nil, if there are none. The error is ErrUnauthorized if the token is
// invalid, revoked or expired. Servers may reject transient tokens and the
// tokens of resources with ErrForbidden.
func (c *Client) Resources(ctx context.Context) ([]Resource, error) {
	op := call{
		operation: "Resources", method: http.MethodGet, path: "/api/v2/resources",
		query: "includeHttps=1&includeRelay=1&includeIPv6=1",
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	var docs list[resourceDocument]
	if err := decode(res.body, &docs); err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	resources := make([]Resource, 0, len(docs))
	for _, d := range docs {
		r := Resource{
			Name: string(d.Name), Product: string(d.Product), ProductVersion: string(d.ProductVersion),
			Platform: string(d.Platform), PlatformVersion: string(d.PlatformVersion), Device: string(d.Device),
			ClientIdentifier: string(d.ClientIdentifier), CreatedAt: time.Time(d.CreatedAt),
			LastSeenAt: time.Time(d.LastSeenAt), OwnerID: int64(d.OwnerID), SourceTitle: string(d.SourceTitle),
			PublicAddress: string(d.PublicAddress), AccessToken: Secret(d.AccessToken), Owned: bool(d.Owned),
			Home: bool(d.Home), Relay: bool(d.Relay), Presence: bool(d.Presence),
			HTTPSRequired: bool(d.HTTPSRequired), Connections: connectionsOf(d.Connections),
		}
		if d.Provides != "" {
			r.Provides = strings.Split(string(d.Provides), ",")
		}
		resources = append(resources, r)
	}
	return resources, nil
}

// preferenceDelay is how long Connect waits, after the first connection
// succeeded, for a preferred one.
const preferenceDelay = 250 * time.Millisecond

// Connect finds the best working connection of a resource. It calls Identity at
// every connection at once, and accepts those where the server with the
// resource's ClientIdentifier responds. It prefers local connections to remote
// ones, and remote connections to relays, and waits at most 250 ms for a
// preferred connection after the first one succeeded. If ctx ends before that,
// Connect returns the best connection so far.
//
// Connect sends no token, so an address that now belongs to another server
// learns nothing. It ignores Client.Retry. The result points into
// r.Connections. If no connection succeeds, the error is an *Error that wraps
// the error of each connection. If ctx ends first, the error wraps that of ctx.
//
// To call the server afterwards:
//
//	media := *client
//	media.MediaURL = connection.URI
//	media.Token = plexauth.StaticToken(resource.AccessToken)
func (c *Client) Connect(ctx context.Context, r *Resource) (*Connection, error) {
	if len(r.Connections) == 0 {
		return nil, fmt.Errorf("plexauth: %s has no connections", r.Name)
	}
	if c.ClientIdentifier == "" {
		return nil, errNoIdentifier
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan probe, len(r.Connections))
	race := race{pending: make(map[int]int)}
	for i := range r.Connections {
		conn := &r.Connections[i]
		race.pending[rank(conn)]++
		go func() { results <- probe{conn, c.probe(ctx, conn, r.ClientIdentifier)} }()
	}
	race.run(ctx, results, len(r.Connections))
	if race.best != nil {
		return race.best, nil
	}
	if ctx.Err() != nil {
		return nil, &Error{Operation: "Connect", cause: contextError(ctx), sent: true}
	}
	cause := fmt.Errorf("no connection reaches the server: %w", errors.Join(race.errs...))
	return nil, &Error{Operation: "Connect", cause: cause}
}

// probe is the result of trying one connection.
type probe struct {
	conn *Connection
	err  error
}

// probe calls Identity at a connection, and returns an error if a server other
// than want responds.
func (c *Client) probe(ctx context.Context, conn *Connection, want string) error {
	media := *c
	media.MediaURL, media.Token, media.Retry = conn.URI, nil, nil
	got, err := media.Identity(ctx)
	if err == nil && got.MachineIdentifier != want {
		err = fmt.Errorf("plexauth: another server responds at %s: %s", conn.URI, got.MachineIdentifier)
	}
	return err
}

// rank orders connections by preference. 0 is the best.
func rank(c *Connection) int {
	switch {
	case c.Relay:
		return 2
	case c.Local:
		return 0
	}
	return 1
}

// race is the state of Connect: the best connection that succeeded, the number
// of pending connections of each rank, and the errors of those that failed.
type race struct {
	best    *Connection
	pending map[int]int // number of connections by rank
	errs    []error
}

// run receives n results, until no better one can arrive or the time is over.
func (r *race) run(ctx context.Context, results <-chan probe, n int) {
	var deadline <-chan time.Time
	for ; n > 0; n-- {
		select {
		case p := <-results:
			r.add(p)
			if r.decided() {
				return
			}
			if r.best != nil && deadline == nil {
				deadline = time.After(preferenceDelay)
			}
		case <-deadline:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (r *race) add(p probe) {
	r.pending[rank(p.conn)]--
	if p.err != nil {
		r.errs = append(r.errs, p.err)
	} else if r.best == nil || rank(p.conn) < rank(r.best) {
		r.best = p.conn
	}
}

// decided reports whether no pending connection is preferred to the best one.
func (r *race) decided() bool {
	if r.best == nil {
		return false
	}
	for better := range rank(r.best) {
		if r.pending[better] > 0 {
			return false
		}
	}
	return true
}
