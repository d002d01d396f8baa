package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/web"
)

// below is the path of the site in these tests.
const below = "/usher"

// stripping is a reverse proxy that removes the path, and fails requests that are not below
// it.
type stripping struct{ next http.RoundTripper }

func (s stripping) RoundTrip(r *http.Request) (*http.Response, error) {
	rest, found := strings.CutPrefix(r.URL.Path, below)
	if !found {
		return nil, fmt.Errorf("%s is not below %s", r.URL.Path, below)
	}
	passed := r.Clone(r.Context())
	passed.URL.Path, passed.URL.RawPath = "/"+strings.TrimPrefix(rest, "/"), ""
	res, err := s.next.RoundTrip(passed)
	if err == nil {
		res.Request = r
	}
	return res, err
}

// newSite returns a town below a path, behind a proxy that removes or keeps the path, and a
// function that creates browsers for it.
func newSite(t *testing.T, strips bool) (*fixture, func() *browser) {
	t.Helper()
	w := startFixture(t, true, func(c *config) { c.Server.PublicURL = "https://localhost" + below })
	w.people()
	return w, func() *browser {
		b := w.browser()
		b.base = "https://localhost"
		if strips {
			b.Transport = stripping{b.Transport}
		}
		return b
	}
}

var (
	linkAttribute = regexp.MustCompile(`\s(href|src|action|formaction|poster|cite|srcset|background)=(?:"([^"]*)"|([^\s">]+))`)
	pathInText    = regexp.MustCompile(`https?://localhost[^\s<"]*`)
)

// leaves returns everything in a response that leads the browser out of the site.
func leaves(s seen) (out []string) {
	check := func(what, to string) {
		u, err := s.Request.URL.Parse(to)
		switch {
		case err != nil:
			out = append(out, what+" "+to)
		case u.Host == "localhost" && u.Path != below && !strings.HasPrefix(u.Path, below+"/"):
			out = append(out, what+" "+to)
		}
	}
	opened, sentTo := links(s)
	for _, to := range append(opened, sentTo...) {
		check("a link", to)
	}
	for _, to := range pathInText.FindAllString(html.UnescapeString(s.text), -1) {
		check("an address", to)
	}
	if to := s.location(); to != "" {
		check("a redirect", to)
	}
	if _, to, ok := strings.Cut(s.Header.Get("Refresh"), "url="); ok {
		check("a refresh", to)
	}
	for _, c := range s.Cookies() {
		if c.Path != below && !strings.HasPrefix(c.Path, below+"/") {
			out = append(out, "a cookie for "+c.Path)
		}
		if !strings.HasPrefix(c.Name, "__Secure-") || !c.Secure || c.Domain != "" {
			out = append(out, "a cookie "+c.Name+" without its marks")
		}
	}
	return out
}

// links lists the addresses in a page: those that a browser opens, and those that it posts
// forms to.
func links(s seen) (opened, sentTo []string) {
	for _, found := range linkAttribute.FindAllStringSubmatch(s.text, -1) {
		to := html.UnescapeString(found[2] + found[3])
		if strings.HasSuffix(found[1], "action") {
			sentTo = append(sentTo, to)
			continue
		}
		opened = append(opened, to)
	}
	return opened, sentTo
}

// No page, redirect or cookie leads out of the site, whoever requests it and whether or not
// the proxy removes the path. The test opens or submits every row of the table, and follows
// every link on a page.
func TestBelowAPath(t *testing.T) {
	for _, strips := range []bool{false, true} {
		t.Run(fmt.Sprintf("stripped %v", strips), func(t *testing.T) {
			w, enter := newSite(t, strips)
			w.enrol("noa")
			films := w.AddSource(source.Source{Kind: source.Server, Identifier: "films", Name: "Films", OwnerID: w.account("olga").ID, Connections: []source.Connection{{URI: "http://192.0.2.5:32400"}}})
			w.must(w.Sources.Share(t.Context(), operator, films, w.account("mia").ID))
			w.crowd(60)
			w.program("mia")
			w.program("olga")

			stranger, half, olga := enter(), enter(), enter()
			form := func(name string) url.Values { return url.Values{"login": {name}, "password": {password}} }
			half.wantTo(half.post(below+"/auth/sign-in", form("noa")), below+"/auth/code?next=%2Faccount")
			olga.wantTo(olga.post(below+"/auth/sign-in", form("olga")), below+"/account")
			olga.wantPage(olga.get(below+"/account"), 200, "olga")
			if olga.cookie("__Secure-usher_session", below) == "" || olga.cookie("__Secure-usher_session", "/ushers") != "" {
				t.Error("the session does not belong to the site")
			}

			table := rows(t)
			// Rows that end the visitor's own session come last.
			slices.SortStableFunc(table, func(a, b web.Row) int { return strings.Compare(a.Method, b.Method) })
			asked := 0
			for _, b := range []*browser{stranger, half, olga} {
				if strips {
					break // the pages are the same, and the crawl shows that requests arrive
				}
				for _, row := range table {
					if strings.HasSuffix(row.Path, "/sign-out") {
						continue
					}
					s := b.do(row.Method, below+row.Path, nil, http.Header{"Sec-Fetch-Site": {"same-origin"}})
					asked++
					for _, out := range leaves(s) {
						t.Errorf("%s %s: %s", row.Method, row.Path, out)
					}
					if row.Method == http.MethodGet && row.Path != "/" {
						if s := b.get(below + row.Path + "/"); s.StatusCode != http.StatusSeeOther || len(leaves(s)) > 0 {
							t.Errorf("%s/: status %d, %q", row.Path, s.StatusCode, leaves(s))
						}
					}
				}
			}
			if asked < 150 && !strips {
				t.Errorf("only %d requests", asked)
			}
			visited := crawl(olga, below+"/", below, below+"/nothing", below+"/static", below+"/static/", below+"/docs", below+"/admin?span=week", below+"/admin/audit")
			for _, page := range []string{"/admin/accounts", "/admin/servers", "/account/security", "/static/style.css", "/link", "/account/family"} {
				if !visited[below+page] {
					t.Errorf("no link leads to %s", page)
				}
			}
			if s := olga.post(below+"/auth/sign-out", nil); len(leaves(s)) > 0 || s.location() != below+"/" {
				t.Errorf("after the sign-out: %q", leaves(s))
			}
			olga.wantTo(olga.get(below+"/account"), below+"/auth?next=%2Faccount")
		})
	}
}

// crawl follows the links of pages, and returns the visited paths. Of links that differ
// only in a number, it follows one.
func crawl(b *browser, from ...string) map[string]bool {
	b.Helper()
	visited, known := make(map[string]bool), make(map[string]bool)
	digits := regexp.MustCompile(`\d+`)
	for queue := from; len(queue) > 0 && len(known) < 300; queue = queue[1:] {
		s := b.get(queue[0])
		visited[s.Request.URL.Path] = true
		for _, out := range leaves(s) {
			b.Errorf("%s: %s", queue[0], out)
		}
		if s.StatusCode == http.StatusNotFound && !slices.Contains(from, queue[0]) {
			b.Errorf("a link leads to %s, which does not exist", queue[0])
		}
		next, _ := links(s)
		if to := s.location(); to != "" {
			next = append(next, to)
		}
		for _, to := range next {
			u, err := s.Request.URL.Parse(to)
			if err != nil || u.Host != "localhost" || known[digits.ReplaceAllString(u.RequestURI(), "1")] {
				continue
			}
			known[digits.ReplaceAllString(u.RequestURI(), "1")] = true
			queue = append(queue, u.RequestURI())
		}
	}
	return visited
}

// A program's sign-in below a path: the page that a device shows, the consent, and the code
// that a visitor types.
func TestConsentBelowAPath(t *testing.T) {
	for _, strips := range []bool{false, true} {
		w, enter := newSite(t, strips)
		b := enter()
		tv := w.start(false)
		ask := b.get(below + "/auth?code=" + tv.Code)
		b.wantPage(ask, 200, "Sign in")
		next := regexp.MustCompile(`name="next" value="([^"]*)"`).FindStringSubmatch(ask.text)
		if next == nil {
			t.Fatalf("no next:\n%s", ask.text)
		}
		s := b.post(below+"/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}, "next": {html.UnescapeString(next[1])}})
		b.wantPage(b.get(s.location()), 200, "wants to sign in as mia")
		s = b.post(below+"/link", url.Values{"code": strings.Split(tv.Code, "")})
		if len(leaves(s)) > 0 || b.cookie("__Secure-usher_code", below+"/auth") != tv.Code {
			t.Errorf("after the code: %q", leaves(s))
		}
		b.wantPage(b.get(s.location()), 200, "wants to sign in as mia")
		s = b.post(below+"/auth/consent", url.Values{"code": {tv.Code}, "decision": {"allow"}})
		b.wantPage(b.get(s.location()), 200, "is signed in as mia")
		if token, _ := w.token(tv); token == "" {
			t.Error("the television has no token")
		}
	}
}

// The first link works: it opens the page that creates the first admin.
func TestSetUpBelowAPath(t *testing.T) {
	w := startFixture(t, true, func(c *config) { c.Server.PublicURL = "https://localhost" + below + "/" })
	b := w.browser()
	b.base = "https://localhost"
	s := b.get(below + string(w.server.Pages().SetupPath()))
	b.wantTo(s, below+"/setup")
	b.wantPage(b.get(s.location()), 200, "Welcome")
	b.wantTo(b.post(below+"/setup", url.Values{"username": {"olga"}, "password": {password}}), below+"/account")
	b.wantPage(b.get(below+"/account"), 200, "olga")
}

// Attack: another program on the host, at another path, sets a session cookie for the whole
// host. The server cannot tell which of the two cookies is its own.
func TestPlantedCookieBelowAPath(t *testing.T) {
	w, enter := newSite(t, false)
	b := enter()
	b.post(below+"/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}})
	planted := w.browser()
	planted.base = b.base
	planted.post(below+"/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}})
	b.keep("__Secure-usher_session", planted.cookie("__Secure-usher_session", below))
	b.wantTo(b.get(below+"/account"), below+"/auth?next=%2Faccount")
}

// Paths leave this package in one place each: scripts prepend the root, and only
// frame.redirect redirects.
func TestPathsHaveTheRoot(t *testing.T) {
	scripts, err := filepath.Glob("static/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatal(err)
	}
	raw := regexp.MustCompile(`(?:fetch|location\.(?:replace|assign))\(\s*["'` + "`" + `]|location(?:\.href)? = |["'` + "`" + `](?:href|src|action)["'` + "`" + `],\s*["'` + "`" + `]/`)
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range raw.FindAllString(string(text), -1) {
			t.Errorf("%s has %s: a path needs document.documentElement.dataset.root", name, found)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "http."+"Redirect("); n > 0 && name != "redirect.go" || n > 1 {
			t.Errorf("%s redirects without frame.redirect", name)
		}
		if n := strings.Count(string(text), "http."+"SetCookie("); n > 0 && name != "cookie.go" || n > 1 {
			t.Errorf("%s sets a cookie without frame.setCookie", name)
		}
	}
}
