package web

import "net/http"

// contentSecurityPolicy allows what this site serves, and nothing inline.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; " +
	"base-uri 'none'"

// setHeaders limits what a browser does with an answer: it loads only what this
// site serves, shows the page in no frame, stores no copy and sends no Referer
// to other sites. https: browsers reached the page by https; on plain HTTP they
// ignore Cross-Origin-Opener-Policy.
func setHeaders(h http.Header, https bool) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// "no-referrer" would make browsers send "Origin: null" with a form. Without
	// TLS, Origin is the only header that tells which site the form is from.
	h.Set("Referrer-Policy", "same-origin")
	if https {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
}
