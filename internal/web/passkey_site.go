package web

import (
	"errors"
	"net"
	"net/http"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
)

// Errors of addresses at which passkeys do not work.
var (
	errNoParty   = fault.New(fault.Conflict, "passkeys need a full host name, not an IP address or a short name")
	errOtherPort = fault.New(fault.Conflict,
		"this page is at another port than usher itself: to use passkeys here, the server needs --public-url")
)

// passkeySite finds the site that a passkey is bound to.
type passkeySite struct {
	publicURL string // empty if not configured
}

// party is the site of the visitor's address. errNoParty, errOtherPort.
func (s passkeySite) party(v *visit) (passkey.Party, error) {
	party, ok := passkey.NewParty(s.publicURL, v.Host, v.TLS != nil)
	switch {
	case !ok:
		return passkey.Party{}, errNoParty
	case s.publicURL == "" && !ownPort(v.Request):
		return passkey.Party{}, errOtherPort
	}
	return party, nil
}

// ownPort reports whether the request's Host has the port that the request was
// received at, or a scheme's default port, as behind a proxy. Attack: another
// program on this computer, at a port of its own, asks users for their passkeys
// and relays the answers with its own address as Host. Browsers bind a passkey
// to the host name only, and not to the port.
func ownPort(r *http.Request) bool {
	_, asked, err := net.SplitHostPort(r.Host)
	if err != nil || asked == "80" || asked == "443" {
		return true
	}
	here, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, port, err := net.SplitHostPort(here.String())
	return err == nil && asked == port
}

// hint says why passkeys do not work at the page's address. It is empty if they work.
func (s passkeySite) hint(v *visit) phrase {
	_, err := s.party(v)
	switch {
	case err == nil:
		return phrase{}
	case errors.Is(err, errOtherPort):
		text, _ := problem(errOtherPort)
		return text
	}
	example := "http://localhost"
	if _, port, err := net.SplitHostPort(v.Host); err == nil {
		example += ":" + port
	}
	return say("Passkeys need a full host name, such as usher.example.org, not an IP address or a short name. "+
		"On the computer that usher runs on, open %s instead.", example)
}
