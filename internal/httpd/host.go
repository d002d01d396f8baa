package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHost is the maximum length of the Host header, in bytes. Names in the DNS have at
// most 253.
const maxHost = 255

// LimitHost returns a handler that rejects requests with a Host header of more
// than 255 bytes.
//
// Attack: usher puts the host into links, cookies and QR codes, so a long host
// multiplies the cost of an anonymous request.
func LimitHost(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Host) > maxHost {
			http.Error(w, "the Host header is longer than 255 bytes", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// KnownHost returns a handler that accepts only requests whose Host is an IP address, a
// name that is not in public DNS, or one of names.
//
// Attack: DNS rebinding. A web site makes its own name resolve to 127.0.0.1 or to an
// address of the local network. Its script then reads data from that server, which the
// browser takes for the web site's own.
func KnownHost(names []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knownHost(names, r.Host) {
			http.Error(w, "the Host header names another server; --metrics-host allows a name", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// localDomains are domains in which nobody can register a name: those of RFC 6761, of
// multicast DNS (and Kubernetes), and of private networks.
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
