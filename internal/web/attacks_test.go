package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// rows returns the table of pages, with paths that can be requested.
func rows(t *testing.T) []web.Row {
	t.Helper()
	list := web.Rows()
	if len(list) < 20 || !slices.ContainsFunc(list, func(row web.Row) bool { return row.Admin }) {
		t.Fatalf("only %d pages, or no page for admins", len(list))
	}
	param := regexp.MustCompile(`\{[a-z]+\}`)
	for i := range list {
		list[i].Path = param.ReplaceAllString(strings.TrimSuffix(list[i].Path, "{$}"), "1")
	}
	return list
}

// Every page that requires a sign-in redirects anonymous visitors to the sign-in
// page. Every page for admins denies access to others.
func TestNeeds(t *testing.T) {
	w := newTown(t)
	w.enrol("noa")
	stranger, mia, half := w.browser(), w.browser().signIn("mia"), w.browser()
	half.wantTo(half.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}}), "/auth/code?next=%2Faccount")
	ours := http.Header{"Sec-Fetch-Site": {"same-origin"}}
	pages := make(map[string]bool)
	for _, row := range rows(t) {
		pages[row.Path] = pages[row.Path] || row.Method == http.MethodGet && (row.SignedIn || row.Path == "/auth")
	}
	for _, row := range rows(t) {
		next := "/auth?next=" + url.QueryEscape(row.Path)
		switch {
		case row.HalfSignedIn && row.Method == http.MethodGet:
			next = "/auth?next=%2Faccount"
		case row.HalfSignedIn:
			next = "/auth?next=%2Faccount&late=1"
		case row.Method == http.MethodPost && row.SignedIn:
			form := row.Path
			for !pages[form] {
				form = form[:strings.LastIndex(form, "/")]
			}
			next = "/auth?next=" + url.QueryEscape(form+"?done=unsaved")
		}
		if row.SignedIn || row.HalfSignedIn {
			stranger.wantTo(stranger.do(row.Method, row.Path, nil, ours), next)
		}
		if row.SignedIn {
			half.wantTo(half.do(row.Method, row.Path, nil, ours), next)
		}
		if row.HalfSignedIn {
			mia.wantTo(mia.do(row.Method, row.Path, nil, ours), next)
		}
		if row.Admin || strings.HasPrefix(row.Path, "/admin") {
			mia.wantPage(mia.do(row.Method, row.Path, nil, ours), 403, "Only an admin")
		}
	}
	ask := func(b *browser) *httptest.ResponseRecorder {
		req, rec := httptest.NewRequest("GET", "/admin/x", nil), httptest.NewRecorder()
		req.AddCookie(&http.Cookie{Name: sessionCookie, Value: b.cookie(sessionCookie, "/")})
		w.server.Pages().AdminPage().ServeHTTP(rec, req)
		return rec
	}
	olga := w.browser().signIn("olga")
	for who, want := range map[*browser]int{stranger: 303, half: 303, mia: 403, olga: 200} {
		if rec := ask(who); rec.Code != want || strings.Contains(rec.Body.String(), "secret") != (want == 200) {
			t.Errorf("a page for admins returns %d, want %d", rec.Code, want)
		}
	}
}

// Attack: a form on another site is posted to this server by the browser of a signed-in
// user.
func TestCrossSite(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	before := w.account("mia")
	form := url.Values{
		"username": {"mallory"}, "email": {"mallory@example.org"}, "current": {password}, "new": {"mallory's password"},
	}
	posts := 0
	for _, row := range rows(t) {
		if row.Method == http.MethodGet {
			continue
		}
		posts++
		for name, header := range map[string]http.Header{
			"another site":             {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
			"a neighbour":              {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:8080"}},
			"an older browser":         {"Origin": {"https://evil.example"}},
			"a frame without origin":   {"Origin": {"null"}},
			"another port, no sec":     {"Origin": {"http://localhost:1"}},
			"a name that begins alike": {"Origin": {b.base + ".evil.example"}},
		} {
			if s := b.do(row.Method, row.Path, form, header); s.StatusCode != 403 || !strings.Contains(s.text, "another site sent this form") {
				t.Errorf("%s %s from %s: status %d, want 403", row.Method, row.Path, name, s.StatusCode)
			}
		}
	}
	if posts == 0 {
		t.Fatal("no form was tried")
	}
	if now := w.account("mia"); now.PasswordHash != before.PasswordHash || now.Email != before.Email {
		t.Error("the account was changed")
	}
	b.wantPage(b.get("/account"), 200) // still signed in
}

// Attack: a link to the sign-in page redirects to another site after the sign-in.
var elsewhere = []string{
	"https://evil.example", "http://evil.example/", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`,
	`\/evil.example`, "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "javascript:alert(1)",
	"JaVaScRiPt:alert(1)", "data:text/html,x", "evil.example", "", "http:evil.example", "https:/evil.example", "/\x00/evil.example",
	"?next=//evil.example", "#//evil.example", "//user@evil.example", "/%zz", "/\\/evil.example", "/a\\..\\..//evil.example",
}

func TestOpenRedirect(t *testing.T) {
	w := newTown(t)
	seed, _ := w.enrol("noa")
	code := w.code(seed)
	mia := w.browser().signIn("mia")
	for _, next := range elsewhere {
		b := w.browser()
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}, "next": {next}}), "/account")
		mia.wantTo(mia.get("/auth?"+url.Values{"next": {next}}.Encode()), "/account")
		b = w.browser()
		b.wantPage(b.get("/auth?"+url.Values{"next": {next}}.Encode()), 200, `name="next" value="/account"`)
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}, "next": {next}}), "/auth/code?next=%2Faccount")
		b.wantPage(b.get("/auth/code?"+url.Values{"next": {next}}.Encode()), 200, `name="next" value="/account"`)
	}
	b := w.browser()
	b.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}})
	b.wantTo(b.post("/auth/code", url.Values{"code": {code}, "next": {"//evil.example"}}), "/account")
	for _, next := range []string{"/link", "/link?pin=ABCD", "/auth?code=x&forwardUrl=https%3A%2F%2Fexample.org", "/account/profile?done=identity"} {
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}, "next": {next}}), next)
	}
}

// Attack: a program redirects users to an address that is not its own.
func TestForward(t *testing.T) {
	w := newTown(t)
	w.allow("https://app.example.org")
	w.allow("http://127.0.0.1:8080")
	b := w.browser().signIn("mia")
	done := func(target string) seen { return b.get("/auth/done?" + url.Values{"forwardUrl": {target}}.Encode()) }
	for _, target := range []string{
		"https://app.example.org/back?id=1&x=2#here", "https://APP.example.org:443/", "http://127.0.0.1:8080/cb", "https://app.example.org",
	} {
		s := done(target)
		b.wantPage(s, 200, "Go on to")
		if got := s.Header.Get("Refresh"); !strings.HasPrefix(got, "0; url=http") {
			t.Errorf("%s is allowed, and the page has Refresh %q", target, got)
		}
	}
	for _, target := range []string{
		"https://evil.example/", "http://app.example.org/", "https://app.example.org:8443/", "https://app.example.org.evil.example/",
		"https://evil.example/?https://app.example.org", "https://app.example.org%2eevil.example/", "http://127.0.0.1:80/", "http://127.0.0.1/",
		"https://app.example.org./",
	} {
		s := done(target)
		if got := s.Header.Get("Refresh"); got != "" {
			t.Errorf("%s is not allowed, and the page has Refresh %q", target, got)
		}
		if s.StatusCode == 200 {
			b.wantPage(s, 200, target, "not part of this server") // the whole address, for the visitor to read
		}
	}
	tv := w.start(false)
	for _, target := range []string{
		"javascript:alert(1)", "JAVASCRIPT:alert(1)", "java\nscript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x",
		"https://app.example.org@evil.example/", "https://app.example.org:x@evil.example/", "//app.example.org", "/account", "app.example.org",
		"https:app.example.org", "https:///app.example.org", `https:\\app.example.org`, `https://app.example.org\@evil.example/`, "ftp://app.example.org/",
		"https://app.example.org/\r\nSet-Cookie: x=y", " https://app.example.org/", "https://[::1", "file:///etc/passwd", "https://",
	} {
		s := done(target)
		b.wantPage(s, 400, "not a web address")
		if s.Header.Get("Refresh") != "" || s.Header.Get("Set-Cookie") != "" {
			t.Errorf("the page for %q has other headers: %v", target, s.Header)
		}
		query := url.Values{"code": {tv.Code}, "forwardUrl": {target}}
		b.wantPage(b.get("/auth?"+query.Encode()), 400, "not a web address")
		query.Set("decision", "allow")
		b.wantPage(b.post("/auth/consent", query), 400, "not a web address")
	}
	if token, gone := w.token(tv); token != "" || gone {
		t.Error("the PIN was linked or deleted because of an invalid address")
	}
	const target = "https://app.example.org/back"
	query := url.Values{"code": {tv.Code}, "forwardUrl": {target}}
	b.wantPage(b.get("/auth?"+query.Encode()), 200, "Then you go to", target)
	query.Set("decision", "allow")
	b.wantTo(b.post("/auth/consent", query), "/auth/done?forwardUrl="+url.QueryEscape(target))

	// An anonymous visitor is not redirected.
	stranger := w.browser()
	s := stranger.get("/auth/done?forwardUrl=" + url.QueryEscape(target))
	if s.Header.Get("Refresh") != "" || !strings.HasPrefix(s.location(), "/auth?next=") {
		t.Errorf("an anonymous visitor is redirected to %q %q", s.location(), s.Header.Get("Refresh"))
	}
}

// Attack: another site sends a signed-in user's browser to wrong codes, so that the user's
// own codes are rate-limited, or to a guessed code.
func TestCodesInLinksOfOthers(t *testing.T) {
	w := startFixture(t, false, func(c *config) { c.FailedTries = 3 })
	w.people()
	b := w.browser().signIn("mia")
	long := strings.Repeat("a", 25)
	for _, site := range []string{"cross-site", "same-site"} {
		led := func(path string) seen {
			return b.do(http.MethodGet, path, nil, http.Header{"Sec-Fetch-Site": {site}})
		}
		for range 12 {
			b.wantPage(led("/auth?code=CCCC"), 200, "The link that you followed has a code in it", `value="C"`)
			b.wantPage(led("/auth?code="+long), 404, "This code was used already, has expired or was mistyped")
			b.wantPage(led("/auth?code=wrong"), 404, "This code was used already, has expired or was mistyped")
			b.wantTo(led("/link?pin="+long), "/auth?code="+long)
			b.wantPage(led("/link?pin=CCCC"), 200, `value="C"`)
		}
	}
	for range 12 { // in the fragment, which the page's script moves to the query
		b.wantPage(b.get("/auth?led=1&code=CCCC&led=0"), 200, "The link that you followed has a code in it")
	}
	b.wantPage(b.post("/link", url.Values{"code": {"C", "C", "C", "C"}}), 404, "No device shows this code now")

	// A correct code is not confirmed before the visitor submits it.
	tv := w.start(false)
	query := url.Values{"code": {tv.Code}, "clientID": {"tv"}, "forwardUrl": {"https://app.example.org/back"}}.Encode()
	s := b.do(http.MethodGet, "/auth?"+query, nil, http.Header{"Sec-Fetch-Site": {"cross-site"}})
	b.wantPage(s, 200, "The link that you followed", `name="clientID" value="tv"`, `name="forwardUrl" value="https://app.example.org/back"`)
	if strings.Contains(s.text, "Living room") {
		t.Error("the page shows the device")
	}
	form := url.Values{"code": strings.Split(tv.Code, ""), "clientID": {"tv"}, "forwardUrl": {"https://app.example.org/back"}}
	s = b.post("/link", form)
	b.wantTo(s, "/auth?clientID=tv&code="+tv.Code+"&forwardUrl=https%3A%2F%2Fapp.example.org%2Fback")
	b.wantPage(b.do(http.MethodGet, s.location(), nil, http.Header{"Sec-Fetch-Site": {"same-origin"}}), 200, "Living room", "Then you go to")
	form.Set("clientID", "another")
	form["code"] = strings.Split(tv.Code, "")
	b.wantPage(b.post("/link", form), 404, "No device shows this code now", `name="clientID" value="another"`)

	// Guesses are rate-limited on every path.
	for range 3 {
		b.do(http.MethodGet, "/auth?code=CCCC", nil, http.Header{"Sec-Fetch-Site": {"none"}})
	}
	b.wantPage(b.get("/auth?code="+tv.Code), 429, "Wait")
	b.wantPage(b.post("/link", form), 429, "Wait")
	strong := w.start(true)
	b.wantPage(b.get("/auth?code="+strong.Code), 200, "Living room")
}

// Attack: the same over plain HTTP, and with browsers that do not send the origin of a
// request, with an image, a frame or a link on another page.
func TestCodesInLinksWithoutOrigin(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 10 })
	w.people()
	b := w.browser().signIn("mia")
	tv := w.start(false)
	unknown, asked := 0, 0
	for range 60 {
		switch s := b.get("/auth?code=CCCC"); {
		case s.StatusCode == 404:
			unknown++
		case s.StatusCode == 200 && strings.Contains(s.text, "The link that you followed has a code in it"):
			asked++
		default:
			t.Fatalf("status %d: %s", s.StatusCode, s.text)
		}
	}
	if unknown > 1 || asked != 60-unknown {
		t.Errorf("%d codes in links were checked, and %d led to a confirmation page", unknown, asked)
	}
	// The confirmation page reveals nothing to a guesser: right codes lead to it, too.
	b.wantPage(b.get("/auth?code="+tv.Code), 200, "The link that you followed has a code in it")
	// The visitor still has all attempts, and the page for the submitted code is shown.
	wrong := url.Values{"code": {"C", "C", "C", "C"}}
	for range 9 {
		b.wantPage(b.post("/link", wrong), 404, "No device shows this code now")
	}
	b.wantTo(b.post("/link", url.Values{"code": strings.Split(tv.Code, "")}), "/auth?code="+tv.Code)
	b.wantPage(b.get("/auth?code="+tv.Code), 200, "Living room", "wants to sign in")
	b.wantPage(b.get("/auth?code="+strings.ToLower(tv.Code)), 200, "Living room")
	b.wantPage(b.get("/auth?code=CCCC"), 200, "The link that you followed has a code in it")
	b.sends("/auth/consent", linkedPath, "code", tv.Code, "decision", "allow")
	// Another user at the same address is not limited either.
	noa := w.browser().signIn("noa")
	other := w.start(false)
	noa.wantPage(noa.get("/auth?code="+other.Code), 200, "wants to sign in")
}

// others matches a URL of another site in a stylesheet or a script.
var others = regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9-]+\.[a-z0-9.-]+[^"' )]*`)

// loaded matches such a URL where a page loads or sends something. URLs in text and
// placeholders are harmless.
var loaded = regexp.MustCompile(`(?i)(?:src|srcset|href|action|formaction|poster|ping|background|data|content)\s*=\s*["']?\s*(?:[a-z]+:)?//[^"' >]*`)

// inline matches inline scripts and styles, which the policy blocks.
var inline = regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)

// Every response has the Content-Security-Policy, and needs nothing that it
// blocks.
func TestHeaders(t *testing.T) {
	w := newTown(t)
	w.enrol("noa")
	half := w.browser()
	half.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}})
	statics, err := web.Statics()
	w.must(err)
	if len(statics) < 4 {
		t.Fatalf("only %d static files", len(statics))
	}
	for who, b := range map[string]*browser{"a stranger": w.browser(), "half-way": half, "a member": w.browser().signIn("mia"), "an admin": w.browser().signIn("olga")} {
		paths := append([]string{"/nothing/here", "/static/none", "/auth?code=x&forwardUrl=javascript:x"}, statics...)
		for _, row := range rows(t) {
			if row.Method == http.MethodGet {
				paths = append(paths, row.Path)
			}
		}
		for _, path := range paths {
			s := b.get(path)
			wantHeaders(t, who+" at "+path, s)
			foreign := others
			if strings.HasPrefix(s.Header.Get("Content-Type"), "text/html") {
				foreign = loaded
				if found := inline.FindString(s.text); found != "" {
					t.Errorf("%s at %s: the page has %q", who, path, found)
				}
			}
			if found := foreign.FindString(strings.ReplaceAll(s.text, "http://www.w3.org/2000/svg", "")); found != "" {
				t.Errorf("%s at %s: %q is on another site", who, path, found)
			}
		}
		wantHeaders(t, who+" who posts", b.post("/auth/passkey", nil))
	}
}

func wantHeaders(t *testing.T, where string, s seen) {
	t.Helper()
	policy := s.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy %q has no %s", where, policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("%s: the policy is %q", where, policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
	} {
		if got := s.Header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", where, name, got, want)
		}
	}
	if cache := s.Header.Get("Cache-Control"); cache != "no-store" && !strings.HasPrefix(s.Request.URL.Path, "/static/") {
		t.Errorf("%s: Cache-Control is %q", where, cache)
	}
}

// The same applies to templates that none of the pages above use.
func TestTemplatesAreOurs(t *testing.T) {
	texts, err := web.Templates()
	if err != nil || len(texts) < 10 {
		t.Fatalf("%d templates, %v", len(texts), err)
	}
	for name, text := range texts {
		if found := loaded.FindString(text); found != "" {
			t.Errorf("%s has %q on another site", name, found)
		}
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestStaticFilesAreCached(t *testing.T) {
	w := newFixture(t, nil)
	b := w.browser()
	statics, err := web.Statics()
	w.must(err)
	for _, path := range statics {
		s := b.get(path)
		b.wantPage(s, 200)
		if got := s.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s by its hash: Cache-Control %q", path, got)
		}
		path, _, _ = strings.Cut(path, "?")
		if got := b.get(path).Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s without its hash: Cache-Control %q", path, got)
		}
	}
	for _, path := range []string{"/static/", "/static/../web.go", "/static/%2e%2e/templates/home.html", "/static/none.js"} {
		if s := b.get(path); s.StatusCode == 200 {
			t.Errorf("%s is served:\n%s", path, s.text)
		}
	}
}

// Attack: a script, another site, or an eavesdropper gets the cookie.
func TestCookies(t *testing.T) {
	for name, row := range map[string]struct {
		tls, secure bool
		public      string
	}{
		"plain HTTP":      {false, false, ""},
		"TLS here":        {true, true, ""},
		"TLS at a proxy":  {false, true, "https://usher.example.org"},
		"a plain address": {false, false, "http://usher.lan:32400"},
	} {
		t.Run(name, func(t *testing.T) {
			w := startFixture(t, row.tls, func(c *config) { c.Server.PublicURL = row.public })
			b := w.browser()
			set := b.get(string(w.server.Pages().SetupPath())).Cookies()
			w.people()
			link, _, err := w.Accounts.NewLink(t.Context(), operator, w.account("mia").ID)
			w.must(err)
			set = append(set, b.get(string(web.FactorLink(link))).Cookies()...)
			set = append(set, b.post("/auth/passkey/challenge", nil).Cookies()...)
			set = append(set, b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}}).Cookies()...)
			names := map[string]bool{}
			for _, c := range set {
				names[c.Name] = true
				if want := web.CookieName(strings.TrimPrefix(strings.TrimPrefix(c.Name, "__Host-"), "__Secure-"),
					c.Path, row.secure); c.Name != want {
					t.Errorf("the cookie of %s is %s, want %s", c.Path, c.Name, want)
				}
				site := c.SameSite == http.SameSiteLaxMode || c.SameSite == http.SameSiteStrictMode
				if !c.HttpOnly || !site || c.Secure != row.secure || c.Domain != "" {
					t.Errorf("the cookie is %v", c)
				}
				if strings.HasSuffix(c.Name, sessionCookie) && (c.SameSite != http.SameSiteLaxMode || c.Path != "/") {
					t.Errorf("the session's cookie is %v", c)
				}
			}
			for _, path := range []string{"/auth", "/account", "/identity", "/api/v2/ping", "/api/v2/user", "/nowhere", "/healthz"} {
				if hsts := b.get(path).Header.Get("Strict-Transport-Security") != ""; hsts != row.secure {
					t.Errorf("%s has Strict-Transport-Security: %v, want %v", path, hsts, row.secure)
				}
			}
			if isolated := b.get("/auth").Header.Get("Cross-Origin-Opener-Policy") != ""; isolated != row.secure {
				t.Errorf("the page is isolated from other windows: %v, want %v", isolated, row.secure)
			}
			for name, path := range map[string]string{
				sessionCookie: "/", "usher_known": "/", "usher_setup": "/setup", "usher_passkey": "/auth/passkey",
				"usher_enrol": "/second-factor",
			} {
				if !names[web.CookieName(name, path, row.secure)] {
					t.Errorf("there is no cookie %s", name)
				}
			}
		})
	}
}

// Disabling or removing an account invalidates its sessions immediately.
func TestSessionOfADisabledAccount(t *testing.T) {
	w := newTown(t)
	mia, noa := w.browser().signIn("mia"), w.browser().signIn("noa")
	w.must(w.Accounts.Disable(t.Context(), operator, w.account("mia").ID))
	w.must(w.Accounts.Remove(t.Context(), operator, w.account("noa").ID))
	for name, b := range map[string]*browser{"mia": mia, "noa": noa} {
		b.wantTo(b.get("/account"), "/auth?next=%2Faccount")
		b.wantTo(b.post("/account/revoke-others", nil), "/auth?next=%2Faccount%3Fdone%3Dunsaved")
		b.wantPage(b.post("/auth/sign-in", url.Values{"login": {name}, "password": {password}}), 401, "The name or the password is not right.")
	}
	w.must(w.Accounts.Enable(t.Context(), operator, w.account("mia").ID))
	mia.signIn("mia")
}

// Attack: an attacker who knows the old password has passed the first step, and waits at
// the second step until they have a code. Their session becomes invalid when the password
// or the second factor changes, wherever it is changed. A valid code does not help.
func TestHalfSessionIsVoidAfterAChange(t *testing.T) {
	const changed = "the new password"
	for name, row := range map[string]struct {
		// change is an action of the owner or an operator. It returns the account's backup
		// codes, or nil if they did not change.
		change   func(w *fixture, mia, olga *browser) (codes []plexauth.Secret)
		password string // afterwards
	}{
		"a stolen password is changed on the account's page": {
			func(_ *fixture, mia, _ *browser) []plexauth.Secret {
				mia.sends("/account/password", "/account/security?done=password", "current", password, "new", changed)
				return nil
			}, changed,
		},
		"a stolen password is changed by an admin": {
			func(_ *fixture, _, olga *browser) []plexauth.Secret {
				olga.sends("/admin/accounts/2/password", "/admin/accounts/2?done=password", "current", password, "new", changed)
				return nil
			}, changed,
		},
		"a stolen password is changed on the command line": {
			func(w *fixture, _, _ *browser) []plexauth.Secret {
				w.must(w.Accounts.SetPassword(w.Context(), operator, w.account("mia").ID, changed))
				return nil
			}, changed,
		},
		"a stolen authenticator is replaced": {
			func(w *fixture, _, _ *browser) []plexauth.Secret {
				_, codes := w.enrol("mia")
				return codes
			}, password,
		},
		"a stolen authenticator is turned off and replaced": {
			func(w *fixture, mia, _ *browser) []plexauth.Secret {
				_, codes := w.enrol("mia")
				mia.sends("/account/second-factor/remove", "/account/security?done=factor",
					"current", password, "code", string(codes[0]))
				_, codes = w.enrol("mia")
				return codes
			}, password,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			_, codes := w.enrol("mia")
			mia, olga, thief := w.browser(), w.browser().signIn("olga"), w.browser()
			half := func(b *browser, password string) {
				t.Helper()
				b.sends("/auth/sign-in", "/auth/code?next=%2Faccount", "login", "mia", "password", password)
			}
			half(mia, password)
			mia.sends("/auth/code", "/account", "code", string(codes[0]))
			half(thief, password)
			thief.wantPage(thief.get("/auth/code"), 200, "One more step")

			if replaced := row.change(w, mia, olga); replaced != nil {
				codes = replaced
			}
			thief.wantTo(thief.get("/auth/code"), "/auth?next=%2Faccount")
			thief.sends("/auth/code", "/auth?next=%2Faccount&late=1", "code", string(codes[1]))
			for _, path := range []string{"/auth/code/passkey/challenge", "/auth/code/passkey"} {
				thief.sends(path, "/auth?next=%2Faccount&late=1", "answer", "{}")
			}
			thief.wantPage(thief.get("/auth"), 200, "Sign in")
			thief.wantTo(thief.get("/account"), "/auth?next=%2Faccount")

			// The owner is still signed in, and the thief's attempt used up no code.
			mia.wantPage(mia.get("/account"), 200)
			again := w.browser()
			half(again, row.password)
			again.sends("/auth/code", "/account", "code", string(codes[1]))
		})
	}
}

// Attack: the code is sent at the time of the change. The session was valid when the
// request began, and is invalid when the code is checked.
func TestHalfSessionIsVoidDuringTheRequest(t *testing.T) {
	w := newTown(t)
	_, codes := w.enrol("mia")
	b := w.browser()
	b.sends("/auth/sign-in", "/auth/code?next=%2Flink", "login", "mia", "password", password, "next", "/link")
	half, err := w.Sessions.Find(t.Context(), plexauth.Secret(b.cookie(sessionCookie, "/")), "127.0.0.1")
	w.must(err)
	w.must(w.Accounts.SetPassword(t.Context(), operator, w.account("mia").ID, "the new password"))
	form := url.Values{"code": {string(codes[0])}, "next": {"/link"}}
	to, err := web.SubmitCode(t.Context(), w.Core.Core, half, form)
	if err != nil || to != "/auth?next=%2Flink&late=1" {
		t.Errorf("the code leads to %q, %v; want the sign-in page", to, err)
	}
}

// Attack: a forged cookie, or a program's token, is sent as a session.
func TestMadeUpCookies(t *testing.T) {
	w := newTown(t)
	mia := w.browser().signIn("mia")
	tv := w.start(false)
	mia.post("/auth/consent", url.Values{"code": {tv.Code}, "decision": {"allow"}})
	token, _ := w.token(tv)
	for _, value := range []string{"", "x", strings.Repeat("A", 26), string(token), strings.Repeat("A", 9000)} {
		b := w.browser()
		b.keep(sessionCookie, value)
		b.wantTo(b.get("/account"), "/auth?next=%2Faccount")
	}
	// The session cookie does not work as a token.
	s := w.browser().do("GET", "/api/v2/user", nil, http.Header{"X-Plex-Token": {mia.cookie(sessionCookie, "/")}, "X-Plex-Client-Identifier": {"x"}})
	if s.StatusCode != 401 {
		t.Errorf("the session cookie as a token returns %d", s.StatusCode)
	}
}

// A request body that exceeds the limit is rejected.
func TestLargeForm(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	s := b.post("/auth/sign-in", url.Values{"login": {strings.Repeat("x", 100_000)}})
	b.wantPage(s, 400, "The form could not be read")
}

// Attack: another host of the domain, or an attacker on the network over plain HTTP, adds
// their own session cookie to the visitor's, or replaces it.
func TestPlantedCookies(t *testing.T) {
	for name, row := range map[string]struct {
		tls     bool
		cookies []string // SECRET stands for a valid session's secret
		in      bool
	}{
		"the session's own":            {true, []string{"__Host-usher_session=SECRET"}, true},
		"a name without the prefix":    {true, []string{"usher_session=SECRET"}, false},
		"two of one name":              {true, []string{"__Host-usher_session=SECRET", "__Host-usher_session=planted"}, false},
		"two of one name, other order": {true, []string{"__Host-usher_session=planted", "__Host-usher_session=SECRET"}, false},
		"plain HTTP":                   {false, []string{"usher_session=SECRET"}, true},
		"plain HTTP, two of one name":  {false, []string{"usher_session=planted", "usher_session=SECRET"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := startFixture(t, row.tls, nil)
			w.people()
			b := w.browser().signIn("mia")
			secret := b.cookie(web.CookieName(sessionCookie, "/", row.tls), "/")
			r := httptest.NewRequest(http.MethodGet, b.base+"/account", nil)
			for _, c := range row.cookies {
				r.Header.Add("Cookie", strings.ReplaceAll(c, "SECRET", secret))
			}
			answer := httptest.NewRecorder()
			w.server.Handler().ServeHTTP(answer, r)
			if in := answer.Code == http.StatusOK; in != row.in {
				t.Errorf("status %d, signed in %v, want %v", answer.Code, in, row.in)
			}
		})
	}
}

// Attack: an attacker on the network serves a page over plain HTTP with this host's name,
// and its form is sent to this server over https.
func TestFormOfPlainHTTP(t *testing.T) {
	w := startFixture(t, true, nil)
	w.people()
	for origin, status := range map[string]int{
		w.browser().base: http.StatusUnauthorized,
		strings.Replace(w.browser().base, "https://", "http://", 1): http.StatusForbidden,
	} {
		form := strings.NewReader("login=mia&password=wrong")
		r := httptest.NewRequest(http.MethodPost, w.browser().base+"/auth/sign-in", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		answer := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(answer, r)
		if answer.Code != status {
			t.Errorf("a form from %s: status %d, want %d", origin, answer.Code, status)
		}
	}
}

// Attack: names of a device, a program, a server, an account and a passkey have
// bidirectional controls and invisible characters, so that a page shows something else than
// what is stored. The names get into the database in different ways.
func TestPagesShowWhatIsThere(t *testing.T) {
	w := newTown(t)
	const evil, seen = "Livi\u202eng\u2066 \u200broom\u00ad\U000e0041", "Living room"
	b := w.browser().signIn("olga")
	p, err := w.PINs.Start(t.Context(), device.Device{
		ClientIdentifier: "tv", Product: evil, Version: evil, Platform: evil, Name: evil,
	}, true, "")
	w.must(err)
	w.must(w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(
			tx.Exec(ctx, "UPDATE account SET title = $1, username = $1 WHERE username = 'noa'", evil),
			tx.Exec(ctx, "UPDATE source SET name = $1", evil),
			tx.Exec(ctx, "UPDATE session SET user_agent = $1", evil),
		)
	}))
	consent := b.get("/auth?" + url.Values{"code": {p.Code}, "context[device][product]": {evil}, "forwardUrl": {"https://example.org/" + evil[:7]}}.Encode())
	b.wantPage(consent, 200, "“"+seen+"” wants to sign in")
	b.post("/auth/consent", url.Values{"code": {p.Code}, "decision": {"allow"}})
	for _, path := range []string{
		"/account", "/account/devices", "/account/browsers", "/account/sign-ins", "/admin", "/admin/accounts", "/admin/accounts/3", "/admin/servers", "/admin/tokens", "/admin/audit",
		"/admin/audit?text=" + url.QueryEscape(evil), "/link?pin=" + url.QueryEscape("\u202eA"),
	} {
		s := b.get(path)
		b.wantPage(s, 200)
		if strings.ContainsAny(s.text, "\u202e\u2066\u200b\u00ad\U000e0041") {
			t.Errorf("%s contains an invisible character", path)
		}
	}
	if strings.ContainsAny(consent.text, "\u202e\u2066\u200b") {
		t.Error("the consent page contains an invisible character")
	}
	b.wantPage(b.get("/account/devices"), 200, seen)
	list, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.PINLinked}})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Detail, seen) {
		t.Errorf("the log has %+v, %v", list, err)
	}
}
