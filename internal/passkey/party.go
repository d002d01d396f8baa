package passkey

import (
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
)

// Party is the site that a passkey is bound to. Browsers offer it to no other site.
type Party struct {
	// ID is the site's host name.
	ID string
	// Origins are the origins of its pages, as browsers write them.
	Origins []string
}

// NewParty returns the site of the pages. public is its URL. If that is empty, host
// is the host of the browser's request, with its port, and secure says that the
// request used TLS. If there is no full host name, ok is false: passkeys cannot be
// bound to an IP address, or to a name without a dot other than localhost.
func NewParty(public, host string, secure bool) (p Party, ok bool) {
	schemes := []string{"https"}
	if u, err := url.Parse(public); err == nil && u.Host != "" {
		host, schemes = u.Host, []string{u.Scheme}
	} else if !secure {
		// A proxy may terminate TLS. If none does, browsers do not support
		// passkeys on such a page, except on localhost.
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

// nameOf returns a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// withoutPort omits the default port of a scheme, as browsers do.
func withoutPort(scheme, host string) string {
	return strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[scheme])
}
