package httpd

import (
	"net/http"
	"strings"
)

// WantsPage reports whether a browser asks for a page: programs that accept any
// answer do not name HTML. OPTIONS asks for no page.
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
