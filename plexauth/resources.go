package plexauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Resource is a server, or another device, that an account can reach.
type Resource struct {
	Name             string
	Product          string
	ProductVersion   string
	Platform         string
	PlatformVersion  string
	Device           string
	ClientIdentifier string
	CreatedAt        time.Time
	LastSeenAt       time.Time
	// Provides is what it is: "server", "player", ….
	Provides []string
	// OwnerID and SourceTitle are whose it is, when it is somebody else's.
	OwnerID       int64
	SourceTitle   string
	PublicAddress string
	// AccessToken is for this resource and no other.
	AccessToken   Secret
	Owned         bool
	Home          bool
	Relay         bool
	Presence      bool
	HTTPSRequired bool
	Connections   []Connection
}

// resourceDocument is a resource as servers write it. XML has the connections
// in an element of their own.
type resourceDocument struct {
	Name             text
	Product          text
	ProductVersion   text
	Platform         text
	PlatformVersion  text
	Device           text
	ClientIdentifier text
	CreatedAt        moment
	LastSeenAt       moment
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

// Resources lists what the account can reach, with every connection that the
// account plane knows.
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
		return nil, c.unusable(op, res, err)
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

// betterWait is how long a connection that answered waits for a better one
// that has not answered yet.
const betterWait = 250 * time.Millisecond

// Connect finds out how a resource is reached best: it asks every connection
// at once which server answers there, and returns one that answers with the
// resource's identifier, local rather than remote, and remote rather than by a
// relay. No token is sent: an address that is somebody else's by now learns
// nothing. Retries do not apply. When ctx ends early, it returns the best
// connection that has answered by then.
//
// To talk to the server then:
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
	answers := make(chan probe, len(r.Connections))
	race := race{pending: make(map[int]int)}
	for i := range r.Connections {
		conn := &r.Connections[i]
		race.pending[rank(conn)]++
		go func() { answers <- probe{conn, c.probe(ctx, conn, r.ClientIdentifier)} }()
	}
	race.run(ctx, answers, len(r.Connections))
	if race.best != nil {
		return race.best, nil
	}
	if ctx.Err() != nil {
		return nil, &Error{Operation: "Connect", cause: ended(ctx), sent: true}
	}
	cause := fmt.Errorf("no connection leads to the server: %w", errors.Join(race.errs...))
	return nil, &Error{Operation: "Connect", cause: cause}
}

// probe is what came of one connection.
type probe struct {
	conn *Connection
	err  error
}

// probe asks a connection's address which server it is.
func (c *Client) probe(ctx context.Context, conn *Connection, want string) error {
	there := *c
	there.MediaURL, there.Token, there.Retry = conn.URI, nil, nil
	got, err := there.Identity(ctx)
	if err == nil && got.MachineIdentifier != want {
		err = fmt.Errorf("plexauth: %s answers as another server, %s", conn.URI, got.MachineIdentifier)
	}
	return err
}

// rank is 0 for the best kind of connection.
func rank(c *Connection) int {
	switch {
	case c.Relay:
		return 2
	case c.Local:
		return 0
	}
	return 1
}

// race keeps the best connection that has answered, and how many of each rank
// have not.
type race struct {
	best    *Connection
	pending map[int]int
	errs    []error
}

// run collects the answers until the best of them is known, or time is up.
func (r *race) run(ctx context.Context, answers <-chan probe, n int) {
	var late <-chan time.Time
	for ; n > 0; n-- {
		select {
		case p := <-answers:
			r.add(p)
			if r.decided() {
				return
			}
			if r.best != nil && late == nil {
				late = time.After(betterWait)
			}
		case <-late:
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

// decided reports whether nothing better than the best can still answer.
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
