package source

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/fault"
)

// The fields that an invalid error names (see fault.FieldOf).
const (
	sourceField      = "source" // a source string
	identifierField  = "identifier"
	nameField        = "name"
	connectionsField = "connections"
)

// malformed returns the error of an invalid source string. format completes the
// sentence that begins with the field.
func malformed(format string, args ...any) error {
	return fault.Invalidf(sourceField, "source "+format, args...)
}

// Kind is the kind of a source. The values are stored, and are the schemes of source
// strings.
type Kind string

// The kinds of source.
const (
	Server   Kind = "server"
	Provider Kind = "provider"
)

// Ref is a parsed source string.
type Ref struct {
	Kind Kind // server or provider
	// Identifier is the server's machine identifier or the provider's identifier.
	Identifier string
	// Provider selects one provider of the source. If empty, it is the whole source.
	Provider string
}

// maxIdentifier is the maximum length of an identifier, in bytes.
const maxIdentifier = 255

// Parse parses "server://ID", "provider://ID" and "server://ID/PROVIDER". Errors:
// fault.Invalid.
func Parse(s string) (Ref, error) {
	before, rest, found := strings.Cut(s, "://")
	kind := Kind(before)
	if s == "" {
		return Ref{}, malformed("is missing; it is written server://ID or provider://ID")
	}
	if !found || (kind != Server && kind != Provider) {
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

// String returns the source string.
func (r Ref) String() string {
	s := string(r.Kind) + "://" + r.Identifier
	if r.Provider != "" {
		s += "/" + r.Provider
	}
	return s
}

// CheckSelf returns an error if the machine identifier of this server is not possible.
func CheckSelf(id string) error {
	if err := checkIdentifier(id); err != nil {
		return fault.Invalidf(identifierField, "the machine identifier %v", err)
	}
	return nil
}

// checkIdentifier rejects identifiers that are not possible in a source string or a
// header.
func checkIdentifier(id string) error {
	switch {
	case id == "":
		return fault.Invalidf("", "is empty")
	case len(id) > maxIdentifier:
		return fault.Invalidf("", "is longer than %d bytes", maxIdentifier)
	case !utf8.ValidString(id):
		return fault.Invalidf("", "is not valid UTF-8")
	case strings.ContainsFunc(id, func(r rune) bool {
		return r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("?#", r)
	}):
		return fault.Invalidf("", "has a space or a character that it cannot have")
	}
	return nil
}

// Connection is one way to reach a source.
type Connection struct {
	URI string // scheme, host and port; may have a path
	// Protocol is http or https. It and the following three fields are parsed from the
	// URI.
	Protocol string
	// Address is a host name or an IP address without brackets.
	Address string
	Port    int  // explicit or default
	IPv6    bool // the address is IPv6
	// Local reports whether the address is in the server's local network, and Relay
	// whether the connection goes through a relay.
	Local, Relay bool
}

// ParseConnection parses a URI such as http://192.168.1.5:32400. Errors: fault.Invalid.
func ParseConnection(uri string, local, relay bool) (Connection, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" {
		return Connection{}, fault.Invalidf(connectionsField,
			"the connection %q is not of the form http://ADDRESS:PORT", uri)
	}
	port := map[string]int{"http": 80, "https": 443}[u.Scheme]
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return Connection{}, fault.Invalidf(connectionsField, "the connection %q has no usable port", uri)
		}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return Connection{
		URI: strings.TrimSuffix(uri, "/"), Protocol: u.Scheme, Address: u.Hostname(), Port: port,
		IPv6: err == nil && ip.Is6() && !ip.Is4In6(), Local: local, Relay: relay,
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
