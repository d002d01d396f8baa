package api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
)

// Attack: a member sets the e-mail address of another person, and a program that identifies
// users by confirmed addresses treats the member as that person. Every response with an
// account reports that the address is not confirmed, even if it was cached before.
// cached before.
func TestConfirmed(t *testing.T) {
	w := newFixture(t, func(cfg *config) { cfg.MembersSetEmail = true })
	member, err := w.Accounts.Find(t.Context(), "member")
	if err != nil {
		t.Fatal(err)
	}
	own := audit.Actor{AccountID: member.ID}
	form := url.Values{"login": {"member"}, "password": {password}}
	check := func(when, inJSON, inXML string) {
		t.Helper()
		tok := w.signIn(t, "member")
		for _, accept := range []string{"application/json", "application/xml"} {
			want := inJSON
			if accept == "application/xml" {
				want = inXML
			}
			for _, path := range []string{"/api/v2/users/signin", "/api/v2/user"} {
				method, body := "GET", url.Values(nil)
				if path == "/api/v2/users/signin" {
					method, body = "POST", form
				}
				if _, got := w.ask(t, method, path, accept, tok, body); strings.Count(got, want) != 1 {
					t.Errorf("%s, %s in %s: no %s in %s", when, path, accept, want, got)
				}
			}
		}
		// Version 1 has no such field.
		for _, path := range []string{"/users/account", "/users/account.json", "/users/sign_in.xml", "/users/sign_in.json", "/"} {
			method, body := "GET", url.Values(nil)
			if strings.Contains(path, "sign_in") {
				method, body = "POST", url.Values{"user[login]": {"member"}, "user[password]": {password}}
			}
			if res, got := w.ask(t, method, path, "application/xml", tok, body); res.StatusCode >= 300 || strings.Contains(got, "onfirmed") {
				t.Errorf("%s, %s %s: %d %s", when, method, path, res.StatusCode, got)
			}
		}
	}
	const yes, no = `"confirmed":true`, `"confirmed":false`
	const yesXML, noXML = ` confirmed="1"`, ` confirmed="0"`
	check("an admin set it", yes, yesXML)
	if err := w.Accounts.SetEmail(t.Context(), own, member.ID, "someone@example.org"); err != nil {
		t.Fatal(err)
	}
	check("the member changed it", no, noXML)
	if err := w.Accounts.ConfirmEmail(t.Context(), operator, member.ID, "someone@example.org"); err != nil {
		t.Fatal(err)
	}
	check("an admin confirmed it", yes, yesXML)
	if err := w.Accounts.SetEmail(t.Context(), operator, member.ID, ""); err != nil {
		t.Fatal(err)
	}
	check("no address", no, noXML)
}
