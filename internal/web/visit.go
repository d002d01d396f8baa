package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

// visit is a request for a page, with who sent it.
type visit struct {
	*http.Request
	// session is the browser's session. Its ID is 0 without a session.
	session session.Session
	// account is the account that is signed in. Its ID is 0 if the session is
	// missing or lacks the second factor.
	account account.Account
	// userAgent is how the browser describes itself, and address where the
	// request comes from.
	userAgent, address string
	// https says that browsers reach the page by https.
	https bool
	// root is the path that the pages are below.
	root root
	// caution verifies the visitor's passkey.
	caution caution
	// factorDue is when the visitor begins to need a second factor that they do not have,
	// or zero if they need none. overdue says that this time has passed, so they must set
	// one up before anything else.
	factorDue time.Time
	overdue   bool
	// json is set for requests of our own scripts: errors are sent as JSON.
	json bool
}

func newVisit(r *http.Request, https bool, root root) *visit {
	return &visit{
		Request: r, userAgent: r.UserAgent(), address: httpd.Address(r), https: https, root: root,
	}
}

// fromPlainHTTP reports whether a form that was sent by https comes from a page
// of plain HTTP: that is another site, also if it has the same host. Browsers
// that send no Sec-Fetch-Site say so in Origin only, which
// http.CrossOriginProtection compares by host.
func (v *visit) fromPlainHTTP() bool {
	return v.https && v.Method == http.MethodPost && v.Header.Get("Sec-Fetch-Site") == "" &&
		strings.HasPrefix(v.Header.Get("Origin"), "http://")
}

// language is the one in which the visitor reads the pages.
func (v *visit) language() *language { return allLanguages().of(v.Request) }

// base is where browsers reach these pages, without a slash at the end: at
// publicURL, unless that is empty.
func (v *visit) base(publicURL string) plexauth.Secret {
	switch {
	case publicURL != "":
		return plexauth.Secret(strings.TrimSuffix(publicURL, "/"))
	case v.https:
		return plexauth.Secret("https://" + v.Host)
	}
	return plexauth.Secret("http://" + v.Host)
}

// signedIn reports whether the session is complete.
func (v *visit) signedIn() bool { return v.account.ID != 0 }

// halfSignedIn reports whether the session lacks its second factor.
func (v *visit) halfSignedIn() bool { return v.session.ID != 0 && !v.signedIn() }

// actor is who the audit log records for what the visitor changes.
func (v *visit) actor() audit.Actor {
	return audit.Actor{
		AccountID: v.account.ID, Device: browserName(v.userAgent), Address: v.address,
	}
}

// caller is what the request says of its browser.
func (v *visit) caller() account.Caller {
	return account.Caller{Marks: v.cookie(knownCookieName, "/")}
}

// back is the page of a list that is shown after one of its forms: the one of some paths
// that the visitor came from, with what was searched for and the part that was shown,
// or the first of them. Browsers say where a form was (Referer), and the question that
// was asked in between repeats it in "back".
func (v *visit) back(paths ...string) string {
	for _, from := range [...]string{v.PostFormValue("back"), v.Referer()} {
		u, err := url.Parse(from)
		if err != nil {
			continue
		}
		if u.IsAbs() {
			u.Path = strings.TrimPrefix(u.Path, string(v.root))
		}
		if slices.Contains(paths, u.Path) {
			q := u.Query()
			q.Del("done")
			return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String() // without a host
		}
	}
	return paths[0]
}

// done adds to the path of a page which confirmation it shows.
func done(path, what string) string {
	u, err := url.Parse(path)
	if err != nil {
		return path // no path of usher leads here
	}
	q := u.Query()
	q.Set("done", what)
	u.RawQuery = q.Encode()
	return u.String()
}

// codeOf returns the code in a field of the form, without the spaces that apps
// show in it.
func codeOf(v *visit, field string) plexauth.Secret {
	return plexauth.Secret(strings.Join(strings.Fields(v.PostFormValue(field)), ""))
}

// pathID returns the id in the page's path.
func (v *visit) pathID() (int64, error) {
	id, err := strconv.ParseInt(v.PathValue("id"), 10, 64)
	if err != nil {
		return 0, errNoPage
	}
	return id, nil
}

// number parses an ID in a form or an address. If it is malformed, number returns 0, which
// is not the ID of any object.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
