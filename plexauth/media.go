package plexauth

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxTransientTTL is the assumed lifetime of a transient token if the server
// sends no expiry. The API documentation says "up to 48 hours".
const maxTransientTTL = 48 * time.Hour

// TransientToken is a short-lived token with the same access as the token that
// requested it. It expires at ExpiresAt, when the media server restarts, or
// when the token that requested it is revoked, whichever comes first.
type TransientToken struct {
	// Token is never empty in a result of Client.TransientToken.
	Token Secret
	// ExpiresAt is the expiry that the server sent. If it sent none, as most
	// servers do, it is 48 hours after the request, by the local clock.
	ExpiresAt time.Time
}

// TransientToken requests a transient token from the media server. The error is
// ErrUnauthorized if the media server does not accept the token.
func (c *Client) TransientToken(ctx context.Context) (*TransientToken, error) {
	t, _, err := c.transientToken(ctx)
	return t, err
}

// transientToken implements TransientToken. It also returns how long the token is
// valid. If the server reports its time, life does not depend on the local clock.
func (c *Client) transientToken(ctx context.Context) (t *TransientToken, life time.Duration, err error) {
	op := call{
		operation: "TransientToken", plane: mediaPlane, method: http.MethodGet,
		path: "/security/token", query: "type=delegation&scope=all",
	}
	requestedAt := time.Now()
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, 0, err
	}
	doc, err := decodeWrapped[struct {
		Token     text
		ExpiresAt timestamp
	}](res.body, inContainer)
	if err == nil && doc.Token == "" {
		err = errNoAuthToken
	}
	if err != nil {
		return nil, 0, c.invalidResponse(op, res, err)
	}
	t = &TransientToken{Secret(doc.Token), time.Time(doc.ExpiresAt)}
	if t.ExpiresAt.IsZero() {
		t.ExpiresAt = requestedAt.Add(maxTransientTTL)
		return t, maxTransientTTL, nil
	}
	now := requestedAt.Add(clockSkew(res.header, time.Now()))
	if life = t.ExpiresAt.Sub(now); life <= 0 {
		life = maxTransientTTL // the clocks differ, and the server does not report its time
	}
	return t, min(life, maxTransientTTL), nil
}

// Connection is a way to reach a server.
type Connection struct {
	// URI is the base URL, ready for Client.MediaURL. If the server sends none that
	// begins with http:// or https://, it is built from Protocol, Address and Port.
	URI string
	// Protocol is "http" or "https".
	Protocol string
	// Address is the host: an IP address or a domain name.
	Address string
	// Port is the TCP port.
	Port int
	// Local reports whether the address is in the server's local network.
	Local bool
	// Relay reports whether the connection goes through a relay.
	Relay bool
	// IPv6 reports whether the connection uses IPv6.
	IPv6 bool
}

// SourceConnection describes how to reach a source.
type SourceConnection struct {
	// Name is the name to display.
	Name string
	// ClientIdentifier identifies the source.
	ClientIdentifier string
	// AccessToken is a transient token for the source. It is empty if the
	// server sent none.
	AccessToken Secret
	// Connections are the known ways to reach the source, in the order of the
	// server.
	Connections []Connection
}

// connectionDocument is the wire form of a connection.
type connectionDocument struct {
	URI      text
	Protocol text
	Address  text
	Port     number
	Local    boolean
	Relay    boolean
	IPv6     boolean
}

// connection returns the connection of a document.
func (d *connectionDocument) connection() Connection {
	conn := Connection{
		URI: string(d.URI), Protocol: string(d.Protocol), Address: string(d.Address), Port: int(d.Port),
		Local: bool(d.Local), Relay: bool(d.Relay), IPv6: bool(d.IPv6),
	}
	conn.URI = conn.baseURL()
	return conn
}

// usable implements item.
func (d connectionDocument) usable() bool { return d.connection().URI != "" }

func connectionsOf(docs list[connectionDocument]) []Connection {
	conns := make([]Connection, 0, len(docs))
	for _, d := range docs {
		conns = append(conns, d.connection())
	}
	return conns
}

// baseURL returns the URI if it is an HTTP URL, and otherwise the URL that the other
// fields describe. It returns "" if there is neither. The caller must check for "",
// because an empty Client.MediaURL selects the default.
func (c *Connection) baseURL() string {
	scheme, _, found := strings.Cut(c.URI, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		if built := c.built(); built != "" || strings.TrimSpace(c.URI) == "" {
			return built
		}
	}
	return c.URI
}

// built returns the URL that Protocol, Address and Port describe, or "" if they are not
// valid.
func (c *Connection) built() string {
	scheme, host := strings.ToLower(c.Protocol), strings.Trim(c.Address, "[]")
	if scheme != "http" && scheme != "https" || host == "" || c.Port < 1 || c.Port > 65535 {
		return ""
	}
	u := url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(c.Port))}
	built, err := url.Parse(u.String())
	if err != nil || built.Hostname() != host || built.Port() != strconv.Itoa(c.Port) || built.User != nil {
		return "" // the address is more than a host
	}
	return u.String()
}

// sourceDocument is the wire form of a SourceConnection.
type sourceDocument struct {
	Name             text
	ClientIdentifier text
	AccessToken      text
	Connection       list[connectionDocument]
}

// usable implements item.
func (d sourceDocument) usable() bool { return d.Name != "" || d.ClientIdentifier != "" }

var errNoDevice = errors.New("the response has no device with a name or an identifier")

// SourceConnection returns how to reach a source that the media server knows.
// It requires the token of an admin of the media server, or a transient token that
// was requested with such a token.
//
// The error is ErrForbidden if the token belongs to another user, and
// ErrNotFound if the server does not know the source. An invalid source is an
// error of another type than *Error, and nothing is sent.
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
	doc, err := decodeWrapped[struct{ Device list[sourceDocument] }](res.body, inContainer)
	if err == nil && len(doc.Device) == 0 {
		err = errNoDevice
	}
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	d := doc.Device[0]
	return &SourceConnection{
		Name: string(d.Name), ClientIdentifier: string(d.ClientIdentifier), AccessToken: Secret(d.AccessToken),
		Connections: connectionsOf(d.Connection),
	}, nil
}

// Identity identifies a media server.
type Identity struct {
	// MachineIdentifier is the unique id of the server. It is never empty in a
	// result of Client.Identity.
	MachineIdentifier string
	// Version is the version of the server.
	Version string
	// Claimed reports whether the server belongs to an account.
	Claimed bool
}

var errNoIdentity = errors.New("the response has no machine identifier")

// Identity returns the identity of the media server. It sends no token.
func (c *Client) Identity(ctx context.Context) (*Identity, error) {
	return c.identity(ctx, call{operation: "Identity"})
}

// identity completes a call, and returns the identity of the media server.
func (c *Client) identity(ctx context.Context, op call) (*Identity, error) {
	op.plane, op.method, op.path, op.anonymous = mediaPlane, http.MethodGet, "/identity", true
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	doc, err := decodeWrapped[struct {
		MachineIdentifier text
		Version           text
		Claimed           boolean
	}](res.body, inContainer)
	if err == nil && doc.MachineIdentifier == "" {
		err = errNoIdentity
	}
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	return &Identity{
		MachineIdentifier: string(doc.MachineIdentifier), Version: string(doc.Version), Claimed: bool(doc.Claimed),
	}, nil
}
