package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// sessionCookieName is the cookie that holds the session's secret.
const sessionCookieName = "usher_session"

// sessionCookie keeps the browser signed in until expires.
func sessionCookie(secret plexauth.Secret, expires time.Time) *http.Cookie {
	return &http.Cookie{Name: sessionCookieName, Value: string(secret), Path: "/", Expires: expires}
}

// noSessionCookie deletes the session's cookie.
func noSessionCookie() *http.Cookie {
	return &http.Cookie{Name: sessionCookieName, Path: "/", MaxAge: -1}
}

// setCookie sends a cookie that no script can read, that stays off plain HTTP if
// the pages are reached by https, and that is SameSite=Lax unless it says
// otherwise.
func (f *frame) setCookie(w http.ResponseWriter, r *http.Request, c *http.Cookie) {
	c.HttpOnly, c.Secure = true, f.secure(r)
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	http.SetCookie(w, c)
}

// secure reports whether browsers reach these pages by https: from this process,
// or from a proxy in front of it.
func (f *frame) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(f.publicURL, "https://")
}
