package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHost is the length of the longest Host header that is accepted. Names in the
// DNS have at most 253 bytes.
const maxHost = 255

// LimitHost returns a handler that rejects requests with a Host header of more
// than 255 bytes.
//
// Attack: usher puts the host into links, cookies and pictures, so a long one
// multiplies what an anonymous request costs.
func LimitHost(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Host) > maxHost {
			http.Error(w, "the Host header is longer than 255 bytes", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// KnownHost returns a handler that answers requests for this machine only: those
// with an IP address, a name that no public DNS has, or one of names in Host.
//
// Attack: DNS rebinding. A page lets its own name point at 127.0.0.1 or at an address
// of the local network, and then reads from that server what only its neighbours may:
// to the browser, it is the page's own site.
func KnownHost(names []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knownHost(names, r.Host) {
			http.Error(w, "the Host header names another server; --metrics-host allows a name", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// localDomains are domains of which nobody can register a name: those of RFC 6761,
// of multicast DNS (with that of Kubernetes), and of private networks.
var localDomains = [...]string{".localhost", ".local", ".internal", ".home.arpa", ".test"}

func knownHost(names []string, host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "" {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return true
	}
	return slices.Contains(names, host) ||
		slices.ContainsFunc(localDomains[:], func(d string) bool { return strings.HasSuffix(host, d) })
}
