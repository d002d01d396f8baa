package api_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
)

// withPasskey registers a passkey for the member, and sets rules for sign-ins.
func (w *fixture) withPasskey(t *testing.T, passwordOff, passkeyRequired bool) {
	t.Helper()
	ctx, by := t.Context(), audit.Actor{Name: "test"}
	site, _ := passkey.NewParty("", "localhost", false)
	a, err := w.Accounts.Find(ctx, "member")
	if err != nil {
		t.Fatal(err)
	}
	options, err := w.Passkeys.BeginAdd(ctx, site, a, "browser")
	if err == nil {
		_, answer := passkeytest.Create(t, options, "http://localhost")
		err = w.Passkeys.FinishAdd(ctx, by, site, a, "browser", "phone", answer)
	}
	if err == nil {
		err = w.Accounts.SetRules(ctx, by, a.ID, &passwordOff, &passkeyRequired, w.Passkeys)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signInBoth signs in by both versions of the API, and returns the answers.
func (w *fixture) signInBoth(t *testing.T, login, password string) (answers [2]string) {
	t.Helper()
	for i, way := range []struct {
		path string
		form url.Values
	}{
		{"/api/v2/users/signin", url.Values{"login": {login}, "password": {password}}},
		{"/users/sign_in.json", url.Values{"user[login]": {login}, "user[password]": {password}}},
	} {
		status, body := w.call(t, "POST", way.path, "", way.form)
		if status < 400 {
			t.Errorf("%s signs %s in", way.path, login)
		}
		answers[i] = body
	}
	return answers
}

// Attack: an attacker learns from the API that an account accepts no password, or that
// their password is right.
func TestPasswordOffInTheAPI(t *testing.T) {
	w := newFixture(t, nil)
	wrong := w.signInBoth(t, "member", "wrong horse")
	w.withPasskey(t, true, false)
	for _, given := range []string{password, "wrong horse"} {
		if got := w.signInBoth(t, "member", given); got != wrong {
			t.Errorf("%q returns %q, want %q", given, got, wrong)
		}
	}
}

// If the password is right and the account requires more, the error explains what to do.
func TestSignInsSayWhatToDo(t *testing.T) {
	w := newFixture(t, nil)
	w.withPasskey(t, false, true)
	if err := w.Accounts.SetAdminRule(t.Context(), audit.Actor{Name: "test"}, true, 0); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	for login, text := range map[string]string{"member": "signs in with a passkey", "admin": "need a second factor"} {
		for _, answer := range w.signInBoth(t, login, password) {
			if !strings.Contains(answer, text) || !strings.Contains(answer, "1001") && !strings.Contains(answer, `"error"`) {
				t.Errorf("%s: %s", login, answer)
			}
		}
		for _, answer := range w.signInBoth(t, login, "wrong horse") { // attack
			if strings.Contains(answer, text) {
				t.Errorf("a wrong password of %s: %s", login, answer)
			}
		}
	}
}
