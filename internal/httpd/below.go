package httpd

import (
	"net/http"
	"net/url"
	"strings"
)

// PathOf returns the path of a public URL, such as /usher, or "" if the site is at the
// root of its host.
func PathOf(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// Below returns a handler for a site that browsers reach below a path, such as /usher.
// It strips the path from requests. A request without the path is passed on unchanged,
// because a proxy may strip the path itself. If path is empty, Below returns h.
func Below(path string, h http.Handler) http.Handler {
	if path == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, withoutPath(r, path))
	})
}

// withoutPath returns a request with a path stripped from its URL, or the request
// itself if it is not below the path.
func withoutPath(r *http.Request, path string) *http.Request {
	rest, below := cutPath(r.URL.Path, path)
	// RawPath is set only if it differs from the default encoding of Path.
	raw, rawBelow := cutPath(r.URL.RawPath, path)
	if !below || r.URL.RawPath != "" && !rawBelow {
		return r
	}
	if r.URL.RawPath == "" {
		raw = ""
	}
	shorter := new(http.Request)
	*shorter = *r
	shorter.URL = new(url.URL)
	*shorter.URL = *r.URL
	shorter.URL.Path, shorter.URL.RawPath = rest, raw
	return shorter
}

// cutPath returns the rest of whole below a path, beginning with a slash.
func cutPath(whole, path string) (rest string, below bool) {
	rest, below = strings.CutPrefix(whole, path)
	switch {
	case !below:
		return whole, false
	case rest == "":
		return "/", true
	}
	return rest, rest[0] == '/'
}
