package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/home"
)

// house returns mia's home.
func (w *fixture) house() home.Home {
	w.Helper()
	h, err := w.Homes.Of(w.Context(), w.account("mia").ID)
	w.must(err)
	return h
}

func (w *fixture) user(name string) home.User {
	w.Helper()
	u, err := w.house().Named(name)
	w.must(err)
	return u
}

func form(pairs ...string) url.Values { return values(pairs) }

func TestFamily(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	b.wantPage(b.get("/account/family"), 200, "People in this home", "(you)", "Add somebody")
	for _, row := range []struct {
		path  string
		form  url.Values
		to    string // if empty, the page shows an error
		wrong string
	}{
		{"", form("name", "Kid", "restriction", "little_kid"), "added", ""},
		{"", form("name", "kid"), "", "looks like it"},
		{"", form("name", " "), "", "The name is empty."},
		{"", form("name", "New", "restriction", "x"), "", "little_kid"},
		{"/guest", nil, "added", ""},
		{"/ID", form("name", "Kiddo", "restriction", "teen"), "changed", ""},
		{"/ID/pin", form("pin", "4321"), "", "password is not right"},
		{"/ID/pin", form("pin", "", "current", password), "", "A PIN has 4 digits."},
		{"/ID/pin", form("pin", "432", "current", password), "", "A PIN has 4 digits."},
		{"/ID/pin", form("pin", "4321", "current", password), "pin", ""},
		{"/pin", form("pin", "1234", "current", "wrong"), "", "password is not right"},
		{"/pin", form("pin", "1234", "current", password), "pin", ""},
		{"/pin", form("remove", "1", "current", password), "pin-removed", ""},
	} {
		id := ""
		if strings.Contains(row.path, "ID") {
			for _, u := range w.house().Users {
				if u.Role == home.Managed {
					id = fmt.Sprint(u.Account.ID)
				}
			}
		}
		s := b.post("/account/family"+strings.Replace(row.path, "ID", id, 1), row.form)
		if row.to != "" {
			b.wantTo(s, "/account/family?done="+row.to)
			b.wantPage(b.get(s.location()), 200, `role="status"`)
		} else {
			b.wantPage(s, 400, row.wrong)
		}
	}
	kid := w.user("Kiddo")
	if kid.Restriction != "teen" || !kid.Protected() || w.house().Self.Protected() || len(w.house().Users) != 3 {
		t.Errorf("the home is %+v", w.house())
	}
	b.wantNot(b.get("/account/family"), "argon2id", "4321")
	id := fmt.Sprint(kid.Account.ID)

	// Attack: a user of another home, and a form without the password.
	other := w.browser().signIn("noa")
	for _, path := range []string{"/account/family/" + id, "/account/family/" + id + "/pin", "/account/family/" + id + "/remove"} {
		b.wantPage(other.post(path, form("name", "X", "pin", "0000", "current", password)), 404)
	}
	b.wantPage(b.post("/account/family/"+id+"/remove", form("sure", "1")), 400, "password is not right")
	b.wantPage(b.post("/account/family/"+id+"/remove", nil), 200, "Remove Kiddo from your home?", "0 tokens of the devices")
	b.confirms("/account/family/"+id+"/remove", "/account/family?done=removed")
	if len(w.house().Users) != 2 {
		t.Errorf("the home is %+v", w.house())
	}
	b.wantPage(b.post("/account/family/leave", nil), 409, "who cannot leave it")

	// A member sees the home, cannot change any user, and leaves.
	w.must(w.Homes.Join(w.Context(), operator, w.account("mia").ID, w.account("noa").ID, false))
	s := other.get("/account/family")
	other.wantPage(s, 200, "Guest", "Leave this home")
	other.wantNot(s, "Add somebody", "Change</summary>")
	other.wantPage(other.post("/account/family", form("name", "X")), 403)
	other.confirms("/account/family/leave", "/account/family?done=left")
}

// Who is watching: the waiting device gets the account that the visitor has chosen. If it
// has a PIN, the PIN is required.
func TestWhoIsWatching(t *testing.T) {
	w := newTown(t)
	mia := w.account("mia")
	b := w.browser().signIn("mia")
	tv := w.start(false)
	b.wantNot(b.get("/auth?code="+tv.Code), "Who is watching?", "somebody else") // mia has no home
	for _, name := range []string{"Kid", "Locked"} {
		_, err := w.Homes.AddManaged(w.Context(), operator, mia.ID, name, "")
		w.must(err)
	}
	w.must(w.Homes.SetManagedPIN(w.Context(), operator, mia.ID, w.user("Locked").Account.UUID, "4321"))
	w.must(w.Homes.ResetPIN(w.Context(), operator, mia.ID, "1234"))
	w.must(w.Homes.Join(w.Context(), operator, mia.ID, w.account("noa").ID, false))

	s := b.get("/auth?code=" + tv.Code + "&clientID=" + url.QueryEscape(tv.Device.ClientIdentifier))
	if !strings.HasPrefix(s.location(), "/auth/who?") {
		t.Fatalf("the page leads to %q", s.location())
	}
	s = b.get(s.location())
	b.wantPage(s, 200, "Who is watching?", "Kid", "Locked", "with a PIN", "mia", "who="+w.user("Kid").Account.UUID)
	b.wantNot(s, "noa") // noa signs in with her own account
	answer := func(name, pin string, more ...string) seen {
		who := w.user(name).Account.UUID
		return b.post("/auth/consent", form(append([]string{"code", tv.Code, "who", who, "pin", pin, "decision", "allow"}, more...)...))
	}
	locked := b.get("/auth?code=" + tv.Code + "&who=" + w.user("Locked").Account.UUID)
	b.wantPage(locked, 200, "<dt>For</dt><dd><strong>Locked</strong>", "PIN of Locked", "somebody else")
	kids := b.get("/auth?code=" + tv.Code + "&who=" + w.user("Kid").Account.UUID)
	b.wantNot(kids, "PIN of")

	// Attack: the form without the PIN, with a wrong one, or without a choice, which would
	// require the visitor's PIN.
	for _, wrong := range []string{"", "0000", "12345"} {
		b.wantPage(answer("Locked", wrong), 403, "This is not the PIN.")
		b.wantPage(b.post("/auth/consent", form("code", tv.Code, "pin", wrong, "decision", "allow")), 403, "This is not the PIN.")
	}
	b.wantPage(b.post("/auth/consent", form("code", tv.Code, "who", w.account("noa").UUID, "decision", "allow")), 404)
	if tok, _ := w.token(tv); tok != "" {
		t.Fatal("the device has a token")
	}
	linked := answer("Locked", "4321")
	b.wantTo(linked, "/auth/done?who="+w.user("Locked").Account.UUID)
	b.wantPage(b.get(linked.location()), 200, "The device is signed in as Locked")
	tok, _ := w.token(tv)
	p, err := w.Tokens.Verify(w.Context(), tok)
	if err != nil || p.AccountID != w.user("Locked").Account.ID {
		t.Errorf("the device has %+v, %v", p, err)
	}
	// The token is revoked with the user.
	w.must(w.Homes.Remove(w.Context(), operator, mia.ID, w.user("Locked").Account.UUID))
	if _, err := w.Tokens.Verify(w.Context(), tok); err == nil {
		t.Error("the token outlives the user")
	}

	// A program with a proof gets the token of the chosen account.
	program := w.ask("https://app.example.org/back", true)
	s = b.post("/auth/consent", form("code", program.Code, "who", w.user("Kid").Account.UUID, "decision", "allow"))
	s = b.get(s.location())
	to, err := url.Parse(s.leadsTo())
	w.must(err)
	proof := to.Query().Get("pinProof")
	p, err = w.Tokens.Verify(w.Context(), w.redeem(program, proof))
	if err != nil || p.AccountID != w.user("Kid").Account.ID {
		t.Errorf("the program has %+v, %v", p, err)
	}
}
