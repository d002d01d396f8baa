package api_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/plexauth"
)

// newcomer is the form of a sign-up.
const newcomer = "username=nora&email=nora@example.org&password=correct+horse"

func withSignUp(c *config) { c.SignUp = true }

// signUp sends a sign-up as JSON, as programs for Plex do.
func (w *fixture) signUp(t testing.TB, fields map[string]any) (status int, body string) {
	t.Helper()
	return w.post(t, "/api/v2/users", "joining", "", fields)
}

// problemOf is the part of a failed sign-up that programs show to users.
type problemOf struct {
	Errors []struct {
		Code, Status   int
		Message, Field string
	}
}

func TestSignUp(t *testing.T) {
	w := newFixture(t, withSignUp)
	status, body := w.signUp(t, map[string]any{"username": "nora", "email": "nora@example.org", "password": "correct horse"})
	var a struct {
		Username, Email string
		Confirmed       bool
		AuthToken       plexauth.Secret
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 201 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	if a.Username != "nora" || a.Email != "nora@example.org" || a.Confirmed {
		t.Errorf("the account is %s <%s>, confirmed %v", a.Username, a.Email, a.Confirmed)
	}
	p, err := w.Tokens.Verify(t.Context(), a.AuthToken)
	if err != nil || p.Admin {
		t.Errorf("the token is good for %+v, %v", p, err)
	}
	w.signIn(t, "nora")

	log, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.AccountAdded}, Account: p.AccountID})
	if err != nil || len(log) != 1 || log[0].Detail != "sign-up" || log[0].Address == "" {
		t.Errorf("the audit log has %+v, %v", log, err)
	}
}

// Some programs send the e-mail address and no username.
func TestSignUpWithoutUsername(t *testing.T) {
	w := newFixture(t, withSignUp)
	res, body := w.ask(t, "POST", "/api/v2/users", "application/xml", "", url.Values{"email": {"paul@example.org"}, "password": {password}})
	var a struct {
		Username string `xml:"username,attr"`
		Token    string `xml:"authToken,attr"`
	}
	if err := xml.Unmarshal([]byte(body), &a); err != nil || res.StatusCode != 201 || a.Username != "paul" || a.Token == "" {
		t.Errorf("%d %s: %v", res.StatusCode, body, err)
	}
}

// Each error names a field, and programs show the error next to it.
func TestSignUpProblems(t *testing.T) {
	w := newFixture(t, withSignUp)
	for _, test := range []struct {
		username, email, password string
		status                    int
		field                     string
	}{
		{"", "", "correct horse", 400, "email"},
		{"nora", "", "", 400, "password"},
		{"no ra", "", "correct horse", 400, "username"},
		{"nora", "nora", "correct horse", 400, "email"},
		{"nora", "", "horse", 400, "password"},
		{"nora", "", "password1", 400, "password"}, // one of the most common
		{"member", "", "correct horse", 409, "username"},
		{"rnernber", "", "correct horse", 409, "username"}, // looks like member
		{"nora", "member@example.org", "correct horse", 409, "email"},
	} {
		status, body := w.signUp(t, map[string]any{"username": test.username, "email": test.email, "password": test.password})
		var got problemOf
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Errors) != 1 {
			t.Fatalf("%+v: %d %s, %v", test, status, body, err)
		}
		if e := got.Errors[0]; status != test.status || e.Status != status || e.Field != test.field || e.Message == "" {
			t.Errorf("%+v: %d %s", test, status, body)
		}
	}
}

// Without --sign-up, the response explains how accounts are created.
func TestSignUpIsOff(t *testing.T) {
	w := newFixture(t, nil)
	status, body := w.call(t, "POST", "/api/v2/users?"+newcomer, "", nil)
	if want := `"message":"Sign-up is off on this server: an admin adds accounts"`; status != 403 || !strings.Contains(body, want) {
		t.Errorf("%d %s", status, body)
	}
	if _, err := w.Accounts.Find(t.Context(), "nora"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the account was added, or %v", err)
	}
}

// Attack: add very many accounts, or use sign-ups to find out which names exist.
func TestSignUpsAreLimited(t *testing.T) {
	w := newFixture(t, func(c *config) { c.SignUp, c.FailedTries = true, 3 })
	got := make(map[int]int)
	for i := range 5 {
		form := url.Values{"username": {"member"}, "password": {password}}
		if i == 0 {
			form.Set("username", "nora")
		}
		res, _ := w.ask(t, "POST", "/api/v2/users", "application/json", "", form)
		if got[res.StatusCode]++; res.StatusCode == 429 && res.Header.Get("Retry-After") == "" {
			t.Error("the answer does not say when to retry")
		}
	}
	if want := map[int]int{201: 1, 409: 2, 429: 2}; !maps.Equal(got, want) {
		t.Errorf("the statuses are %v, want %v", got, want)
	}
}
