package api_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// Attack: a member signs in again and again. The answer states how long to wait. Devices
// that signed in before, other members behind the same router, and the account's own tokens
// are not affected.
func TestSignInsAreLimited(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 1 })
	signIn := func(name, client string) int {
		t.Helper()
		query := url.Values{"login": {name}, "password": {password}}.Encode()
		status, _ := w.asDevice(t, "POST", "/api/v2/users/signin?"+query, client)
		return status
	}
	for i := range 10 {
		if status := signIn("member", fmt.Sprint("new ", i)); status != 201 {
			t.Fatalf("sign-in %d: %d, want 201", i, status)
		}
	}
	form := url.Values{"login": {"member@example.org"}, "password": {password}}
	for _, path := range []string{"/api/v2/users/signin", "/users/sign_in.xml"} {
		in := form
		if path != "/api/v2/users/signin" {
			in = url.Values{"user[login]": form["login"], "user[password]": form["password"]}
		}
		res, body := w.ask(t, "POST", path, "application/json", "", in)
		if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" {
			t.Errorf("one too many at %s: %d, Retry-After %q, want 429 and 1:\n%s", path, res.StatusCode, res.Header.Get("Retry-After"), body)
		}
	}
	for what, status := range map[string]int{
		"a device that signed in before": signIn("member", "new 3"),
		"somebody else":                  signIn("admin", "test"),
	} {
		if status != 201 {
			t.Errorf("%s: %d, want 201", what, status)
		}
	}
	w.Clock.Advance(time.Second)
	if status := signIn("member", "another"); status != 201 {
		t.Errorf("a second later: %d, want 201", status)
	}
}

// Attack: an attacker who has the password enters wrong codes, or guesses the
// password, until the account is locked. A device with a client identifier that
// signed in before is not.
func TestKnownDeviceIsNotLockedOut(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 2 })
	signIn := func(password, client string) int {
		t.Helper()
		query := url.Values{"login": {"member"}, "password": {password}}.Encode()
		status, _ := w.asDevice(t, "POST", "/api/v2/users/signin?"+query, client)
		return status
	}
	if status := signIn(password, "tv"); status != 201 {
		t.Fatalf("got %d", status)
	}
	for range 5 {
		if status := signIn("a guess", "thief"); status != 401 {
			t.Fatalf("a guess returns %d", status)
		}
	}
	if status := signIn(password, "thief"); status != 401 {
		t.Errorf("beyond the limit the right password returns %d, want 401", status)
	}
	if status := signIn(password, "tv"); status != 201 {
		t.Errorf("the device that signed in before: %d, want 201", status)
	}
}
