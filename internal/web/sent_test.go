package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// wantWrong checks that a page has a problem in its summary and at a field. The summary
// links to the field, the field is described by the problem, and the page contains no
// password.
func (b *browser) wantWrong(s seen, id, text string) {
	b.Helper()
	for _, part := range []string{
		`role="alert"><a href="#` + id + `">` + text, `<p class="wrong" id="` + id + `-wrong">` + text,
	} {
		if !strings.Contains(s.text, part) {
			b.Errorf("%s %s: the page has no %s:\n%s", s.Request.Method, s.Request.URL, part, s.text)
		}
	}
	tag := regexp.MustCompile(`<(?:input|textarea|select)[^>]* id="` + id + `"[^>]*>|<(?:input|textarea|select) id="` + id + `"[^>]*>`).FindString(s.text)
	for _, part := range []string{`aria-invalid="true"`, `aria-describedby="` + id + `-wrong`} {
		if !strings.Contains(tag, part) {
			b.Errorf("%s %s: the field is %s, without %s", s.Request.Method, s.Request.URL, tag, part)
		}
	}
	if n := strings.Count(s.text, `aria-invalid`); n != 1 {
		b.Errorf("%s %s: %d fields are marked invalid", s.Request.Method, s.Request.URL, n)
	}
}

// The page shows a problem at its field, in the submitted form. The form keeps what was
// typed, except for passwords.
func TestProblemsAreShownAtTheirField(t *testing.T) {
	w := newTown(t)
	w.enrol("noa")
	b := w.browser().signIn("olga")
	const secret = "a password typed"
	for _, row := range []struct {
		path, field, text string
		form              url.Values
		kept              string
	}{
		{"/account/password", "current", "Your own password is not right", url.Values{"current": {secret}, "new": {secret}}, ""},
		{"/account/password", "new", "at least 8", url.Values{"current": {password}, "new": {"short"}}, ""},
		{"/account/identity", "current", "Your own password", url.Values{"current": {secret}, "username": {"new-name"}, "email": {"a@example.org"}}, `value="new-name"`},
		{"/account/identity", "username", "has a space", url.Values{"current": {password}, "username": {"new name"}, "email": {"a@example.org"}}, `value="new name"`},
		{"/account/identity", "email", "exists already", url.Values{"current": {password}, "username": {"olga"}, "email": {"mia@example.org"}}, `value="mia@example.org"`},
		{"/admin/accounts", "current", "Your own password", url.Values{"current": {secret}, "username": {"eve"}, "password": {secret}, "admin": {"1"}}, `value="1" checked`},
		{"/admin/accounts", "password", "at least 8", url.Values{"current": {password}, "username": {"eve"}, "password": {"short"}}, `value="eve"`},
		{"/admin/accounts/2/password", "current", "Your own password", url.Values{"current": {secret}, "new": {secret}}, ""},
		{"/admin/accounts/2/email", "email", "exists already", url.Values{"current": {password}, "email": {"noa@example.org"}}, `value="noa@example.org"`},
		{"/admin/accounts/2/remove", "current", "Your own password", url.Values{"current": {secret}, "sure": {"1"}}, ""},
		{"/admin/origins", "origin", "neither https", url.Values{"origin": {"ftp://x"}}, `value="ftp://x"`},
		{"/admin/servers", "connections", "It has no connection", url.Values{"name": {"Den"}, "identifier": {"d"}, "connections": {""}}, `value="Den"`},
		{"/admin/servers", "identifier", "The identifier", url.Values{"name": {"Den"}, "identifier": {""}, "connections": {"http://10.0.0.1:1"}}, "http://10.0.0.1:1</textarea>"},
		{"/admin/servers", "name", "The name", url.Values{"name": {""}, "identifier": {"d"}, "connections": {"http://10.0.0.1:1"}}, `value="d"`},
	} {
		s := b.post(row.path, row.form)
		if s.StatusCode != 400 || !strings.Contains(s.text, row.kept) {
			t.Errorf("POST %s: status %d, want 400 and %s:\n%s", row.path, s.StatusCode, row.kept, s.text)
		}
		wrong := regexp.QuoteMeta(row.text)
		text := regexp.MustCompile(`[^>]*` + wrong).FindString(s.text)
		b.wantWrong(s, strings.ReplaceAll(strings.Trim(row.path, "/"), "/", "-")+"-"+row.field, text)
		if strings.Contains(s.text, secret) || strings.Contains(s.text, password) || strings.Contains(s.text, `value="short"`) {
			t.Errorf("POST %s: the page shows a password", row.path)
		}
	}
	stranger := w.browser()
	s := stranger.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {secret}, "next": {"/account"}})
	stranger.wantWrong(s, "auth-sign-in-password", "The name or the password is not right.")
	stranger.wantTo(stranger.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}}), "/auth/code?next=%2Faccount")
	stranger.wantWrong(stranger.post("/auth/code", url.Values{"code": {"000000"}}), "auth-code-code", "The code is not right, or was used before.")
}

// All problems of a form are shown together: in the summary, which has the focus and links
// to each field, and at the fields.
func TestSeveralProblems(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	for _, row := range []struct {
		path  string
		form  url.Values
		wrong []string
		kept  string
	}{
		{"/admin/accounts", url.Values{"username": {"a b"}, "email": {"x"}, "password": {"short"}, "current": {"no"}}, []string{"username", "email", "password", "current"}, `value="a b"`},
		{"/account/password", url.Values{"current": {"a guess"}, "new": {"short"}}, []string{"current", "new"}, ""},
		{"/account/identity", url.Values{"username": {"a b"}, "email": {"x"}, "current": {password}}, []string{"username", "email"}, `value="x"`},
		{"/admin/keys", url.Values{"name": {"!"}, "scope": {"audit:read"}, "expires": {"2001-01-01"}, "current": {"no"}}, []string{"name", "expires", "current"}, `value="2001-01-01"`},
		{"/admin/invitations", url.Values{"username": {"a b"}, "days": {"31"}, "current": {"no"}}, []string{"username", "days", "current"}, `value="31"`},
		{"/admin/servers", url.Values{"name": {""}, "identifier": {"a b"}, "connections": {"ftp://x"}, "owner": {""}}, []string{"connections", "identifier", "name"}, "ftp://x</textarea>"},
	} {
		s := b.post(row.path, row.form)
		b.wantPage(s, 400, `role="alert" tabindex="-1" autofocus`, row.kept)
		for _, field := range row.wrong {
			id := strings.ReplaceAll(strings.Trim(row.path, "/"), "/", "-") + "-" + field
			b.wantPage(s, 400, `<a href="#`+id+`">`, `id="`+id+`-wrong"`)
		}
		if n := strings.Count(s.text, "aria-invalid"); n != len(row.wrong) || strings.Count(s.text, "autofocus") != 1 {
			t.Errorf("POST %s: %d fields are marked invalid, want %d, with one focus:\n%s", row.path, n, len(row.wrong), s.text)
		}
	}
}
