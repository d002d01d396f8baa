package httpd

import (
	"net/http"
	"strings"
)

// hstsYear makes browsers use https for this host for a year (RFC 6797). It says
// nothing of subdomains, which may be other programs'.
const hstsYear = "max-age=31536000"

// StrictTransport returns a handler whose answers make browsers insist on https, if
// these reach it by https: from this process, or from a proxy in front of it, which
// publicURL tells. Any answer may be the first that a browser gets from this host, so
// those to programs have the header, too.
func StrictTransport(publicURL string, h http.Handler) http.Handler {
	behindTLS := strings.HasPrefix(publicURL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if behindTLS || r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", hstsYear)
		}
		h.ServeHTTP(w, r)
	})
}
