package plexauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// house adds two managed users to the home of a user: Kid, and Locked with the PIN
// 4321.
func house(t testing.TB, srv *plexauthtest.Server, owner *plexauthtest.User) {
	t.Helper()
	token := srv.Token(owner)
	post := func(path string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.AccountURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Plex-Token", string(token))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("POST %s: %s", path, res.Status)
		}
	}
	post("/api/v2/home/users?title=Kid&restrictionProfile=little_kid")
	post("/api/v2/home/users?title=Locked")
	users, err := srv.Client(owner).HomeUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	post("/api/v2/home/users/restricted/" + userOf(t, users, "Locked").UUID + "?pin=4321")
}

// userOf returns the user with a title.
func userOf(t testing.TB, users []plexauth.HomeUser, title string) plexauth.HomeUser {
	t.Helper()
	for _, u := range users {
		if u.Title == title {
			return u
		}
	}
	t.Fatalf("%s is not in %+v", title, users)
	return plexauth.HomeUser{}
}

func TestHomeAtTheServer(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		house(t, srv, srv.Admin)
		c := as(srv.Admin)
		users, err := c.HomeUsers(t.Context())
		if err != nil || len(users) != 3 {
			t.Fatalf("%+v, %v", users, err)
		}
		me, kid, locked := userOf(t, users, "admin"), userOf(t, users, "Kid"), userOf(t, users, "Locked")
		want := []plexauth.HomeUser{
			{ID: me.ID, UUID: me.UUID, Title: "admin", Username: "admin", Email: "admin@example.org", FriendlyName: "admin", Thumb: me.Thumb, Admin: true, HasPassword: true},
			{ID: kid.ID, UUID: kid.UUID, Title: "Kid", FriendlyName: "Kid", Thumb: kid.Thumb, Restricted: true, RestrictionProfile: "little_kid"},
			{ID: locked.ID, UUID: locked.UUID, Title: "Locked", FriendlyName: "Locked", Thumb: locked.Thumb, Restricted: true, Protected: true},
		}
		if diff := cmp.Diff(want, []plexauth.HomeUser{me, kid, locked}, cmpopts.IgnoreUnexported(plexauth.HomeUser{})); diff != "" {
			t.Errorf("the home (-want +got):\n%s", diff)
		}
		if kid.ID == 0 || kid.UUID == "" || !strings.Contains(string(kid.Raw()), kid.UUID) || strings.Contains(string(kid.Raw()), me.UUID) {
			t.Errorf("the raw document of %+v is %s", kid, kid.Raw())
		}

		account, err := c.SwitchHomeUser(t.Context(), kid.UUID, "")
		if err != nil || account.Title != "Kid" || !account.Restricted || account.AuthToken == "" {
			t.Fatalf("%+v, %v", account, err)
		}
		kids := *c
		kids.Token = plexauth.StaticToken(account.AuthToken)
		if a, err := kids.TokenDetails(t.Context()); err != nil || a.ID != kid.ID {
			t.Errorf("the token of Kid: %+v, %v", a, err)
		}
		for what, pin := range map[string]plexauth.Secret{"no PIN": "", "a wrong PIN": "0000"} {
			if _, err := kids.SwitchHomeUser(t.Context(), locked.UUID, pin); !errors.Is(err, plexauth.ErrHomePIN) || !errors.Is(err, plexauth.ErrForbidden) {
				t.Errorf("%s: %v, want ErrHomePIN", what, err)
			}
		}
		if a, err := kids.SwitchHomeUser(t.Context(), fmt.Sprint(locked.ID), "4321"); err != nil || a.ID != locked.ID || a.AuthToken == account.AuthToken {
			t.Errorf("by number, with the PIN: %+v, %v", a, err)
		}
		if _, err := c.SwitchHomeUser(t.Context(), "no/body?", ""); !errors.Is(err, plexauth.ErrNotFound) {
			t.Errorf("nobody: %v, want ErrNotFound", err)
		}
		if err := c.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := kids.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("the token of Kid outlives the one that switched: %v", err)
		}
		srv.ResetRequests()
		if _, err := c.SwitchHomeUser(t.Context(), "", ""); err == nil || errors.As(err, new(*plexauth.Error)) || len(srv.Requests()) > 0 {
			t.Errorf("an empty id: %v", err)
		}
	})
}

// An account without a home is the only user of its own.
func TestHomeOfOne(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	users, err := srv.Client(srv.Member).HomeUsers(t.Context())
	if err != nil || len(users) != 1 || users[0].Username != "member" {
		t.Errorf("%+v, %v", users, err)
	}
}

func TestOddHomeUsers(t *testing.T) {
	want := []plexauth.HomeUser{{ID: 7, UUID: "u7", Title: "Mia", Protected: true}, {UUID: "u9", Title: "Kid", Restricted: true}}
	for name, body := range map[string]string{
		"JSON":              `{"id":7,"name":"home","guestUserID":null,"users":[{"id":7,"uuid":"u7","title":"Mia","protected":1},{"uuid":"u9","title":"Kid","restricted":"true"}]}`,
		"with bad elements": `{"users":[null,{"title":"no id"},{"id":"7","uuid":"u7","title":"Mia","protected":true},3,{"uuid":"u9","title":"Kid","restricted":true}]}`,
		"a list":            `[{"id":7,"uuid":"u7","title":"Mia","protected":true},{"uuid":"u9","title":"Kid","restricted":true}]`,
		"XML":               `<home id="7"><users><user id="7" uuid="u7" title="Mia" protected="1"/><user uuid="u9" title="Kid" restricted="1"/></users></home>`,
		"XML, the list":     `<users><user id="7" uuid="u7" title="Mia" protected="1"/><user uuid="u9" title="Kid" restricted="1"/></users>`,
	} {
		got, err := client(body).HomeUsers(t.Context())
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(plexauth.HomeUser{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, body := range []string{`{"users":[]}`, `[]`, `<home><users/></home>`, `<home id="1"><users></users></home>`} {
		if got, err := client(body).HomeUsers(t.Context()); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%s is read as %v, %v", body, got, err)
		}
	}
	for _, body := range []string{
		`{"id":7,"uuid":"u7","name":"home"}`, `{"errors":[{"code":1}]}`, `{"users":[{"title":"no id"}]}`, `{"users":7}`, `<home id="7"/>`,
		`<home id="7"><guest/></home>`, `<home><users><user`, `<MediaContainer/>`, "", "nonsense", htmlPage,
	} {
		if got, err := client(body).HomeUsers(t.Context()); !errors.As(err, new(*plexauth.Error)) {
			t.Errorf("%s is read as %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{`{"id":7,"uuid":"u7"}`, `{"authToken":"t"}`, `[]`, htmlPage} {
		if got, err := client(body).SwitchHomeUser(t.Context(), "u7", ""); !errors.As(err, new(*plexauth.Error)) {
			t.Errorf("%s is read as %+v, %v", body, got, err)
		}
	}
}

// Attack: the PIN of a home is read in a log or in an error.
func TestHomePINIsNotPrinted(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	house(t, srv, srv.Admin)
	var log bytes.Buffer
	c := srv.Client(srv.Admin)
	c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, refused := c.SwitchHomeUser(t.Context(), "nobody", "8765")
	srv.InjectFault(plexauthtest.Fault{Drop: true})
	_, dropped := c.SwitchHomeUser(t.Context(), "nobody", "8765")
	c.AccountURL = "http://127.0.0.1:bad"
	_, invalid := c.SwitchHomeUser(t.Context(), "nobody", "8765")
	hasPIN := func(text string) bool { // the server's port can have the same digits
		u, err := url.Parse(srv.AccountURL)
		return err != nil || strings.Contains(strings.ReplaceAll(text, u.Host, ""), "8765")
	}
	for _, err := range []error{refused, dropped, invalid} {
		if err == nil || hasPIN(fmt.Sprintf("%v %+v", err, err)) {
			t.Errorf("the error is %v", err)
		}
	}
	if log.Len() == 0 || hasPIN(log.String()) {
		t.Errorf("the log has the PIN:\n%s", log.String())
	}
}

// One source has a JWT for the account plane and an opaque token for a media server
// that accepts no JWT.
func TestJWTSourceMediaToken(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	house(t, srv, srv.Member)
	c, source := registered(t, srv, srv.Member)
	if _, err := c.TransientToken(t.Context()); err == nil {
		t.Fatal("the media plane accepts a JWT: this test proves nothing")
	}
	source.MediaToken = true
	switches := func() (n int) {
		for _, r := range srv.Requests() {
			if strings.HasSuffix(r.Path, "/switch") {
				n++
			}
		}
		return n
	}
	both := func(what string, want int) {
		t.Helper()
		for range 2 {
			if a, err := c.TokenDetails(t.Context()); err != nil || strings.Count(string(a.AuthToken), ".") != 2 {
				t.Errorf("%s: the account plane: %v", what, err)
			}
			if _, err := c.TransientToken(t.Context()); err != nil {
				t.Errorf("%s: the media plane: %v", what, err)
			}
		}
		if n := switches(); n != want {
			t.Errorf("%s: %d switches, want %d", what, n, want)
		}
	}
	both("at first", 1)
	if token, err := source.Token(t.Context()); err != nil || strings.Count(string(token), ".") != 2 {
		t.Errorf("Token returns no JWT: %v", err)
	}

	// The next JWT revokes the opaque token. Both planes recover, whichever detects it first.
	srv.Advance(8 * 24 * time.Hour)
	both("after it expired", 2)
	srv.Advance(8 * 24 * time.Hour)
	if _, err := c.TransientToken(t.Context()); err != nil {
		t.Errorf("the media plane first: %v", err)
	}
	both("after it expired again", 4) // the first one is sent with the JWT that has expired
	if err := source.Rotate(t.Context(), newDeviceKey(t), nil); err != nil {
		t.Fatal(err)
	}
	both("after the key was replaced", 5)
}

// The switch requires the PIN of the account, if it has one.
func TestJWTSourceHomePIN(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	house(t, srv, srv.Admin)
	owner := srv.Client(srv.Admin)
	me, err := owner.TokenDetails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprint(srv.AccountURL, "/api/home/users/", me.ID, "?pin=2468"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Plex-Token", string(srv.Token(srv.Admin)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	c, source := registered(t, srv, srv.Admin)
	source.MediaToken = true
	if _, err := c.TransientToken(t.Context()); !errors.Is(err, plexauth.ErrHomePIN) {
		t.Errorf("without the PIN: %v", err)
	}
	source.HomePIN = "2468"
	if _, err := c.TransientToken(t.Context()); err != nil {
		t.Errorf("with the PIN: %v", err)
	}
}
