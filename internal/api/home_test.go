package api_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/plexauth"
)

// house adds a home to a fixture. The admin owns it. Kid and Locked are managed users, and
// Locked has the PIN 4321.
func (w *fixture) house(t testing.TB) (kid, locked account.Account) {
	t.Helper()
	admin, err := w.Accounts.Find(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	by := audit.Actor{AccountID: admin.ID}
	for _, add := range []struct {
		name string
		to   *account.Account
	}{{"Kid", &kid}, {"Locked", &locked}} {
		u, err := w.Homes.AddManaged(t.Context(), by, admin.ID, add.name, "")
		if err != nil {
			t.Fatal(err)
		}
		*add.to = u.Account
	}
	if err := w.Homes.SetManagedPIN(t.Context(), by, admin.ID, locked.UUID, "4321"); err != nil {
		t.Fatal(err)
	}
	return kid, locked
}

// details has the fields of token details that are about homes.
type details struct {
	ID                                     int64
	UUID, Username, Title, Email           string
	FriendlyName                           string
	AuthToken                              plexauth.Secret
	Home, HomeAdmin, Restricted, Protected bool
	Guest, HasPassword                     bool
	HomeSize, MaxHomeSize                  int
}

func TestSwitch(t *testing.T) {
	w := newFixture(t, nil)
	kid, locked := w.house(t)
	admin := w.signIn(t, "admin")

	status, body := w.call(t, "POST", "/api/v2/home/users/"+kid.UUID+"/switch", admin, nil)
	var got details
	if err := json.Unmarshal([]byte(body), &got); status != http.StatusCreated || err != nil {
		t.Fatalf("the switch: %d %s", status, body)
	}
	want := details{
		ID: kid.ID, UUID: kid.UUID, Title: "Kid", FriendlyName: "Kid", AuthToken: got.AuthToken,
		Home: true, Restricted: true, HomeSize: 3, MaxHomeSize: 15,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the account (-want +got):\n%s", diff)
	}
	kids := got.AuthToken
	got = details{}
	w.read(t, "GET", "/api/v2/user", kids, nil, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("its token details (-want +got):\n%s", diff)
	}
	w.read(t, "GET", "/api/v2/user", admin, nil, &got)
	if !got.Home || !got.HomeAdmin || got.Restricted || got.HomeSize != 3 || got.Protected {
		t.Errorf("the owner's token details: %+v", got)
	}

	// Version 1, by number, and with the PIN in the query, as PlexAPI sends it.
	res, body := w.ask(t, "POST", fmt.Sprint("/api/home/users/", locked.ID, "/switch?pin=4321"), "*/*", kids, nil)
	var user struct {
		XMLName             xml.Name `xml:"user"`
		ID                  int64    `xml:"id,attr"`
		AuthenticationToken string   `xml:"authenticationToken,attr"`
		Restricted          string   `xml:"restricted,attr"`
		Home                string   `xml:"home,attr"`
	}
	if err := xml.Unmarshal([]byte(body), &user); err != nil || res.StatusCode != http.StatusCreated ||
		user.ID != locked.ID || user.Restricted != "1" || user.Home != "1" {
		t.Errorf("the switch of version 1: %d %s", res.StatusCode, body)
	}
	if !w.good(t, plexauth.Secret(user.AuthenticationToken)) {
		t.Error("its token is invalid")
	}

	// The published error is the same for a missing PIN, a wrong one, and a user who cannot
	// be switched to without one.
	for what, path := range map[string]string{
		"no PIN":                "/api/v2/home/users/" + locked.UUID + "/switch",
		"an empty PIN":          "/api/v2/home/users/" + locked.UUID + "/switch?pin=",
		"a wrong PIN":           "/api/v2/home/users/" + locked.UUID + "/switch?pin=0000",
		"the owner without one": "/api/v2/home/users/1/switch",
		"a PIN of nobody":       "/api/v2/home/users/" + kid.UUID + "/switch?pin=4321",
	} {
		status, body := w.call(t, "POST", path, kids, nil)
		if want := `{"errors":[{"code":1041,"message":"A valid PIN is required to perform this action","status":403}]}`; status != 403 || body != want {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	if status, _ := w.call(t, "POST", "/api/v2/home/users/2/switch", kids, nil); status != 404 {
		t.Errorf("a user of another home: %d", status)
	}

	// The token must belong to a device.
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+"/api/v2/home/users/"+kid.UUID+"/switch", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Plex-Token", string(admin))
	nameless, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := nameless.Body.Close(); err != nil || nameless.StatusCode != http.StatusBadRequest {
		t.Errorf("without a client identifier: %d, %v", nameless.StatusCode, err)
	}

	// The token is revoked with the token that switched.
	if status, _ := w.call(t, "DELETE", "/api/v2/users/signout", admin, nil); status != 204 {
		t.Fatal("signing out failed")
	}
	if w.good(t, kids) || w.good(t, plexauth.Secret(user.AuthenticationToken)) {
		t.Error("a token of a switch outlives the one that switched")
	}
}

// A JWT can be exchanged for an opaque token of its own account. That token is revoked with
// the JWT.
func TestSwitchWithAJWT(t *testing.T) {
	w := newFixture(t, nil)
	_, jwt := w.keyed(t, "member", "player")
	var me, got details
	w.read(t, "GET", "/api/v2/user", jwt, nil, &me)
	w.read(t, "POST", "/api/v2/home/users/"+me.UUID+"/switch", jwt, nil, &got)
	if len(got.AuthToken) != 20 || got.ID != me.ID || got.Home {
		t.Fatalf("got %+v", got)
	}
	p, err := w.Tokens.Verify(t.Context(), got.AuthToken)
	if err != nil || p.ExpiresAt.IsZero() {
		t.Errorf("the token: %+v, %v, want one that expires with the JWT", p, err)
	}
	j, err := w.Tokens.Verify(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Tokens.Revoke(t.Context(), operator, j.TokenID); err != nil || w.good(t, got.AuthToken) {
		t.Errorf("it outlives the device key: %v", err)
	}
}

// Too many wrong PINs return 429 with a Retry-After header.
func TestSwitchLocked(t *testing.T) {
	w := newFixture(t, func(c *config) { c.Config = core.Config{FailedTries: 2} })
	kid, locked := w.house(t)
	var got details
	w.read(t, "POST", "/api/v2/home/users/"+kid.UUID+"/switch", w.signIn(t, "admin"), nil, &got)
	path := "/api/v2/home/users/" + locked.UUID + "/switch?pin="
	for _, pin := range []string{"0000", "0001"} {
		if status, body := w.call(t, "POST", path+pin, got.AuthToken, nil); status != 403 {
			t.Fatalf("%d %s", status, body)
		}
	}
	res, body := w.ask(t, "POST", path+"4321", "application/json", got.AuthToken, nil)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "60" {
		t.Errorf("the right PIN while it is locked: %d %s %v", res.StatusCode, body, res.Header)
	}
}

// homeUser is a user in the lists.
type homeUser struct {
	ID, Title, Username, Email string
	Admin, Guest, Restricted   string
	Protected, HasPassword     string
	RestrictionProfile         string
}

func TestHomeUsers(t *testing.T) {
	w := newFixture(t, nil)
	admin := w.signIn(t, "admin")
	var info struct {
		ID, GuestUserID int64
		Name            string
		GuestUserUUID   string
		GuestEnabled    bool
		Subscription    bool
		Users           []map[string]any
	}
	w.read(t, "GET", "/api/v2/home/users/", admin, nil, &info) // watchstate sends the slash
	if info.ID != 1 || info.Name != "admin" || len(info.Users) != 1 || info.Users[0]["username"] != "admin" || info.Users[0]["admin"] != true {
		t.Errorf("an account without a home: %+v", info)
	}

	// Users are added like PlexAPI, the apps and @ctrl/plex do.
	for _, path := range []string{
		"/api/home/users?title=Kid", "/api/v2/home/users/restricted?friendlyName=Little%20One&restrictionProfile=little_kid",
	} {
		res, body := w.ask(t, "POST", path, "*/*", admin, nil)
		var user struct {
			XMLName xml.Name `xml:"User"`
			ID      int64    `xml:"id,attr"`
		}
		if err := xml.Unmarshal([]byte(body), &user); err != nil || user.ID == 0 || res.StatusCode != 200 {
			t.Fatalf("POST %s: %d %s", path, res.StatusCode, body)
		}
	}
	guest, err := w.Homes.AddGuest(t.Context(), operator, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.read(t, "GET", "/api/v2/home", admin, nil, &info)
	if info.GuestUserID != guest.Account.ID || info.GuestUserUUID != guest.Account.UUID || !info.GuestEnabled {
		t.Errorf("the home: %+v", info)
	}

	// Version 1 always returns XML.
	_, body := w.ask(t, "GET", "/api/home/users", "application/json", admin, nil)
	var list struct {
		XMLName     xml.Name `xml:"MediaContainer"`
		Size        int      `xml:"size,attr"`
		GuestUserID int64    `xml:"guestUserID,attr"`
		Users       []struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"User"`
	}
	if err := xml.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var got []homeUser
	for _, u := range list.Users {
		attrs := make(map[string]string)
		for _, a := range u.Attrs {
			attrs[a.Name.Local] = a.Value
		}
		if attrs["thumb"] == "" || attrs["uuid"] == "" {
			t.Errorf("the user %v", attrs)
		}
		got = append(got, homeUser{
			attrs["id"], attrs["title"], attrs["username"], attrs["email"], attrs["admin"], attrs["guest"],
			attrs["restricted"], attrs["protected"], attrs["hasPassword"], attrs["restrictionProfile"],
		})
	}
	want := []homeUser{
		{"1", "admin", "admin", "admin@example.org", "1", "0", "0", "0", "1", ""},
		{"3", "Kid", "", "", "0", "0", "1", "0", "0", ""},
		{"4", "Little One", "", "", "0", "0", "1", "0", "0", "little_kid"},
		{"5", "Guest", "", "", "0", "1", "1", "0", "0", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" || list.GuestUserID != guest.Account.ID || list.Size != 4 {
		t.Errorf("the users (-want +got):\n%s", diff)
	}

	// The list has all users except the caller, with home="1".
	_, body = w.ask(t, "GET", "/api/users/", "application/json", admin, nil)
	if strings.Count(body, "<User ") != 3 || strings.Count(body, ` home="1"`) != 3 || strings.Contains(body, `title="admin"`) {
		t.Errorf("the others: %s", body)
	}

	// Users are renamed, restricted and removed.
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"PUT", "/api/home/users/3?title=Kiddo", 200},
		{"PUT", "/api/v2/home/users/restricted/3?restrictionProfile=teen", 200},
		{"POST", "/api/v2/home/users/restricted/3?restrictionProfile=nothing", 400},
		{"PUT", "/api/v2/home/users/3?friendlyName=Guest", 409},
		{"PUT", "/api/v2/home/users/3?admin=1", 409},
		{"DELETE", "/api/v2/home/users/5", 200},
		{"DELETE", "/api/home/users/1", 409},
		{"DELETE", "/api/home/users/2", 404},
		{"POST", "/api/home/users?invitedEmail=member@example.org", 403},
		{"POST", "/api/home/users", 400},
		{"POST", "/api/v2/home/users/restricted/switch", 404},
		{"GET", "/api/v2/home/users/restricted/3", 405},
	} {
		if status, body := w.call(t, row.method, row.path, admin, nil); status != row.status {
			t.Errorf("%s %s: %d %s, want %d", row.method, row.path, status, body, row.status)
		}
	}
	w.read(t, "GET", "/api/v2/home/users", admin, nil, &info)
	if len(info.Users) != 3 || info.Users[1]["title"] != "Kiddo" || info.Users[1]["restrictionProfile"] != "teen" ||
		info.Users[0]["restrictionProfile"] != nil {
		t.Errorf("the users afterwards: %v", info.Users)
	}
}

// PlexAPI's own live test of PINs sends these requests in this order.
func TestHomePINs(t *testing.T) {
	w := newFixture(t, nil)
	admin := w.signIn(t, "admin")
	kid, _ := w.house(t)
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"PUT", "/api/home/users/1?pin=0000", 200},
		{"PUT", "/api/home/users/1?pin=1111", 401},
		{"PUT", "/api/home/users/1?pin=1111&currentPin=9999", 401},
		{"PUT", "/api/home/users/1?pin=1111&currentPin=0000", 200},
		{"PUT", "/api/home/users/1?pin=&currentPin=0000", 401},
		{"PUT", "/api/home/users/1?pin=12345&currentPin=1111", 400},
		{"PUT", "/api/home/users/1?pin=&currentPin=1111", 200},
		{"POST", fmt.Sprint("/api/v2/home/users/restricted/", kid.ID, "?pin=0000"), 200},
		{"POST", fmt.Sprint("/api/v2/home/users/restricted/", kid.ID, "?removePin=1"), 200},
		{"POST", fmt.Sprint("/api/v2/home/users/restricted/", kid.UUID, "?pin=abcd"), 400},
	} {
		status, body := w.call(t, row.method, row.path, admin, nil)
		if status != row.status || status == 401 && !strings.Contains(body, `code="1001"`) {
			t.Errorf("%s %s: %d %s, want %d", row.method, row.path, status, body, row.status)
		}
		if row.path == "/api/home/users/1?pin=0000" {
			var got details
			if w.read(t, "GET", "/api/v2/user", admin, nil, &got); !got.Protected {
				t.Error("the owner is not protected")
			}
		}
	}
}

// A malformed request changes nothing, whichever part of it is malformed.
func TestMalformedChangesNothing(t *testing.T) {
	w := newFixture(t, nil)
	kid, _ := w.house(t)
	admin := w.signIn(t, "admin")
	for _, bad := range []string{"admin=x", "removePin=x", "pin=0000&pin=1111", "currentPin=0000&currentPin=1111"} {
		path := "/api/v2/home/users/" + kid.UUID + "?title=Kiddo&restrictionProfile=teen&" + bad
		if status, body := w.call(t, "PUT", path, admin, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	found, err := w.Homes.Of(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := found.Find(kid.UUID); err != nil || u.Account.Title != "Kid" || u.Restriction != "" {
		t.Errorf("the user is %q, restricted to %q, %v", u.Account.Title, u.Restriction, err)
	}
}

// Attack: a managed user changes the home with a token from a switch.
func TestManagedUsersChangeNothing(t *testing.T) {
	w := newFixture(t, nil)
	kid, locked := w.house(t)
	var got details
	w.read(t, "POST", "/api/v2/home/users/"+kid.UUID+"/switch", w.signIn(t, "admin"), nil, &got)
	for _, row := range []struct{ method, path string }{
		{"POST", "/api/home/users?title=New"},
		{"POST", "/api/v2/home/users/restricted?friendlyName=New"},
		{"PUT", "/api/home/users/" + locked.UUID + "?pin=0000"},
		{"POST", "/api/v2/home/users/restricted/" + locked.UUID + "?removePin=1"},
		{"PUT", "/api/v2/home/users/" + kid.UUID + "?title=Admin"},
		{"PUT", "/api/v2/home/users/" + kid.UUID + "?admin=1"},
		{"PUT", "/api/home/users/" + kid.UUID + "?pin=0000"},
		{"PUT", "/api/home/users/1?pin=0000"},
		{"DELETE", "/api/home/users/" + locked.UUID},
		{"DELETE", "/api/home/users/1"},
		{"DELETE", "/api/v2/home/users/" + kid.UUID},
	} {
		if status, body := w.call(t, row.method, row.path, got.AuthToken, url.Values{}); status != 403 && status != 409 {
			t.Errorf("%s %s: %d %s", row.method, row.path, status, body)
		}
	}
	found, err := w.Homes.Of(t.Context(), 1)
	if err != nil || len(found.Users) != 3 || found.Users[0].Protected() || !found.Users[2].Protected() && !found.Users[1].Protected() {
		t.Errorf("the home is %+v, %v", found, err)
	}
	if _, err := w.Accounts.Get(t.Context(), kid.ID); errors.Is(err, account.ErrNotFound) {
		t.Error("the managed user removed itself")
	}
}
