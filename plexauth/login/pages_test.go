package login_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauth/login"
)

var (
	action = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	goOn   = regexp.MustCompile(`<a class="button" href="([^"]+)"`)
)

// open loads a page of the account plane like a browser, and returns it.
func (s *site) open(browser *http.Client, address string) string {
	s.t.Helper()
	res, err := browser.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(res)
}

func (s *site) read(res *http.Response) string {
	s.t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s answers %d: %v\n%s", res.Request.URL.Path, res.StatusCode, err, text)
	}
	_, content, found := strings.Cut(string(text), "<main") // above it is a form to sign out
	if !found {
		return string(text)
	}
	return content
}

// submit fills in and submits the form of a page.
func (s *site) submit(browser *http.Client, page string, fields ...string) string {
	s.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	m := action.FindStringSubmatch(page)
	if m == nil {
		s.t.Fatalf("there is no form on the page\n%s", page)
	}
	res, err := browser.PostForm(s.srv.AccountURL+m[1], form)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(res)
}

// The complete flow through the pages of usher, like a user whose browser runs
// only the script that moves the fragment.
func TestThroughThePages(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		s := newSite(t, false, nil)
		browser := s.browser()
		away := s.get(browser, s.web.URL+"/sign-in").Header.Get("Location")
		browser.CheckRedirect = nil
		page := s.open(browser, strings.Replace(away, "/auth#?", "/auth?", 1))
		page = s.submit(browser, page, "login", s.srv.Member.Username, "password", string(s.srv.Member.Password))
		if !strings.Contains(page, "“plexauthtest”</bdi> wants to sign in as member") || !strings.Contains(page, html.EscapeString(s.web.URL+"/signed-in")) {
			t.Fatalf("the page does not name the program and its address\n%s", page)
		}
		if !allowed {
			s.submit(browser, page, "decision", "refuse")
			_, text, _ := strings.Cut(away, "#?")
			query, _ := url.ParseQuery(text)
			s.get(browser, query.Get("forwardUrl")) // the test opens it: the page does not lead there
			s.mustFail(login.ErrAccessDenied)
			continue
		}
		page = s.submit(browser, page, "decision", "allow")
		m := goOn.FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the page does not lead back\n%s", page)
		}
		if got := s.open(browser, html.UnescapeString(m[1])); got != "hello member" || s.last().err != nil {
			t.Errorf("it ended with %q and %+v", got, s.last())
		}
	}
}
