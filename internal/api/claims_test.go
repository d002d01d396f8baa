package api_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// claim creates a claim with a token.
func (w *fixture) claim(t testing.TB, token plexauth.Secret) string {
	t.Helper()
	var answer struct{ Token string }
	w.read(t, "GET", "/api/claim/token.json", token, nil, &answer)
	return answer.Token
}

// A claim works once, for four minutes, and while the token that requested it
// is valid. It never returns a token.
func TestClaims(t *testing.T) {
	w := newFixture(t, nil)
	admin, member := w.signIn(t, "admin"), w.signIn(t, "member")
	use := func(claim string) (int, string) {
		return w.call(t, "POST", "/myplex/claim", "", url.Values{"token": {claim}})
	}
	good := w.claim(t, admin)
	if !strings.HasPrefix(good, "claim-") || good == w.claim(t, admin) {
		t.Errorf("a claim is %s", good)
	}
	w.Clock.Advance(4*time.Minute - time.Second)
	if status, body := use(good); status != 200 || !strings.Contains(body, "admin@example.org") || strings.Contains(strings.ToLower(body), "token") {
		t.Errorf("a good claim: %d %s", status, body)
	}
	late, revoked, another := w.claim(t, admin), w.claim(t, w.signInAs(t, "admin", "other")), w.claim(t, member)
	if status, body := use(another); status != 403 {
		t.Errorf("a member's claim: %d %s", status, body)
	}
	list, err := paging.Rows(w.Tokens.List(t.Context(), 1, paging.Request{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range list {
		if stored.Device.ClientIdentifier == "other" {
			if err := w.Tokens.Revoke(t.Context(), operator, stored.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, claim := range map[string]string{
		"a used one": good, "one of a revoked token": revoked, "an invented one": "claim-" + strings.Repeat("A", 54), "no claim": "x",
		"a changed one": "claim-Z" + late[7:], "a token": string(admin),
	} {
		if status, body := use(claim); status != 400 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	w.Clock.Advance(4 * time.Minute)
	if status, body := use(late); status != 400 {
		t.Errorf("after four minutes: %d %s", status, body)
	}
	for name, token := range map[string]plexauth.Secret{"transient": w.transient(t, admin), "server": w.serverToken(t, admin, "self")} {
		if status, _ := w.call(t, "GET", "/api/claim/token.json", token, nil); status != 403 {
			t.Errorf("a %s token creates a claim: %d", name, status)
		}
	}
}
