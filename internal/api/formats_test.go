package api_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// Every response matches its Content-Type, whether it is a success or an error, on every
// path with every suffix.
func TestBodiesMatchTheirContentType(t *testing.T) {
	w := newFixture(t, func(c *config) { c.SignUp = true })
	for _, row := range api.Rows() {
		for _, suffix := range []string{"", ".json", ".xml"} {
			if row.Path == "/" && suffix != "" {
				continue // a suffix cannot follow it
			}
			for _, accept := range []string{"", "application/json"} {
				t.Run(fmt.Sprintf("%s %s%s as %q", row.Method, row.Path, suffix, accept), func(t *testing.T) {
					path, form := w.answered(t, row.Path, suffix)
					if status := w.labelled(t, row.Method, path, accept, w.signIn(t, "admin"), form); status >= 300 {
						t.Errorf("got status %d", status)
					}
					if status := w.labelled(t, row.Method, path, accept, "none", nil); row.Token && status != row.Refused {
						t.Errorf("got status %d with a bad token", status)
					}
				})
			}
		}
	}
}

// answered returns the target and the form of a request that succeeds.
func (w *fixture) answered(t *testing.T, path, suffix string) (target string, form url.Values) {
	t.Helper()
	var pin struct {
		ID   int64
		Code string
	}
	if strings.Contains(path, "/pins/") {
		w.read(t, "POST", "/api/v2/pins", "", nil, &pin)
		path = strings.NewReplacer("{id}", fmt.Sprint(pin.ID), "{code}", pin.Code).Replace(path)
	}
	if strings.Contains(path, "/devices/") {
		var devices []struct{ ID int64 }
		w.read(t, "GET", "/devices.json", w.signIn(t, "admin"), nil, &devices)
		path = strings.Replace(path, "{id}", fmt.Sprint(devices[0].ID), 1)
	}
	if strings.Contains(path, "{uuid}") {
		var me struct{ UUID string }
		w.read(t, "GET", "/api/v2/user.json", w.signIn(t, "admin"), nil, &me)
		path = strings.Replace(path, "{uuid}", me.UUID, 1)
	}
	if strings.Contains(path, "/home/users") {
		w.emptyHome(t)
	}
	if strings.Contains(path, "/home/users/") && strings.Contains(path, "{id}") {
		u, err := w.Homes.AddManaged(t.Context(), operator, 1, fmt.Sprint("Kid ", w.seen), "")
		if err != nil {
			t.Fatal(err)
		}
		w.seen++
		path = strings.Replace(path, "{id}", u.Account.UUID, 1)
	}
	query := "?type=delegation&scope=all&source=server://den"
	if strings.HasSuffix(path, "/opt_outs") {
		query += "&key=tv.plex.provider.vod&value=opt_out"
	}
	path, more := w.sharing(t, path)
	query += more
	switch path {
	case "/api/home/users", "/api/v2/home/users", "/api/v2/home/users/restricted":
		query += "&title=Kid"
	case "/api/v2/user/webhooks":
		query += "&urls[]=https://example.org/"
	case "/api/v2/users":
		w.seen++
		query += fmt.Sprint("&username=newcomer", w.seen)
	case "/api/v2/auth/jwk":
		query += "&" + w.newKey(t, "test").query()
	case "/myplex/claim":
		var claim struct{ Token string }
		w.read(t, "GET", "/api/claim/token.json", w.signIn(t, "admin"), nil, &claim)
		query += "&token=" + claim.Token
	case "/api/v2/auth/token":
		k, _ := w.keyed(t, "member", "player")
		query += "&jwt=" + k.jwt(k.header(), k.claims(k.nonce(t)))
	}
	return path + suffix + query, url.Values{
		"login": {"admin"}, "password": {password}, "user[login]": {"admin"}, "user[password]": {password}, "code": {pin.Code},
	}
}

// sharing completes the path of a route about shares and invitations, for the admin. Each
// call uses another account.
func (w *fixture) sharing(t *testing.T, path string) (complete, query string) {
	t.Helper()
	if !strings.HasPrefix(path, "/api/servers/") && !strings.HasPrefix(path, "/api/invites/") && !strings.HasPrefix(path, "/api/v2/sh") &&
		!strings.HasPrefix(path, "/api/v2/friends") && path != "/api/v2/servers/{id}" {
		return path, ""
	}
	w.seen++
	name := fmt.Sprint("friend-", w.seen)
	if strings.Contains(path, "/servers/{id}") {
		path = strings.Replace(path, "{id}", "den", 1)
	}
	query = "&shared_server[invited_email]=" + name + "&machineIdentifier=den&invitedEmail=" + name + "&identifier=" + name
	if !strings.Contains(path, "{") {
		return path, query
	}
	who := w.Add(name)
	den, err := w.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: "den"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	number := who.ID
	invite := func(from, to string) int64 {
		t.Helper()
		a, err := w.Accounts.Find(t.Context(), from)
		must(err)
		i, err := w.Friends.Invite(t.Context(), operator, a.ID, friend.Wish{Name: to})
		must(err)
		return i.Number
	}
	switch path {
	case "/api/invites/requested/{id}":
		number = invite("admin", name)
	case "/api/invites/requests/{id}", "/api/v2/shared_servers/{id}/accept":
		number = invite(name, "admin")
	case "/api/v2/friends/{id}/accept":
		invite(name, "admin")
	default:
		must(w.Sources.Share(t.Context(), operator, den, who.ID))
		shares, err := w.Sources.SharesTo(t.Context(), who.ID)
		must(err)
		if strings.Contains(path, "shared_servers") {
			number = shares[0].Number
		}
	}
	return strings.NewReplacer("{id}", fmt.Sprint(number), "{share}", fmt.Sprint(number)).Replace(path), query
}

// emptyHome removes all users except the admin. A home has few places, and the users of
// earlier requests are no longer needed.
func (w *fixture) emptyHome(t testing.TB) {
	t.Helper()
	found, err := w.Homes.Of(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range found.Users[1:] {
		if err := w.Homes.Remove(t.Context(), operator, 1, u.Account.UUID); err != nil {
			t.Fatal(err)
		}
	}
}

// labelled sends a request and checks that the response matches its Content-Type.
func (w *fixture) labelled(t *testing.T, method, path, accept string, token plexauth.Secret, form url.Values) (status int) {
	t.Helper()
	res, body := w.ask(t, method, path, accept, token, form)
	if err := isCalled(res.Header.Get("Content-Type"), []byte(body)); err != nil {
		t.Errorf("status %d: %v: %s", res.StatusCode, err, body)
	}
	return res.StatusCode
}

// isCalled returns an error if a body does not match its Content-Type.
func isCalled(contentType string, body []byte) error {
	switch contentType {
	case "":
		if len(body) > 0 {
			return errors.New("it is not called anything")
		}
		return nil
	case "application/json":
		if !json.Valid(body) {
			return errors.New("it is not JSON")
		}
		return nil
	case "application/xml; charset=utf-8", "image/svg+xml":
		var document struct{ XMLName xml.Name }
		if err := xml.Unmarshal(body, &document); err != nil {
			return fmt.Errorf("it is not XML: %w", err)
		}
		return nil
	case "text/plain; charset=utf-8":
		return nil
	case "application/yaml":
		var document map[string]any
		return yaml.Unmarshal(body, &document)
	case "image/png":
		_, err := png.Decode(bytes.NewReader(body))
		return err
	}
	return fmt.Errorf("unknown Content-Type %s", contentType)
}
