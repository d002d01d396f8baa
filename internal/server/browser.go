package server

import (
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/httpd"
)

// wantsPage reports whether a browser asks, and not a program: programs that
// take whatever comes do not name HTML. OPTIONS asks for no page.
func wantsPage(r *http.Request) bool {
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

// aroundPage logs and counts the answers of a page as those of the planes'
// routes are.
func (s *Server) aroundPage(path string, h http.Handler) http.Handler {
	path = strings.TrimSuffix(path, "{$}")
	counts := s.metrics.of(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		seen := &seenWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		end := s.Now()
		counts.observe(seen.status, end.Sub(start))
		c := &call{http: r, address: httpd.Address(r)}
		s.logRequest(r.Context(), c, path, seen.status, seen.size, end, end.Sub(start), nil)
	})
}

// seenWriter remembers what the log says of an answer.
type seenWriter struct {
	http.ResponseWriter
	status, size int
}

// WriteHeader implements http.ResponseWriter.
func (w *seenWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *seenWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.size += n
	return n, err
}
