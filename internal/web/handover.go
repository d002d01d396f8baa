package web

import (
	"html/template"
	"net"
	"net/url"
	"time"

	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// handover creates the addresses of links that other people open.
type handover struct {
	// publicURL is where browsers reach the pages; empty if not configured.
	publicURL string
	// self are the addresses of this server.
	self []source.Connection
}

// base is the beginning of a link: the public URL or, without one, the address in the
// visitor's browser, if this server knows that it is its own. Attack: a request with
// another Host header puts another site into the link.
func (h handover) base(v *visit) plexauth.Secret {
	if h.publicURL != "" || len(h.self) == 0 || h.isOwn(v.Host) {
		return v.base(h.publicURL)
	}
	return v.base(h.self[0].URI)
}

// isOwn reports whether a Host is this server's: one of its addresses, or this
// computer by the name that it calls itself.
func (h handover) isOwn(host string) bool {
	for _, c := range h.self {
		u, err := url.Parse(c.URI)
		if err != nil {
			continue
		}
		if u.Host == host || net.JoinHostPort("localhost", u.Port()) == host {
			return true
		}
	}
	return false
}

// handed is a page that shows a link once, with its QR code.
type handed struct {
	Link    plexauth.Secret
	QR      template.URL
	Expires time.Time
	Back    string
	// Mailed is the address that the link is being e-mailed to, or empty.
	Mailed string
}

// newHanded returns the data of a page that shows a link.
func newHanded(link plexauth.Secret, expires time.Time, back string) (handed, error) {
	image, err := qrImage(string(link))
	return handed{Link: link, QR: image, Expires: expires, Back: back}, err
}
