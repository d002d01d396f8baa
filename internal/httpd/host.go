package httpd

import "net/http"

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
