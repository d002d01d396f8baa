package plexauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// preferenceDelay is how long Connect waits, after the first connection
// succeeded, for a preferred one.
const preferenceDelay = 250 * time.Millisecond

// Connect finds the best working connection of a resource. It calls Identity at
// all connections at the same time, and accepts those where the server with the
// resource's ClientIdentifier responds. It prefers local connections to remote
// ones, remote connections to relays, and among equals those with TLS. It waits
// at most 250 ms for a preferred connection after the first one succeeded. If
// ctx ends before that, Connect returns the best connection so far. If
// r.HTTPSRequired is set, connections without TLS are not tried. If it is not
// set, an attacker who blocks TLS in the local network can make Connect choose
// plain HTTP.
//
// An address may meanwhile belong to another server, so Connect does not identify the
// program to it: it sends no token, no X-Plex headers, no cookies of HTTPClient, and
// neither Client.Header nor Client.UserAgent. It ignores Client.Retry.
//
// The result points into r.Connections, or to a copy with a URI if the URI there is
// empty. If no connection succeeds, the error is an *Error that wraps the error of
// each connection. If ctx ends first, the error wraps the error of ctx.
//
// To call the server afterwards:
//
//	media := *client
//	media.MediaURL = connection.URI
//	media.Token = plexauth.StaticToken(resource.AccessToken)
//	media.Header = nil // it may have credentials for the account plane
func (c *Client) Connect(ctx context.Context, r *Resource) (*Connection, error) {
	if len(r.Connections) == 0 {
		return nil, fmt.Errorf("plexauth: %s has no connections", r.Name)
	}
	if c.ClientIdentifier == "" {
		return nil, errNoIdentifier
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	usable, unusable := connectable(r)
	results := make(chan probe, len(usable))
	race := race{pending: make(map[int]int), errs: unusable}
	for _, conn := range usable {
		race.pending[rank(conn)]++
		go func() { results <- probe{conn, c.probe(ctx, conn, r.ClientIdentifier)} }()
	}
	race.run(ctx, results, len(usable))
	if race.best != nil {
		return race.best, nil
	}
	if ctx.Err() != nil {
		return nil, &Error{Operation: "Connect", cause: contextError(ctx), sent: true}
	}
	cause := fmt.Errorf("no connection reaches the server: %w", errors.Join(race.errs...))
	return nil, &Error{Operation: "Connect", cause: cause}
}

var (
	errNoAddress = errors.New("plexauth: a connection has neither a URI nor an address")
	errPlainHTTP = errors.New("plexauth: a connection without TLS was not tried: " +
		"the server requires TLS")
)

// connectable returns the connections of a resource that can be tried, each with
// a URI, and the reasons why the others cannot.
func connectable(r *Resource) (usable []*Connection, unusable []error) {
	for i := range r.Connections {
		conn := &r.Connections[i]
		if uri := conn.baseURL(); uri != conn.URI {
			built := *conn
			built.URI = uri
			conn = &built
		}
		same := func(other *Connection) bool { return other.URI == conn.URI && rank(other) == rank(conn) }
		switch {
		case conn.URI == "":
			unusable = append(unusable, errNoAddress)
		case slices.ContainsFunc(usable, same):
			// The server listed it twice.
		case r.HTTPSRequired && !conn.overTLS():
			unusable = append(unusable, errPlainHTTP)
		default:
			usable = append(usable, conn)
		}
	}
	return usable, unusable
}

// overTLS reports whether the connection uses TLS. The URI decides, since it is
// what is called.
func (c *Connection) overTLS() bool {
	scheme, _, _ := strings.Cut(c.URI, ":")
	return strings.EqualFold(scheme, "https")
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
	media.MediaURL, media.Retry = conn.URI, nil
	got, err := media.identity(ctx, call{operation: "Identity", bare: true})
	if err == nil && got.MachineIdentifier != want {
		err = fmt.Errorf("plexauth: another server responds at %s: %.80q", conn.URI, got.MachineIdentifier)
	}
	return err
}

// rank orders connections by preference. 0 is the best.
func rank(c *Connection) int {
	r := 2
	switch {
	case c.Relay:
		r = 4
	case c.Local:
		r = 0
	}
	if !c.overTLS() {
		r++
	}
	return r
}

// race is the state of Connect while connections are tried.
type race struct {
	best    *Connection // the best one that succeeded, or nil
	pending map[int]int // number of connections by rank
	errs    []error     // of the connections that failed
}

// run receives n results. It stops earlier if no better one can arrive, or when the
// preference delay or ctx ends.
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
