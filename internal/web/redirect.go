package web

import (
	"net/http"
	"net/url"
	"strings"
)

// withoutSlash redirects from a page's path with a slash at its end to the page:
// programs write their links that way (/auth/#!?…, /link/?pin=…). Browsers add
// the fragment to the new address.
func (f *frame) withoutSlash(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: strings.TrimSuffix(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
	f.redirect(w, r, to.String())
}

// redirect sends the browser to a path of these pages.
func (f *frame) redirect(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, f.root.at(path), http.StatusSeeOther)
}

// signInPath is the sign-in page, from which the browser comes back to the page
// that it asked for, or to the one with the form that it sent.
func (f *frame) signInPath(v *visit, required need) string {
	switch {
	case required == halfSignedIn && v.Method == http.MethodGet:
		return signInThen(nextPath(v.URL.Query())) // there is no second step any more
	case required == halfSignedIn:
		return signInThen(nextPath(v.PostForm)) + "&late=1"
	case v.Method == http.MethodGet:
		return signInThen(v.URL.RequestURI())
	}
	return signInThen(f.formPages.of(v))
}

// signInThen is the sign-in page, which leads to next.
func signInThen(next string) string { return "/auth?" + url.Values{"next": {next}}.Encode() }

// nextPath returns the path in the "next" of a form or a query: where the browser
// goes after the sign-in.
func nextPath(values url.Values) string { return localPath(values.Get("next"), "/account") }

// localPath returns path if it is one of this site, and otherwise the fallback.
// Attack: a "next" that leads to another site, in any of the ways in which
// browsers read "//" and "/\".
func localPath(path, fallback string) string {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n") {
		return fallback
	}
	return path
}
