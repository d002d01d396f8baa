// Package source is what can be reached: servers and providers, the
// connections they have and whom they are shared with.
//
// It owns the reading of source strings ("server://ID") and of connection URIs,
// who owns or may reach what, and this server itself as one of the sources. It
// does not own tokens, nor how a source is written in an answer.
package source

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/store"
)

// Errors that callers tell apart.
var (
	// ErrNotFound says that there is no such source.
	ErrNotFound = fault.New(fault.NotFound, "this source is not known here")
	// ErrExists says that there is a source with the identifier already.
	ErrExists = fault.New(fault.Exists, "a source with this identifier exists already")
	// ErrSelf says that the source is this server, which cannot be removed.
	ErrSelf = fault.New(fault.Conflict, "this server is usher itself: it cannot be removed")
	// ErrShared says that the account may reach the source already.
	ErrShared = fault.New(fault.Exists, "this server is shared with the account already")
	// ErrNotShared says that there is no such share.
	ErrNotShared = fault.New(fault.NotFound, "this server is not shared with the account")
)

// The fields that an invalid error names (see fault.FieldOf).
const (
	sourceField      = "source" // a source string
	identifierField  = "identifier"
	nameField        = "name"
	connectionsField = "connections"
)

// malformed returns the error of a source string; format completes the sentence.
func malformed(format string, args ...any) error {
	return fault.Invalidf(sourceField, "source "+format, args...)
}

// Ref is a source string taken apart.
type Ref struct {
	// Kind is store.ServerSource or store.ProviderSource.
	Kind string
	// Identifier is the server's machine identifier or the provider's.
	Identifier string
	// Provider narrows a source to one provider of it; empty for all.
	Provider string
}

// maxIdentifier is the most bytes an identifier may have.
const maxIdentifier = 255

// Parse reads "server://ID", "provider://ID" and "server://ID/PROVIDER". The
// error's kind is fault.Invalid.
func Parse(s string) (Ref, error) {
	kind, rest, found := strings.Cut(s, "://")
	if s == "" {
		return Ref{}, malformed("is missing; it is written server://ID or provider://ID")
	}
	if !found || (kind != store.ServerSource && kind != store.ProviderSource) {
		return Ref{}, malformed("begins with neither server:// nor provider://")
	}
	id, provider, narrowed := strings.Cut(rest, "/")
	if err := checkIdentifier(id); err != nil {
		return Ref{}, malformed("has an identifier after %s:// that %v", kind, err)
	}
	if narrowed {
		if err := checkIdentifier(provider); err != nil {
			return Ref{}, malformed("has a provider after the identifier that %v", err)
		}
	}
	return Ref{kind, id, provider}, nil
}

// String is the source string again.
func (r Ref) String() string {
	s := r.Kind + "://" + r.Identifier
	if r.Provider != "" {
		s += "/" + r.Provider
	}
	return s
}

// checkIdentifier refuses what cannot stand in a source string or a header.
func checkIdentifier(id string) error {
	switch {
	case id == "":
		return errors.New("is empty")
	case len(id) > maxIdentifier:
		return fmt.Errorf("is longer than %d bytes", maxIdentifier)
	case !utf8.ValidString(id):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(id, func(r rune) bool {
		return r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("?#", r)
	}):
		return errors.New("has a space or a character that it cannot have")
	}
	return nil
}

// Connection is a connection URI taken apart.
type Connection struct {
	URI      string
	Protocol string // http or https
	Address  string // a host name or IP address, without brackets
	Port     int
	Local    bool
	Relay    bool
	IPv6     bool
}

// ParseConnection reads a URI such as http://192.168.1.5:32400.
func ParseConnection(c store.Connection) (Connection, error) {
	u, err := url.Parse(c.URI)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Connection{}, fault.Invalidf(connectionsField, "the connection %q is not of the form http://ADDRESS:PORT", c.URI)
	}
	port := map[string]int{"http": 80, "https": 443}[u.Scheme]
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return Connection{}, fault.Invalidf(connectionsField, "the connection %q has no usable port", c.URI)
		}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return Connection{
		URI: strings.TrimSuffix(c.URI, "/"), Protocol: u.Scheme, Address: u.Hostname(), Port: port,
		Local: c.Local, Relay: c.Relay, IPv6: err == nil && ip.Is6() && !ip.Is4In6(),
	}, nil
}

// LooksLocal reports whether a URI's host is an address of a private or local
// network (RFC 1918, RFC 4193, loopback, link-local).
func LooksLocal(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return u.Hostname() == "localhost"
	}
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

// Self is this server as its clients see it.
type Self struct {
	// Name is the friendly name. Empty: "usher".
	Name string
	// MachineIdentifier; empty: one is drawn at the first start and kept.
	MachineIdentifier string
	// Connections are the ways in which clients reach it.
	Connections []store.Connection
}

// Source is a server or provider with its connections taken apart.
type Source struct {
	store.Source
	Connections []Connection
}

// newSource takes the connections of a row apart.
func newSource(row store.Source) (Source, error) {
	src := Source{Source: row, Connections: make([]Connection, 0, len(row.Connections))}
	for _, stored := range row.Connections {
		c, err := ParseConnection(stored)
		if err != nil {
			// Not wrapped: the caller did not send what is stored, so the error
			// is not of kind Invalid, and its text is not for the caller.
			return Source{}, fmt.Errorf("reading a connection of %s: %v", row.Identifier, err)
		}
		src.Connections = append(src.Connections, c)
	}
	return src, nil
}

// Service keeps sources. It is safe for concurrent use.
type Service struct {
	store *store.Store
	self  Source
}

// New returns a Service without this server itself, which is what the command
// line needs.
func New(s *store.Store) *Service { return &Service{store: s} }

// NewWithSelf returns a Service in which this server is a source too: owned by
// the admins and shared with everyone.
func NewWithSelf(ctx context.Context, s *store.Store, self Self) (*Service, error) {
	id := []byte(self.MachineIdentifier)
	if len(id) == 0 {
		var err error
		if id, err = s.Setting(ctx, "machine identifier", newMachineIdentifier); err != nil {
			return nil, err
		}
	}
	if err := checkIdentifier(string(id)); err != nil {
		return nil, fault.Invalidf(identifierField, "the machine identifier %v", err)
	}
	if self.Name == "" {
		self.Name = "usher"
	}
	src, err := s.Source(ctx, store.ServerSource, string(id))
	if errors.Is(err, store.ErrNotFound) {
		src, err = s.AddSource(ctx, store.Source{
			Kind: store.ServerSource, Identifier: string(id), Name: self.Name, Product: "usher", Everyone: true,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("making this server known: %w", err)
	}
	src.Name, src.Connections = self.Name, self.Connections
	svc := New(s)
	if svc.self, err = newSource(src); err != nil {
		return nil, err
	}
	return svc, nil
}

// newMachineIdentifier draws 40 hexadecimal digits, as media servers do.
func newMachineIdentifier() ([]byte, error) {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return []byte(hex.EncodeToString(b[:])), nil
}

// Self returns this server as a source.
func (s *Service) Self() Source { return s.self }

// current takes a row apart, and puts what this server knows of itself in
// place of its own.
func (s *Service) current(row store.Source) (Source, error) {
	if row.ID == s.self.ID {
		return s.self, nil
	}
	return newSource(row)
}

// Find returns the source that a string names; the providers of a server are
// reached as the server is. ErrNotFound.
func (s *Service) Find(ctx context.Context, r Ref) (Source, error) {
	row, err := s.store.Source(ctx, r.Kind, r.Identifier)
	if err != nil {
		return Source{}, named(err)
	}
	return s.current(row)
}

// Servers lists the servers that an account owns or is shared.
func (s *Service) Servers(ctx context.Context, accountID int64) ([]Source, error) {
	rows, err := s.store.SourcesOf(ctx, store.ServerSource, accountID)
	if err != nil {
		return nil, err
	}
	list := make([]Source, 0, len(rows))
	for _, row := range rows {
		src, err := s.current(row)
		if err != nil {
			return nil, err
		}
		list = append(list, src)
	}
	return list, nil
}

// List lists every source of a kind.
func (s *Service) List(ctx context.Context, kind string) ([]store.Source, error) {
	return s.store.Sources(ctx, kind)
}

// Add adds a source. fault.Invalid, ErrExists.
func (s *Service) Add(ctx context.Context, src store.Source) (store.Source, error) {
	if err := checkIdentifier(src.Identifier); err != nil {
		return src, fault.Invalidf(identifierField, "the identifier %v", err)
	}
	if src.Name == "" || strings.ContainsFunc(src.Name, unicode.IsControl) || !utf8.ValidString(src.Name) {
		return src, fault.Invalidf(nameField, "the name is empty or has a control character in it")
	}
	if len(src.Connections) == 0 {
		return src, fault.Invalidf(connectionsField, "it has no connection")
	}
	for _, c := range src.Connections {
		if _, err := ParseConnection(c); err != nil {
			return src, err
		}
	}
	added, err := s.store.AddSource(ctx, src)
	return added, named(err)
}

// Remove removes a source with its shares and the tokens for it. This server
// itself stays: for as long as it runs or, without itself, always. ErrSelf,
// ErrNotFound.
func (s *Service) Remove(ctx context.Context, r Ref) error {
	src, err := s.store.Source(ctx, r.Kind, r.Identifier)
	switch {
	case err == nil && src.ID == s.self.ID:
		return ErrSelf
	case err == nil && s.self.ID == 0 && len(src.Connections) == 0:
		// Add requires a connection, so a server has added this as itself.
		// Whether it runs now is not known here.
		return ErrSelf
	}
	if err == nil {
		err = s.store.RemoveSource(ctx, src.ID)
	}
	return named(err)
}

// Share lets an account reach a source. ErrShared.
func (s *Service) Share(ctx context.Context, sourceID, accountID int64) error {
	err := s.store.AddShare(ctx, sourceID, accountID)
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w (%w)", ErrShared, err)
	}
	return err
}

// Unshare removes a share and revokes the tokens that rest on it. ErrNotShared.
func (s *Service) Unshare(ctx context.Context, sourceID, accountID int64) error {
	err := s.store.RemoveShare(ctx, sourceID, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotShared, err)
	}
	return err
}

// Shares lists every share.
func (s *Service) Shares(ctx context.Context) ([]store.Share, error) { return s.store.Shares(ctx) }

// named gives the store's errors this package's names.
func named(err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("%w (%w)", ErrExists, err)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}
