package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A form that is submitted after the session has ended changes nothing. The sign-in page
// says so, and leads back to the page with the form, which says so again. Its script fills
// in the submitted values, but only for the same account.

// unsaved is the "done" in the address of a page with a form that was not saved.
const unsaved = "unsaved"

// isUnsaved reports whether an address is that of such a page.
func isUnsaved(u *url.URL) bool { return u.Query().Get("done") == unsaved }

// formPages finds pages with forms by their path.
type formPages struct {
	shown http.ServeMux // the pages whose forms can need a session
	sent  http.ServeMux // the paths that forms are submitted to
}

// add adds a row of the table.
func (f *formPages) add(p page) {
	switch {
	case p.method == http.MethodPost:
		f.sent.Handle(p.path, http.NotFoundHandler())
	case p.need >= signedIn, p.path == "/auth":
		f.shown.Handle(p.path, http.NotFoundHandler())
	}
}

// has reports whether there is a page at a path: there is one at /admin/servers/1, and none
// at /admin/servers/remove.
func (f *formPages) has(at string) bool {
	if at != path.Clean(at) {
		return false // a ServeMux would redirect it, from //evil.example/../admin too
	}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: at}}
	_, page := f.shown.Handler(r)
	_, form := f.sent.Handler(r)
	return page != "" && (form == "" || form == page)
}

// of returns the page with the form of a visit: the page that the visitor came from or, if
// that was the answer to a form, the page above it.
func (f *formPages) of(v *visit) string {
	from, err := url.Parse(v.Referer())
	if err != nil {
		from = new(url.URL)
	}
	at := strings.TrimPrefix(from.Path, string(v.root))
	if f.has(at) {
		return done((&url.URL{Path: at, RawQuery: from.RawQuery}).String(), unsaved)
	}
	for _, at := range []string{at, v.URL.Path} {
		for strings.HasPrefix(at, "/") {
			if f.has(at) {
				return done(at, unsaved)
			}
			at = at[:strings.LastIndexByte(at, '/')]
		}
	}
	return done(ownPath, unsaved)
}
