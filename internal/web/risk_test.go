package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/web"
)

// Changes that cannot be undone ask for confirmation. Every row that ends or removes
// something is in this list or in the one below, and so must be a new row.
func TestChangesThatAskFirst(t *testing.T) {
	asks := map[string]bool{
		"/account/devices/{id}/merge": true, "/admin/accounts/{id}/devices/{device}/merge": true,
		"/account/devices/{id}/revoke": true, "/account/sessions/{id}/end": true, "/account/revoke-others": true,
		"/admin/accounts/{id}/disable": true, "/admin/accounts/{id}/promote": true, "/admin/accounts/{id}/demote": true,
		"/admin/accounts/{id}/second-factor/remove": true, "/admin/accounts/{id}/passkeys/{passkey}/remove": true,
		"/admin/accounts/{id}/sign-out": true, "/admin/accounts/{id}/remove": true, "/admin/servers/remove": true,
		"/admin/shares/remove": true, "/admin/providers/remove": true, "/admin/tokens/{id}/revoke": true,
		"/admin/keys/{id}/revoke": true, "/account/webhooks/secret": true, "/account/webhooks/secret/renew": true,
		"/admin/invitations/{id}/revoke": true, "/account/family/{id}/remove": true, "/account/family/leave": true,
	}
	// These rows have the password and the second factor in the form itself, can be undone
	// in one step, or affect only what the visitor sees.
	others := map[string]bool{
		"/account/second-factor/remove": true, "/account/passkeys/{id}/remove": true, "/admin/origins/remove": true,
		"/auth/sign-out":           true,
		"/account/webhooks/remove": true,
	}
	for _, row := range web.Rows() {
		ends := false
		for _, word := range []string{"/remove", "/revoke", "/end", "/sign-out", "/disable", "/demote", "/leave"} {
			ends = ends || row.Method == http.MethodPost && strings.Contains(row.Path, word)
		}
		if ends && !asks[row.Path] && !others[row.Path] {
			t.Errorf("%s is in neither list", row.Path)
		}
	}
	w := newTown(t)
	w.program("mia")
	b, before := w.browser().signIn("olga"), 0
	b.addPasskey("phone")
	before = w.entries()
	for path := range asks {
		if strings.Contains(path, "/admin/s") || strings.Contains(path, "/admin/p") || strings.Contains(path, "/account/s") || strings.Contains(path, "/account/d") || strings.Contains(path, "/account/f") || strings.HasSuffix(path, "/merge") {
			continue // they need a form, or an object of olga's; their own tests ask
		}
		of := fmt.Sprint(w.account("mia").ID)
		if strings.HasPrefix(path, "/admin/tokens") {
			of = fmt.Sprint(w.tokens(w.account("mia").ID)[0].ID)
		}
		if strings.HasPrefix(path, "/admin/keys") {
			_, k, err := w.AdminKeys.Make(t.Context(), audit.Actor{Name: "test"}, adminkey.NewKey{Name: "script", Scopes: []string{"audit:read"}})
			if err != nil {
				t.Fatal(err)
			}
			of, before = fmt.Sprint(k.ID), w.entries()
		}
		if strings.HasPrefix(path, "/admin/invitations") {
			_, i, err := w.Invites.Make(t.Context(), audit.Actor{Name: "test"}, invite.New{})
			if err != nil {
				t.Fatal(err)
			}
			of, before = fmt.Sprint(i.ID), w.entries()
		}
		path = strings.NewReplacer("{id}", of, "{passkey}", "1").Replace(path)
		page := b.asks(path)
		password := strings.Contains(page, "Your own password") && strings.Contains(page, `data-passkey="alone"`)
		if password != (strings.HasPrefix(path, "/admin/") || strings.HasPrefix(path, "/account/webhooks/")) {
			t.Errorf("%s asks for the password or a passkey: %v", path, password)
		}
	}
	if n := w.entries(); n != before {
		t.Errorf("the question changed something: %d rows", n-before)
	}
}

// A passkey can be used instead of the password.
func TestPasskeyInsteadOfPassword(t *testing.T) {
	w := newTown(t)
	olga, mia := w.browser().signIn("olga"), w.browser().signIn("mia")
	olgas, mias := olga.addPasskey("phone"), mia.addPasskey("phone")
	const challenge, signOut = "/account/confirm/challenge", "/admin/accounts/3/sign-out"
	w.program("noa")
	answer := func(text []byte) url.Values { return url.Values{"sure": {"1"}, "answer": {string(text)}} }
	left := func(want int) {
		t.Helper()
		if n := len(w.tokens(w.account("noa").ID)); n != want {
			t.Errorf("noa has %d tokens, want %d", n, want)
		}
	}

	// Attack: a passkey of another account, one without user verification, the response to
	// another browser's challenge, and one for another purpose.
	olga.wantPage(olga.post(signOut, answer(mias.Sign(t, olga.options(challenge, nil)))), 400, "not accepted")
	olgas.Unverified = true
	olga.wantPage(olga.post(signOut, answer(olgas.Sign(t, olga.options(challenge, nil)))), 400, "not accepted")
	olgas.Unverified = false
	other := w.browser().signIn("olga")
	olga.wantPage(olga.post(signOut, answer(olgas.Sign(t, other.options(challenge, nil)))), 400, "took too long")
	olga.wantPage(olga.post(signOut, answer(olgas.Sign(t, olga.options("/account/second-factor/challenge", nil)))), 400)
	olga.wantPage(olga.post(signOut, url.Values{"sure": {"1"}, "answer": {"{}"}}), 400)
	left(1)

	form := answer(olgas.Sign(t, olga.options(challenge, nil)))
	olga.wantTo(olga.post(signOut, form), "/admin/accounts/3?done=others")
	left(0)
	w.program("noa")
	olga.wantPage(olga.post(signOut, form), 400, "took too long") // it works once
	left(1)
}
