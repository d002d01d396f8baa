package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

// sessionCookieName is the cookie that holds the session's secret.
const sessionCookieName = "usher_session"

// knownCookieName is the cookie by which a browser is known to have signed in
// before (account.Caller).
const knownCookieName = "usher_known"

// knownCookie marks the browser as one that has signed in.
func knownCookie(marks plexauth.Secret) *http.Cookie {
	return &http.Cookie{
		Name: knownCookieName, Value: string(marks), Path: "/", MaxAge: int(account.MarkLife.Seconds()),
	}
}

// sessionCookie keeps the browser signed in until expires.
func sessionCookie(secret plexauth.Secret, expires time.Time) *http.Cookie {
	return &http.Cookie{Name: sessionCookieName, Value: string(secret), Path: "/", Expires: expires}
}

// noSessionCookie deletes the session's cookie.
func noSessionCookie() *http.Cookie {
	return &http.Cookie{Name: sessionCookieName, Path: "/", MaxAge: -1}
}

// prefixed returns the name that a cookie has on the wire. Over https, it has a
// prefix that browsers accept only from this host and over https (RFC 6265bis,
// section 4.1.3). Attack: another host of the domain, or somebody on the network
// by plain HTTP, plants a cookie of theirs. Below a path, the cookies are kept from
// the rest of the host instead, which is other programs'; __Host- allows the path /
// only.
func prefixed(name, path string, https bool) string {
	switch {
	case !https:
		return name
	case path == "/":
		return "__Host-" + name
	}
	return "__Secure-" + name
}

// cookiePath is the path of a cookie below the root. /usher/ would not match /usher.
func (r root) cookiePath(path string) string {
	if r != "" && path == "/" {
		return string(r)
	}
	return r.at(path)
}

// setCookie sends a cookie that no script can read, that stays off plain HTTP if
// the pages are reached by https, and that is SameSite=Lax unless it says
// otherwise.
func (f *frame) setCookie(w http.ResponseWriter, r *http.Request, c *http.Cookie) {
	c.HttpOnly, c.Secure = true, f.secure(r)
	c.Path = f.root.cookiePath(c.Path)
	c.Name = prefixed(c.Name, c.Path, c.Secure)
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	http.SetCookie(w, c)
}

// cookie returns the value of a cookie that setCookie sent with a path; empty if
// it is missing. Two cookies of one name count as missing: one of them was planted,
// and nothing tells which.
func (v *visit) cookie(name, path string) plexauth.Secret {
	found := v.CookiesNamed(prefixed(name, v.root.cookiePath(path), v.https))
	if len(found) != 1 {
		return ""
	}
	return plexauth.Secret(found[0].Value)
}

// secure reports whether browsers reach these pages by https: from this process,
// or from a proxy in front of it.
func (f *frame) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(f.publicURL, "https://")
}
