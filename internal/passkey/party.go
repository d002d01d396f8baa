package passkey

import (
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
)

// Party is the site that a passkey is for. Browsers show a passkey to no other.
type Party struct {
	// ID is the site's host name.
	ID string
	// Origins are where its pages are, as browsers name it.
	Origins []string
}

// NewParty returns the site of the pages. public is its URL, where it is known;
// otherwise host is what the browser asked for, with the port, and secure says
// that it did so by TLS. There is none, and ok is false, without a whole host
// name: an IP address does not do, nor a name without a dot but localhost.
func NewParty(public, host string, secure bool) (p Party, ok bool) {
	schemes := []string{"https"}
	if u, err := url.Parse(public); err == nil && u.Host != "" {
		host, schemes = u.Host, []string{u.Scheme}
	} else if !secure {
		// TLS may end at a proxy in front. Where it does not, browsers have no
		// passkeys on such a page, but for localhost.
		schemes = append(schemes, "http")
	}
	host = strings.ToLower(host)
	p.ID = strings.TrimSuffix(nameOf(host), ".")
	if protocol.ValidateRPID(p.ID) != nil {
		return Party{}, false
	}
	for _, scheme := range schemes {
		p.Origins = append(p.Origins, scheme+"://"+withoutPort(scheme, host))
	}
	return p, true
}

// nameOf is a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// withoutPort leaves out the port that a scheme has anyway, as browsers do.
func withoutPort(scheme, host string) string {
	return strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[scheme])
}
