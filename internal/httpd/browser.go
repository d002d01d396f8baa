package httpd

import (
	"net/http"
	"strings"
)

// WantsPage reports whether a browser requests a page. Programs that accept any type do
// not name HTML. OPTIONS never requests a page.
func WantsPage(r *http.Request) bool {
	if r.Method == http.MethodOptions {
		return false
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}
