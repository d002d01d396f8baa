package web_test

import (
	"net/url"
	"strings"
	"testing"
)

func TestSignUpPage(t *testing.T) {
	w := newFixture(t, func(c *config) { c.SignUp = true })
	w.people()
	b := w.browser()
	b.wantPage(b.get("/auth?next=/link"), 200, `<a href="/auth/sign-up?next=%2Flink">Make an account</a>`)
	b.wantPage(b.get("/auth/sign-up?next=/link"), 200, `<input type="hidden" name="next" value="/link">`, `href="/auth?next=%2Flink"`)
	form := url.Values{"next": {"/link"}, "username": {"mia"}, "email": {"nora@example.org"}, "password": {password}}
	b.wantPage(b.post("/auth/sign-up", form), 400, "An account with this name or e-mail exists already", `value="nora@example.org"`,
		`id="auth-sign-up-username-wrong"`)
	form.Set("username", "nora")
	b.wantTo(b.post("/auth/sign-up", form), "/link")
	b.wantPage(b.get("/account"), 200, "nora")
	b.wantTo(b.get("/auth/sign-up"), "/account")
	if a := w.account("nora"); a.Admin || a.EmailConfirmed() {
		t.Errorf("%+v", a)
	}
}

// Attack: a link to the page redirects users to another site.
func TestSignUpStaysHere(t *testing.T) {
	w := newFixture(t, func(c *config) { c.SignUp = true })
	w.people()
	b := w.browser()
	form := url.Values{"next": {"https://thief.example.org/"}, "username": {"nora"}, "password": {password}}
	b.wantTo(b.post("/auth/sign-up", form), "/account")
}

// Without --sign-up, there is no such page, and no link to it. There is none before the
// first account either: that account belongs to the owner of the server.
func TestNoSignUpPage(t *testing.T) {
	off, empty := newTown(t), newFixture(t, func(c *config) { c.SignUp = true })
	for name, w := range map[string]*fixture{"off": off, "no account": empty} {
		b := w.browser()
		if got := b.get("/auth"); strings.Contains(got.text, "sign-up") {
			t.Errorf("%s: the sign-in page has a link", name)
		}
		b.wantPage(b.get("/auth/sign-up"), 404)
		b.wantPage(b.post("/auth/sign-up", url.Values{"username": {"nora"}, "password": {password}}), 404)
	}
}
