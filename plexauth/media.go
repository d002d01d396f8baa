package plexauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// maxTransientTTL is how long a transient token lives when the server does not
// say: its documentation says "up to 48 hours".
const maxTransientTTL = 48 * time.Hour

// TransientToken is a token with the reach of the one that asked for it, which
// ends by itself: at ExpiresAt, when the server restarts, or with the token
// that asked, whichever comes first.
type TransientToken struct {
	Token Secret
	// ExpiresAt is when the server said that it ends or, as most do not say,
	// 48 hours after it was asked for.
	ExpiresAt time.Time
}

// TransientToken asks the media server for a transient token.
func (c *Client) TransientToken(ctx context.Context) (*TransientToken, error) {
	op := call{
		operation: "TransientToken", plane: mediaPlane, method: http.MethodGet,
		path: "/security/token", query: "type=delegation&scope=all",
	}
	asked := time.Now()
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	doc, err := decodeWrapped[struct {
		Token     text
		ExpiresAt moment
	}](res.body)
	if err == nil && doc.Token == "" {
		err = errNoAuthToken
	}
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	t := &TransientToken{Secret(doc.Token), time.Time(doc.ExpiresAt)}
	if t.ExpiresAt.IsZero() {
		t.ExpiresAt = asked.Add(maxTransientTTL)
	}
	return t, nil
}

// Connection is one way to reach a server.
type Connection struct {
	URI      string
	Protocol string // "http" or "https"
	Address  string
	Port     int
	// Local: on the local network. Relay: through somebody else's server.
	Local, Relay, IPv6 bool
}

// SourceConnection is how to reach a source.
type SourceConnection struct {
	Name             string
	ClientIdentifier string
	// AccessToken is a transient token for this source.
	AccessToken Secret
	Connections []Connection
}

// connectionDocument is a connection as servers write it.
type connectionDocument struct {
	URI      text
	Protocol text
	Address  text
	Port     number
	Local    boolean
	Relay    boolean
	IPv6     boolean
}

func connectionsOf(docs list[connectionDocument]) []Connection {
	conns := make([]Connection, 0, len(docs))
	for _, d := range docs {
		conns = append(conns, Connection{
			string(d.URI), string(d.Protocol), string(d.Address), int(d.Port), bool(d.Local), bool(d.Relay), bool(d.IPv6),
		})
	}
	return conns
}

var errNoDevice = errors.New("the answer has no device, or one without a name and an identifier")

// SourceConnection asks the media server how a source is reached. It takes an
// admin's token, or a transient token made from one.
//
// ErrForbidden: the token is somebody else's. ErrNotFound: the server does not
// know the source.
func (c *Client) SourceConnection(ctx context.Context, source Source) (*SourceConnection, error) {
	if err := source.check(); err != nil {
		return nil, err
	}
	op := call{
		operation: "SourceConnection", plane: mediaPlane, method: http.MethodGet,
		path: "/security/resources", query: "source=" + url.QueryEscape(source.String()),
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	doc, err := decodeWrapped[struct {
		Device list[struct {
			Name             text
			ClientIdentifier text
			AccessToken      text
			Connection       list[connectionDocument]
		}]
	}](res.body)
	if err == nil && (len(doc.Device) == 0 || doc.Device[0].Name == "" && doc.Device[0].ClientIdentifier == "") {
		err = errNoDevice
	}
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	d := doc.Device[0]
	return &SourceConnection{
		string(d.Name), string(d.ClientIdentifier), Secret(d.AccessToken), connectionsOf(d.Connection),
	}, nil
}

// Identity is which media server answers.
type Identity struct {
	MachineIdentifier string
	Version           string
	Claimed           bool
}

var errNoIdentity = errors.New("the answer has no machine identifier")

// Identity asks the media server which one it is. No token is sent.
func (c *Client) Identity(ctx context.Context) (*Identity, error) {
	op := call{operation: "Identity", plane: mediaPlane, method: http.MethodGet, path: "/identity", anonymous: true}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	doc, err := decodeWrapped[struct {
		MachineIdentifier text
		Version           text
		Claimed           boolean
	}](res.body)
	if err == nil && doc.MachineIdentifier == "" {
		err = errNoIdentity
	}
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	return &Identity{string(doc.MachineIdentifier), string(doc.Version), bool(doc.Claimed)}, nil
}
