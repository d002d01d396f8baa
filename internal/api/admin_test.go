package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// allScopes lists the names of all scopes except the given ones.
func allScopes(except ...adminkey.Scope) (names []string) {
	for _, m := range adminkey.Scopes() {
		if !slices.Contains(except, m.Scope) {
			names = append(names, string(m.Scope))
		}
	}
	return names
}

// adminKey creates a key as the admin with ID 1.
func (w *fixture) adminKey(t testing.TB, name string, scopes ...string) plexauth.Secret {
	t.Helper()
	secret, _, err := w.AdminKeys.Make(t.Context(), operator, adminkey.NewKey{Name: name, Scopes: scopes, MakerID: 1})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// manage sends a request to the admin API. An empty body is not sent.
func (w *fixture) manage(t testing.TB, key plexauth.Secret, method, path, body string) (int, string) {
	t.Helper()
	return w.do(t, w.toManage(t, key, method, path, body))
}

func (w *fixture) toManage(t testing.TB, key plexauth.Secret, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+string(key))
	}
	return req
}

// filled is a path of the admin API with a value for each of its parameters.
func filled(path string) string {
	return strings.NewReplacer("{id}", "2", "{identifier}", "den", "{user}", "2", "{device}", "1", "{session}", "1", "{passkey}", "1", "{section}", "1", "{invitation}", "1").Replace(path)
}

// adminSteps is a scenario of the admin API: every route, and what each rejects. Later
// steps build on earlier ones. Accounts are 1, an admin, 2, a member, and those that
// the steps add.
var adminSteps = []struct {
	method, path, body string
	status             int
	has                string // part of the response
}{
	{"GET", "/status", "", 200, `"accounts":{"all":2,"admins":1,"disabled":0}`},
	{"GET", "/accounts", "", 200, `"username":"admin"`},
	{"GET", "/accounts?sort=newest&limit=1", "", 200, `"username":"member"`},
	{"GET", "/accounts?sort=oldest&limit=1", "", 200, `"username":"admin"`},
	{"GET", "/accounts?search=ME", "", 200, `"items":[{"id":2,`},
	{"GET", "/accounts?search=admin@", "", 200, `"items":[{"id":1,`},
	{"GET", "/accounts?sort=size", "", 400, `"field":"sort"`},
	{"GET", "/accounts?limit=501", "", 400, `"field":"limit"`},
	{"GET", "/accounts?limit=1&limit=2", "", 400, `"code":"malformed"`},
	{"GET", "/accounts?key=x", "", 400, `"field":"key"`},
	{"GET", "/accounts?%22%3Cb%3E=x", "", 400, `does not take"}`},
	{"POST", "/accounts", `{"username":"mia","email":"mia@example.org","password":"correct horse"}`, 201, `"id":3`},
	{"POST", "/accounts", `{"username":"MIA","password":"correct horse"}`, 409, `"code":"exists"`},
	{"POST", "/accounts", `{"username":"","password":"correct horse"}`, 422, `"field":"username"`},
	{"POST", "/accounts", `{"username":"noa","password":"short"}`, 422, `"field":"password"`},
	{"POST", "/accounts", `{"username":"noa","pasword":"x"}`, 400, `"field":"pasword"`},
	{"POST", "/accounts", `{"username":"noa","a b\"<":"x"}`, 400, `does not take"}`},
	{"POST", "/accounts", `{"username":7}`, 400, `"field":"username"`},
	{"POST", "/accounts", `{"username":"noa"} {}`, 400, `"code":"malformed"`},
	{"POST", "/accounts", `[]`, 400, `"code":"malformed"`},
	{"POST", "/accounts", `{"username":"olga","password":"correct horse","admin":true}`, 201, `"admin":true`},
	{"GET", "/accounts/3", "", 200, `"email":"mia@example.org","emailConfirmed":true`},
	{"GET", "/accounts/99", "", 404, `"code":"not-found"`},
	{"GET", "/accounts/mia", "", 404, `"code":"not-found"`},
	{"PUT", "/accounts/3/username", `{"username":"maria"}`, 200, `"username":"maria"`},
	{"PUT", "/accounts/3/username", `{"username":"admin"}`, 409, `"code":"exists"`},
	{"PUT", "/accounts/3/username", `{"username":"a b"}`, 422, `"field":"username"`},
	{"PUT", "/accounts/99/username", `{"username":"x"}`, 404, ""},
	{"PUT", "/accounts/3/email", `{"email":"maria@example.org"}`, 200, `"email":"maria@example.org"`},
	{"PUT", "/accounts/3/email", `{"email":"admin@example.org"}`, 409, ""},
	{"PUT", "/accounts/3/email", `{}`, 422, `"field":"email"`},
	{"PUT", "/accounts/99/email", `{"email":""}`, 404, ""},
	{"POST", "/accounts/3/email/confirm", `{"email":"maria@example.org"}`, 200, `"emailConfirmed":true`},
	{"POST", "/accounts/3/email/confirm", `{"email":"other@example.org"}`, 409, ""},
	{"POST", "/accounts/99/email/confirm", `{"email":"x@example.org"}`, 404, ""},
	{"PUT", "/accounts/3/admin", `{"admin":true}`, 200, `"admin":true`},
	{"PUT", "/accounts/3/admin", `{"admin":false}`, 200, `"admin":false`},
	{"PUT", "/accounts/3/admin", `{}`, 422, `"field":"admin"`},
	{"PUT", "/accounts/99/admin", `{"admin":true}`, 404, ""},
	{"PUT", "/accounts/4/admin", `{"admin":false}`, 200, `"admin":false`},
	{"PUT", "/accounts/1/admin", `{"admin":false}`, 409, `"code":"last-admin"`},
	{"PUT", "/accounts/3/disabled", `{"disabled":true}`, 200, `"disabled":true`},
	{"PUT", "/accounts/3/disabled", `{"disabled":false}`, 200, `"disabled":false`},
	{"PUT", "/accounts/3/disabled", `{}`, 422, `"field":"disabled"`},
	{"PUT", "/accounts/1/disabled", `{"disabled":true}`, 409, `"code":"last-admin"`},
	{"PUT", "/accounts/3/rules", `{"passwordOff":false}`, 200, `"passwordOff":false,"passkeyRequired":false`},
	{"PUT", "/accounts/3/rules", `{"passkeyRequired":true}`, 409, "passkey"},
	{"PUT", "/accounts/3/rules", `{"password":true}`, 400, `"code":"malformed"`},
	{"PUT", "/accounts/99/rules", `{"passwordOff":true}`, 404, ""},
	{"GET", "/admin-factor", "", 200, `{"required":false,"since":null,"graceSeconds":0}`},
	{"PUT", "/admin-factor", `{}`, 422, `"field":"required"`},
	{"PUT", "/admin-factor", `{"required":true,"graceSeconds":7776001}`, 422, `"field":"graceSeconds"`},
	{"PUT", "/admin-factor", `{"required":true}`, 200, `"required":true,`},
	{"PUT", "/admin-factor", `{"required":false}`, 200, `"required":false,"since":null,"graceSeconds":0}`},
	{"PUT", "/accounts/99/disabled", `{"disabled":true}`, 404, ""},
	{"PUT", "/accounts/3/password", `{"password":"another horse","signOut":true}`, 200, ""},
	{"PUT", "/accounts/3/password", `{"password":"short"}`, 422, `"field":"password"`},
	{"PUT", "/accounts/99/password", `{"password":"another horse"}`, 404, ""},
	{"POST", "/accounts/3/reset-link", `{"password":true,"lifetime":3600}`, 201, `"link":"`},
	{"POST", "/accounts/3/reset-link", `{"password":true,"secondFactor":true}`, 201, `"expiresAt":"`},
	{"POST", "/accounts/3/reset-link", `{}`, 422, `"field":"password"`},
	{"POST", "/accounts/3/reset-link", `{"password":true,"lifetime":0}`, 422, `"field":"lifetime"`},
	{"POST", "/accounts/3/reset-link", `{"password":true,"lifetime":86401}`, 422, `"field":"lifetime"`},
	{"POST", "/accounts/3/reset-link", `{"password":true,"lifetime":18446744077}`, 422, `"field":"lifetime"`}, // 3.3 s as a Duration that overflows
	{"POST", "/accounts/99/reset-link", `{"password":true}`, 404, ""},
	{"POST", "/accounts/3/reset-link", `{"password":true,"mail":true}`, 422, `"field":"mail"`}, // there is no mail server
	{"POST", "/accounts/99/reset-link", `{"password":true,"mail":true}`, 404, ""},
	{"DELETE", "/accounts/3/second-factor", "", 204, ""},
	{"GET", "/accounts/3/passkeys", "", 200, `"items":[]`},
	{"GET", "/accounts/99/passkeys", "", 404, ""},
	{"DELETE", "/accounts/3/passkeys/1", "", 204, ""},

	{"GET", "/accounts/2/devices", "", 200, `"clientIdentifier":"test"`},
	{"GET", "/accounts/2/devices?search=nothing&sort=product", "", 200, `"items":[]`},
	{"GET", "/accounts/99/devices", "", 404, ""},
	{"GET", "/tokens?search=TES", "", 200, `"product":"Test"`},
	{"GET", "/tokens?search=memb", "", 200, `"account":"member"`},
	{"GET", "/tokens?search=ember", "", 200, `"items":[]`},
	{"GET", "/tokens?account=2&search=test", "", 200, `"kind":"access"`},
	{"POST", "/accounts/2/devices/{anew}/merge", `{"into":{first}}`, 200, `"id":{first},`},
	{"POST", "/accounts/2/devices/{anew}/merge", `{"into":{first}}`, 404, `"code":"not-found"`},
	{"POST", "/accounts/2/devices/{first}/merge", `{"into":{first}}`, 422, `"field":"into"`},
	{"POST", "/accounts/2/devices/1/merge", `{}`, 422, `"field":"into"`},
	{"POST", "/accounts/2/devices/1/merge", `{"into":"2"}`, 400, `"field":"into"`},
	{"GET", "/accounts/2/sessions", "", 200, `"browser":"Firefox"`},
	{"GET", "/accounts/99/sessions", "", 404, ""},
	{"DELETE", "/accounts/2/sessions/1", "", 204, ""},
	{"DELETE", "/accounts/2/sessions/1", "", 204, ""},
	{"GET", "/tokens?account=2", "", 200, `"kind":"access"`},
	{"GET", "/tokens?account=x", "", 400, `"field":"account"`},
	{"GET", "/tokens/1", "", 200, `"kind":"access"`},
	{"GET", "/tokens/99", "", 404, ""},
	{"DELETE", "/tokens/1", "", 204, ""},
	{"DELETE", "/tokens/1", "", 204, ""},
	{"DELETE", "/accounts/2/devices/1", "", 204, ""},
	{"DELETE", "/accounts/2/sign-ins", "", 204, ""},

	{"GET", "/servers", "", 200, `"identifier":"den"`},
	{"POST", "/servers", `{"identifier":"attic","name":"Attic","ownerId":2,"connections":[{"uri":"http://10.0.0.9:32400"}]}`, 201, `"local":true`},
	{"POST", "/servers", `{"identifier":"attic","name":"Attic","connections":[{"uri":"http://10.0.0.9:32400"}]}`, 409, ""},
	{"POST", "/servers", `{"identifier":"cellar","name":"Cellar","connections":[]}`, 422, ""},
	{"POST", "/servers", `{"identifier":"cellar","name":"Cellar","ownerId":99,"connections":[{"uri":"http://10.0.0.9"}]}`, 422, `"field":"ownerId"`},
	{"GET", "/servers/attic", "", 200, `"ownerId":2`},
	{"GET", "/servers/none", "", 404, ""},
	{"POST", "/servers/attic/sections", `{"name":" Movies "}`, 201, `"id":1,"number":1,"name":"Movies","type":"movie"`},
	{"POST", "/servers/attic/sections", `{"name":"Shows","type":"show","number":7}`, 201, `"number":7,"name":"Shows","type":"show"`},
	{"POST", "/servers/attic/sections", `{"name":"MOVIES"}`, 409, `"code":"exists"`},
	{"POST", "/servers/attic/sections", `{"name":"","type":"show"}`, 422, `"field":"name"`},
	{"POST", "/servers/attic/sections", `{"name":"Books","type":"book"}`, 422, `"field":"type"`},
	{"POST", "/servers/attic/sections", `{"name":"Music","type":"artist","number":-1}`, 422, `"field":"number"`},
	{"POST", "/servers/none/sections", `{"name":"Music"}`, 404, ""},
	{"GET", "/servers/attic/sections", "", 200, `"name":"Shows"`},
	{"GET", "/servers/none/sections", "", 404, ""},
	{"DELETE", "/servers/den/sections/1", "", 204, ""}, // a section of another server
	{"GET", "/servers/attic/sections", "", 200, `"name":"Movies"`},
	{"DELETE", "/servers/attic/sections/1", "", 204, ""},
	{"DELETE", "/servers/attic/sections/1", "", 204, ""},
	{"GET", "/servers/attic/sections", "", 200, `{"items":[{"id":2,`},
	{"POST", "/invitations", `{"username":"noa","email":"noa@example.org","servers":["attic"],"lifetime":60}`, 201, `"servers":["Attic"],"madeBy":"admin"`},
	{"POST", "/invitations", `{"admin":true}`, 201, `"admin":true`},
	{"POST", "/invitations", `{"username":"maria"}`, 409, `"code":"exists"`},
	{"POST", "/invitations", `{"username":"a b"}`, 422, `"field":"username"`},
	{"POST", "/invitations", `{"servers":["none"]}`, 422, `"field":"servers"`},
	{"POST", "/invitations", `{"lifetime":59}`, 422, `"field":"lifetime"`},
	{"POST", "/invitations", `{"email":"noa@example.org","mail":true}`, 422, `"field":"mail"`},
	{"GET", "/invitations?limit=1", "", 200, `"items":[{"id":2,`},
	{"GET", "/invitations", "", 200, `"username":"noa","email":"noa@example.org","admin":false,"servers":["Attic"],"madeBy":"admin"`},
	{"DELETE", "/invitations/2", "", 204, ""},
	{"DELETE", "/invitations/2", "", 204, ""},
	{"GET", "/invitations", "", 200, `{"items":[{"id":1,`},
	{"PUT", "/servers/attic/shares/3", "", 204, ""},
	{"PUT", "/servers/attic/shares/3", "", 204, ""},
	{"PUT", "/servers/attic/shares/99", "", 404, ""},
	{"GET", "/servers/attic/shares", "", 200, `"account":"maria"`},
	{"GET", "/servers/none/shares", "", 404, ""},
	{"GET", "/shares", "", 200, `"serverName":"Attic"`},
	{"GET", "/shares?account=2", "", 200, `"items":[]`},
	{"DELETE", "/servers/attic/shares/3", "", 204, ""},
	{"DELETE", "/servers/attic/shares/3", "", 204, ""},
	{"DELETE", "/servers/attic", "", 204, ""},
	{"DELETE", "/servers/attic", "", 204, ""},
	{"DELETE", "/servers/self", "", 409, `"code":"own-server"`},
	{"GET", "/providers", "", 200, `"identifier":"den"`},
	{"POST", "/providers", `{"identifier":"guide","name":"Guide","connections":[{"uri":"https://guide.example.org"}]}`, 201, ""},
	{"POST", "/providers", `{"identifier":"guide","name":"Guide","connections":[{"uri":"https://guide.example.org"}]}`, 409, ""},
	{"POST", "/providers", `{"identifier":"","name":"Guide"}`, 422, ""},
	{"GET", "/providers/guide", "", 200, ""},
	{"GET", "/providers/none", "", 404, ""},
	{"DELETE", "/providers/guide", "", 204, ""},

	{"GET", "/accounts/2/home", "", 200, `"ownerId":2`},
	{"GET", "/accounts/99/home", "", 404, ""},
	{"POST", "/accounts/2/home/users", `{"title":"Kid","restriction":"teen"}`, 201, `"id":5`},
	{"POST", "/accounts/2/home/users", `{"title":"Kid"}`, 409, ""},
	{"PUT", "/accounts/5/password", `{"password":"another horse"}`, 409, `"code":"managed"`},
	{"POST", "/accounts/5/reset-link", `{"password":true}`, 409, `"code":"managed"`},
	{"POST", "/accounts/2/home/users", `{"title":""}`, 422, `"field":"title"`},
	{"POST", "/accounts/99/home/users", `{"title":"Kid"}`, 404, ""},
	{"POST", "/accounts/2/home/users", `{"guest":true}`, 201, `"role":"guest"`},
	{"POST", "/accounts/2/home/members", `{"accountId":3}`, 200, `"title":"maria"`},
	{"POST", "/accounts/2/home/members", `{"accountId":3}`, 409, ""},
	{"POST", "/accounts/2/home/members", `{"accountId":99}`, 404, ""},
	{"POST", "/accounts/2/home/members", `{}`, 422, `"field":"accountId"`},
	{"PUT", "/accounts/2/home/users/5/title", `{"title":"Kim"}`, 200, `"title":"Kim"`},
	{"PUT", "/accounts/2/home/users/5/title", `{"title":""}`, 422, ""},
	{"PUT", "/accounts/2/home/users/3/title", `{"title":"Kim"}`, 409, ""},
	{"PUT", "/accounts/2/home/users/99/title", `{"title":"Kim"}`, 404, ""},
	{"PUT", "/accounts/2/home/users/5/restriction", `{"restriction":""}`, 200, `"restriction":""`},
	{"PUT", "/accounts/2/home/users/5/restriction", `{"restriction":"x"}`, 422, ""},
	{"PUT", "/accounts/2/home/users/5/restriction", `{}`, 422, `"field":"restriction"`},
	{"PUT", "/accounts/2/home/users/5/restriction", `{"restriction":null}`, 422, `"field":"restriction"`},
	{"PUT", "/accounts/2/home/users/3/restriction", `{"restriction":"teen"}`, 409, ""},
	{"PUT", "/accounts/2/home/users/99/restriction", `{"restriction":"teen"}`, 404, ""},
	{"PUT", "/accounts/2/home/users/3/admin", `{"admin":true}`, 200, `"role":"admin"`},
	{"PUT", "/accounts/2/home/users/3/admin", `{}`, 422, ""},
	{"PUT", "/accounts/2/home/users/2/admin", `{"admin":true}`, 409, ""},
	{"PUT", "/accounts/2/home/users/99/admin", `{"admin":true}`, 404, ""},
	{"PUT", "/accounts/2/home/users/3/pin", `{"pin":"1234"}`, 200, `"protected":true`},
	{"PUT", "/accounts/2/home/users/5/pin", `{"pin":"4321"}`, 200, ""},
	{"PUT", "/accounts/2/home/users/5/pin", `{"pin":"x"}`, 422, `"field":"pin"`},
	{"PUT", "/accounts/2/home/users/5/pin", `{}`, 422, `"field":"pin"`},
	{"PUT", "/accounts/2/home/users/99/pin", `{"pin":"1234"}`, 404, ""},
	{"DELETE", "/accounts/2/home/users/5/pin", "", 204, ""},
	{"DELETE", "/accounts/2/home/users/2", "", 409, ""},
	{"DELETE", "/accounts/2/home/users/5", "", 204, ""},
	{"DELETE", "/accounts/2/home/users/5", "", 204, ""},

	{"POST", "/origins", `{"origin":"https://App.example.org:443"}`, 201, `"origin":"https://app.example.org"`},
	{"POST", "/origins", `{"origin":"https://app.example.org"}`, 409, ""},
	{"POST", "/origins", `{"origin":"javascript:alert(1)"}`, 422, ""},
	{"GET", "/origins", "", 200, `"origin":"https://app.example.org"`},
	{"DELETE", "/origins?origin=https://app.example.org", "", 204, ""},
	{"DELETE", "/origins?origin=https://app.example.org", "", 204, ""},
	{"DELETE", "/origins", "", 422, ""},
	{"GET", "/signing-keys", "", 200, `"signs":true`},
	{"POST", "/signing-keys", `{}`, 200, `"signs":false`},
	{"POST", "/signing-keys", `{"atOnce":true}`, 200, ""},
	{"GET", "/audit?limit=1&event=signing-key.replaced", "", 200, `"actor":"admin key all of admin"`},
	{"GET", "/audit?since=2026-01-01T00:00:00Z&username=maria&text=home", "", 200, `"event":"home.joined"`},
	{"GET", "/audit?event=none", "", 400, `"field":"event"`},
	{"GET", "/audit?since=yesterday", "", 400, `"field":"since"`},
	{"GET", "/audit?limit=1000", "", 400, `"field":"limit"`},
	{"GET", "/audit/verify", "", 200, `"good":true`},

	{"DELETE", "/accounts/1", "", 409, `"code":"last-admin"`},
	{"DELETE", "/accounts/3", "", 204, ""},
	{"DELETE", "/accounts/3", "", 204, ""},
}

// playAdmin runs the scenario, and returns every answer.
func (w *fixture) playAdmin(t *testing.T) (answers []string) {
	t.Helper()
	number := func(tok plexauth.Secret) string {
		p, err := w.Tokens.Verify(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(p.DeviceID)
	}
	first := number(w.signIn(t, "member"))
	member, err := w.Accounts.Find(t.Context(), "member")
	if err != nil {
		t.Fatal(err)
	}
	devices := strings.NewReplacer("{first}", first, "{anew}", number(w.Token(member, "test, installed anew")))
	v, err := w.Accounts.VerifyPassword(t.Context(), operator, account.Credentials{Login: "member", Password: password})
	if err == nil {
		_, _, err = w.Sessions.Start(t.Context(), operator, v.Proof, true, "Firefox")
	}
	if err != nil {
		t.Fatal(err)
	}
	key := w.adminKey(t, "all", allScopes()...)
	for _, s := range adminSteps {
		s.path, s.body, s.has = devices.Replace(s.path), devices.Replace(s.body), devices.Replace(s.has)
		status, body := w.manage(t, key, s.method, "/admin/api/v1"+s.path, s.body)
		if s.status != 0 && status != s.status || !strings.Contains(body, s.has) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", s.method, s.path, s.body, status, body, s.status, s.has)
		}
		answers = append(answers, body)
	}
	for range 10 {
		if status, _ := w.manage(t, key, "POST", "/admin/api/v1/signing-keys", `{"atOnce":true}`); status == http.StatusConflict {
			break
		}
	}
	return answers
}

// askAdmin requests every documented status of the admin API.
func (w *fixture) askAdmin(t *testing.T) {
	t.Helper()
	w.playAdmin(t)
	key := w.adminKey(t, "another", allScopes()...)
	for _, row := range api.AdminRows() {
		path := filled(row.Path)
		w.manage(t, "", row.Method, path, "")
		w.manage(t, w.lacking(t, row), row.Method, path, "{}")
		w.manage(t, key, row.Method, path+"?unknown=1", "{}")
		if row.Body {
			w.manage(t, key, row.Method, path, "")
			w.manage(t, key, row.Method, path, strings.Repeat(" ", 17<<10))
		}
	}
}

// lacking is a key with every scope except those that allow a route.
func (w *fixture) lacking(t *testing.T, row api.AdminRow) plexauth.Secret {
	t.Helper()
	noun, _, _ := strings.Cut(string(row.Scope), ":")
	name := "without-" + noun + strings.TrimPrefix(string(row.Scope), noun+":")
	except := []adminkey.Scope{row.Scope, adminkey.Scope(noun + ":write")}
	if k, err := w.AdminKeys.ByName(t.Context(), name); err == nil {
		if err := w.AdminKeys.Revoke(t.Context(), operator, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	return w.adminKey(t, name, allScopes(except...)...)
}

// Each route has a scope, and each scope belongs to a route.
func TestAdminRoutesHaveScopes(t *testing.T) {
	used := make(map[adminkey.Scope]bool)
	for _, row := range api.AdminRows() {
		used[row.Scope] = true
		if !slices.ContainsFunc(adminkey.Scopes(), func(m adminkey.Meaning) bool { return m.Scope == row.Scope }) {
			t.Errorf("%s %s has no scope: %q", row.Method, row.Path, row.Scope)
		}
		if reads := strings.HasSuffix(string(row.Scope), ":read"); reads != (row.Method == http.MethodGet) {
			t.Errorf("%s %s takes %s", row.Method, row.Path, row.Scope)
		}
		if !strings.HasPrefix(row.Path, "/admin/api/v1/") {
			t.Errorf("%s is not below the prefix of the admin API", row.Path)
		}
	}
	for _, m := range adminkey.Scopes() {
		if !used[m.Scope] {
			t.Errorf("no route takes %s", m.Scope)
		}
	}
	for i, code := range api.ProblemCodes() {
		if code == "" {
			t.Errorf("problem %d has no code", i)
		}
	}
}

// dump returns the content of the database without the times when keys were last used:
// these are recorded for rejected requests, too.
func (w *fixture) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, table := range w.tables(t) {
		if slices.Contains([]string{"change", "tally"}, table) {
			continue
		}
		columns := slices.DeleteFunc(w.columns(t, table, ""), func(c string) bool { return table == "admin_key" && c == "last_used_at" })
		for i, c := range columns {
			columns[i] = `quote("` + c + `")`
		}
		fmt.Fprintf(&b, "%s: %s\n", table, w.texts(t, "SELECT "+strings.Join(columns, "||','||")+` FROM "`+table+`"`))
	}
	return b.String()
}

func (w *fixture) tables(t *testing.T) []string {
	t.Helper()
	return w.texts(t, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
}

// columns are the columns of a table, of one type or, if that is empty, of all.
func (w *fixture) columns(t *testing.T, table, kind string) []string {
	t.Helper()
	query := "SELECT name FROM pragma_table_info('" + table + "')"
	if kind != "" {
		query += " WHERE type = '" + kind + "'"
	}
	return w.texts(t, query)
}

// texts runs a query of texts.
func (w *fixture) texts(t *testing.T, query string) (list []string) {
	t.Helper()
	rows, err := w.DB.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// Attack: a key that lacks the scope of a route, no key, or a credential of
// another kind: a token of an admin, a cookie of an admin's browser, a key in the query or
// in X-Plex-Token. The response is 403 or 401, and nothing changes.
func TestAdminLawOfScopes(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "admin")
	v, err := w.Accounts.VerifyPassword(t.Context(), operator, account.Credentials{Login: "admin", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := w.Sessions.Start(t.Context(), operator, v.Proof, true, "Firefox")
	if err != nil {
		t.Fatal(err)
	}
	good := w.adminKey(t, "good", allScopes()...)
	bodies := make(map[string]string)
	for _, s := range adminSteps {
		if s.status < 300 {
			for _, row := range api.AdminRows() {
				if row.Method == s.method && pattern(row.Path).MatchString(s.path) {
					bodies[row.Method+row.Path] = s.body
				}
			}
		}
	}
	for _, row := range api.AdminRows() {
		path, body := filled(row.Path), bodies[row.Method+row.Path]
		lacking := w.lacking(t, row)
		before := w.dump(t)
		status, text := w.manage(t, lacking, row.Method, path, body)
		if status != http.StatusForbidden || !strings.Contains(text, `"code":"scope"`) {
			t.Errorf("%s %s without its scope: %d %s", row.Method, path, status, text)
		}
		if after := w.dump(t); after != before {
			t.Fatalf("%s %s: a denied request changed something:\n%s\n%s", row.Method, path, before, after)
		}
		for what, change := range map[string]func(*http.Request){
			"nothing":                 func(*http.Request) {},
			"the token of an admin":   func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+string(token)) },
			"X-Plex-Token":            func(r *http.Request) { r.Header.Set("X-Plex-Token", string(good)) },
			"a token in X-Plex-Token": func(r *http.Request) { r.Header.Set("X-Plex-Token", string(token)) },
			"a token in the query":    func(r *http.Request) { r.URL.RawQuery = "X-Plex-Token=" + string(token) },
			"a key in the query":      func(r *http.Request) { r.URL.RawQuery = "access_token=" + string(good) },
			"a cookie":                func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "usher_session", Value: string(cookie)}) },
			"a key in Basic":          func(r *http.Request) { r.SetBasicAuth("key", string(good)) },
			"two keys":                func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + string(good), "Bearer x"} },
		} {
			req := w.toManage(t, "", row.Method, path, body)
			change(req)
			if status, text := w.do(t, req); status != http.StatusUnauthorized {
				t.Errorf("%s %s with %s: %d %s", row.Method, path, what, status, text)
			}
		}
		if after := w.dump(t); withoutRefusals(after) != withoutRefusals(before) {
			t.Fatalf("%s %s: a rejected request changed something:\n%s\n%s", row.Method, path, before, after)
		}
	}
}

// pattern matches the paths of a row of the table, below the version.
func pattern(path string) *regexp.Regexp {
	path = strings.TrimPrefix(path, "/admin/api/v1")
	return regexp.MustCompile("^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "[^/?]+") + `(\?|$)`)
}

// withoutRefusals removes the audit rows about wrong keys from a dump.
func withoutRefusals(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "audit: ") && !strings.HasPrefix(line, "setting: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// shownLink is the link in an answer, which is a secret.
var shownLink = regexp.MustCompile(`"link":"([^"?]*)\?key=([^"]*)"`)

// withoutLinks returns the answers to the steps without their links, and the secrets of the
// links. Only these steps' answers contain secrets, and each contains one.
func withoutLinks(t *testing.T, answers []string) (rest, secrets []string) {
	t.Helper()
	for i, text := range answers {
		s := adminSteps[i]
		if s.status == http.StatusCreated && (s.path == "/invitations" || strings.HasSuffix(s.path, "/reset-link")) {
			found := shownLink.FindStringSubmatch(text)
			if found == nil || len(found[2]) < 20 {
				t.Fatalf("%s %s has no link: %s", s.method, s.path, text)
			}
			text, secrets = strings.Replace(text, found[0], "", 1), append(secrets, found[2])
		}
		rest = append(rest, text)
	}
	for i, text := range rest {
		for _, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, "?key=") {
				t.Errorf("%s %s returns the link again: %s", adminSteps[i].method, adminSteps[i].path, text)
			}
		}
	}
	return rest, secrets
}

// Attack: obtain a secret from the admin API. No response contains a token, a key, a hash
// of one, a password, a seed or a sealed value, except for the requested links.
func TestAdminAnswersHaveNoSecrets(t *testing.T) {
	w := newFixture(t, nil)
	w.adminKey(t, "spare", "audit:read")
	w.signIn(t, "admin")
	if _, err := w.Accounts.Enrol(t.Context(), operator, 2, account.NewEnrolment("usher", "member"), ""); err != nil {
		t.Fatal(err)
	}
	if err := w.Homes.ResetPIN(t.Context(), operator, 1, "1234"); err != nil {
		t.Fatal(err)
	}
	// The scenario signs the member in without a second factor, so it is added afterwards.
	if err := w.Accounts.RemoveSecondFactor(t.Context(), operator, 2); err != nil {
		t.Fatal(err)
	}
	secrets := make(map[string]string)
	collect := func() {
		for _, table := range w.tables(t) {
			for _, column := range append(w.columns(t, table, "BLOB"), w.columns(t, table, "TEXT")...) {
				name := table + "." + column
				secret := regexp.MustCompile(`hash|seed|key|secret|nonce|value|credential|challenge`).MatchString(column)
				if !secret || strings.HasSuffix(column, "_key") && table == "account" || slices.Contains([]string{"audit.hash", "signing_key.public_key", "challenge.key", "failure.key", "audit_end.hash", "setting.value", "change.key"}, name) {
					continue
				}
				for _, hexed := range w.texts(t, fmt.Sprintf(`SELECT hex("%s") FROM "%s" WHERE length("%s") >= 8`, column, table, column)) {
					raw, err := hex.DecodeString(hexed)
					if err != nil {
						t.Fatal(err)
					}
					for _, form := range []string{
						string(raw), hexed, strings.ToLower(hexed), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
					} {
						secrets[form] = name
					}
				}
			}
		}
	}
	collect()
	answers := w.playAdmin(t)
	collect()
	for _, column := range []string{"account.password_hash", "token.hash", "admin_key.hash", "signing_key.sealed_key", "session.hash"} {
		if column != "session.hash" && !slices.Contains(slices.Collect(mapValues(secrets)), column) {
			t.Errorf("the test does not know the column %s", column)
		}
	}
	answers, links := withoutLinks(t, answers)
	if len(links) != 4 {
		t.Errorf("%d links were created", len(links))
	}
	if dump := w.dump(t); slices.ContainsFunc(links, func(link string) bool { return strings.Contains(dump, link) }) {
		t.Error("a link is stored in the clear")
	}
	for i, text := range answers {
		for secret, name := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s %s shows %s", adminSteps[i].method, adminSteps[i].path, name)
			}
		}
		for _, mark := range []string{adminkey.Prefix, "argon2", "correct horse", "another horse", "transient-"} {
			if strings.Contains(text, mark) {
				t.Errorf("%s %s shows %s: %s", adminSteps[i].method, adminSteps[i].path, mark, text)
			}
		}
		for _, word := range regexp.MustCompile(`[0-9A-Za-z]{20}`).FindAllString(text, -1) {
			if w.good(t, plexauth.Secret(word)) {
				t.Errorf("%s %s shows a token", adminSteps[i].method, adminSteps[i].path)
			}
		}
	}
}

func mapValues(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// Every change names the key and its creator, and the key does not work as a token.
func TestAdminChangesNameTheKey(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "script", allScopes()...)
	before, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.manage(t, key, "PUT", "/admin/api/v1/accounts/1/username", `{"username":"root"}`)
	w.manage(t, key, "POST", "/admin/api/v1/origins", `{"origin":"https://app.example.org"}`)
	rows, err := w.Audit.List(t.Context(), audit.Query{After: before[0].ID})
	if err != nil || len(rows) != 2 {
		t.Fatalf("the log has %v, %v", rows, err)
	}
	for i, maker := range []string{"root", "admin"} { // the newest first: the maker was renamed
		if want := "admin key script of " + maker; rows[i].Actor != want || rows[i].Device != "admin API, key 1" || rows[i].Address == "" {
			t.Errorf("%s has the actor %q and the device %q, want %q", rows[i].Event, rows[i].Actor, rows[i].Device, want)
		}
	}
	for _, row := range api.Rows() {
		if row.Token {
			req := w.request(t, row.Method, filled(row.Path), "application/json", nil)
			req.Header.Set("X-Plex-Token", string(key))
			if status, body := w.do(t, req); status != row.Refused {
				t.Errorf("attack: %s %s takes a key of the admin API: %d %s", row.Method, row.Path, status, body)
			}
		}
	}
}

// whatAdminsHave gives the admin one object of each kind, and returns their numbers.
func (w *fixture) whatAdminsHave(t *testing.T) *strings.Replacer {
	t.Helper()
	kid, err := w.Homes.AddManaged(t.Context(), operator, 1, "Kid", "")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := w.Accounts.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	principal, err := w.Tokens.Verify(t.Context(), w.Token(admin, "admin's"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := w.Tokens.Verify(t.Context(), w.Token(admin, "admin's, too"))
	if err != nil {
		t.Fatal(err)
	}
	_, s, err := w.Sessions.Start(t.Context(), operator, w.Prove(admin).Proof, true, "browser")
	if err != nil {
		t.Fatal(err)
	}
	_, i, err := w.Invites.Make(t.Context(), operator, invite.New{Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"{kid}", fmt.Sprint(kid.Account.ID), "{token}", fmt.Sprint(principal.TokenID), "{device}", fmt.Sprint(principal.DeviceID), "{other}", fmt.Sprint(other.DeviceID),
		"{session}", fmt.Sprint(s.ID), "{invitation}", fmt.Sprint(i.ID),
	)
}

// Attack: a key for accounts, tokens, homes or servers takes over an admin's account, signs
// the admin out, or changes what the admin has.
func TestAdminsTakeTheirOwnScope(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "script", allScopes(adminkey.AdminsWrite)...)
	has := w.whatAdminsHave(t)
	before := w.dump(t)
	for _, target := range []string{
		`PUT /accounts/1/username {"username":"x"}`, `PUT /accounts/1/email {"email":"x@example.org"}`,
		`PUT /accounts/1/password {"password":"another horse"}`, `PUT /accounts/1/disabled {"disabled":true}`,
		`PUT /accounts/2/admin {"admin":true}`, `POST /accounts {"username":"x","password":"correct horse","admin":true}`,
		`POST /accounts/1/email/confirm {"email":"admin@example.org"}`,
		`POST /accounts/1/reset-link {"password":true}`, `POST /invitations {"admin":true}`,
		`DELETE /accounts/1 `, `DELETE /accounts/1/second-factor `, `DELETE /accounts/1/passkeys/1 `,
		`PUT /accounts/1/home/users/1/pin {"pin":"1234"}`, `DELETE /accounts/1/home/users/1/pin `,
		`POST /accounts/2/home/members {"accountId":1}`, `DELETE /accounts/1/home/users/1 `,
		`POST /accounts/1/home/members {"accountId":2}`, `POST /accounts/1/home/users {"title":"Other"}`, `POST /accounts/1/home/users {"guest":true}`,
		`PUT /accounts/1/home/users/{kid}/title {"title":"x"}`, `PUT /accounts/1/home/users/{kid}/restriction {"restriction":"teen"}`,
		`PUT /accounts/1/home/users/{kid}/pin {"pin":"1234"}`, `DELETE /accounts/1/home/users/{kid}/pin `,
		`DELETE /accounts/1/home/users/{kid} `,
		`DELETE /tokens/{token} `, `DELETE /accounts/1/devices/{device} `, `POST /accounts/1/devices/{other}/merge {"into":{device}}`, `DELETE /accounts/1/sessions/{session} `, `DELETE /accounts/1/sign-ins `,
		`PUT /servers/den/shares/1 `, `DELETE /servers/den/shares/1 `, `DELETE /invitations/{invitation} `,
	} {
		target = has.Replace(target)
		method, rest, _ := strings.Cut(target, " ")
		path, body, _ := strings.Cut(rest, " ")
		if status, text := w.manage(t, key, method, "/admin/api/v1"+path, body); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", target, status, text)
		}
	}
	if after := w.dump(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// Attack: a key for accounts gives access to servers with an invitation.
func TestInvitingToServersTakesTheirScope(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "script", "accounts:write", "servers:read")
	before := w.dump(t)
	status, text := w.manage(t, key, "POST", "/admin/api/v1/invitations", `{"servers":["den"]}`)
	if status != http.StatusForbidden || !strings.Contains(text, `"code":"scope"`) || w.dump(t) != before {
		t.Errorf("%d %s", status, text)
	}
}

// made creates a link, and returns it with the address of a server that has the pages.
func (w *fixture) made(t *testing.T, pages string, key plexauth.Secret, path, body string) string {
	t.Helper()
	status, text := w.manage(t, key, "POST", "/admin/api/v1"+path, body)
	found := shownLink.FindStringSubmatch(text)
	if status != http.StatusCreated || found == nil {
		t.Fatalf("%s: %d %s", path, status, text)
	}
	want := w.Sources.Self().Connections[0].URI
	if page, ok := strings.CutPrefix(found[1], want); ok {
		return pages + page + "?key=" + found[2]
	}
	t.Fatalf("the link leads to %s, want %s", found[1], want)
	return ""
}

// The links of the admin API lead to this server's pages, whatever the Host header is,
// and become invalid with the admin who created the key.
func TestAdminLinksWorkUntilTheirMakerLeaves(t *testing.T) {
	w := newFixture(t, nil)
	pages := httptest.NewServer(server.New(w.Core.Core, server.Config{}).Handler())
	defer pages.Close()
	key := w.adminKey(t, "script", "accounts:write")
	links := []string{
		w.made(t, pages.URL, key, "/invitations", `{}`), w.made(t, pages.URL, key, "/accounts/2/reset-link", `{"password":true}`),
	}
	open := func(link string) int {
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(link)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, link := range links {
		if status := open(link); status >= 400 {
			t.Errorf("%s: %d", link, status)
		}
	}
	w.AddAdmin("olga")
	if err := w.Accounts.Demote(t.Context(), operator, 1, w.Sources); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invites.Find(t.Context(), operator, plexauth.Secret(strings.SplitAfter(links[0], "=")[1])); !errors.Is(err, invite.ErrLink) {
		t.Errorf("attack: the invitation of a former admin: %v", err)
	}
	if _, _, err := w.Accounts.ByReset(t.Context(), operator, plexauth.Secret(strings.SplitAfter(links[1], "=")[1])); !errors.Is(err, account.ErrReset) {
		t.Errorf("attack: the reset link of a former admin: %v", err)
	}
}

// Attack: a thief of a key creates links for later use, before the key is revoked. Links of
// another key stay valid.
func TestAdminLinksEndWithTheirKey(t *testing.T) {
	w := newFixture(t, nil)
	secrets := func(name string) (invitation, reset plexauth.Secret) {
		t.Helper()
		key := w.adminKey(t, name, "accounts:write")
		var found []plexauth.Secret
		for _, request := range [][2]string{{"/invitations", `{}`}, {fmt.Sprintf("/accounts/%d/reset-link", w.Add(name).ID), `{"password":true}`}} {
			status, text := w.manage(t, key, "POST", "/admin/api/v1"+request[0], request[1])
			link := shownLink.FindStringSubmatch(text)
			if status != http.StatusCreated || link == nil {
				t.Fatalf("%s: %d %s", request[0], status, text)
			}
			found = append(found, plexauth.Secret(link[2]))
		}
		return found[0], found[1]
	}
	invitation, reset := secrets("stolen")
	others, othersReset := secrets("other")
	k, err := w.AdminKeys.ByName(t.Context(), "stolen")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AdminKeys.Revoke(t.Context(), operator, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invites.Find(t.Context(), operator, invitation); !errors.Is(err, invite.ErrLink) {
		t.Errorf("attack: the invitation works: %v", err)
	}
	if _, _, err := w.Accounts.ByReset(t.Context(), operator, reset); !errors.Is(err, account.ErrReset) {
		t.Errorf("attack: the reset link works: %v", err)
	}
	_, err = w.Invites.Find(t.Context(), operator, others)
	_, _, resetErr := w.Accounts.ByReset(t.Context(), operator, othersReset)
	if err := errors.Join(err, resetErr); err != nil {
		t.Errorf("the links of another key: %v", err)
	}
}

// Attack: a member is promoted between the request and the change, which a key without
// admins:write then applies to an admin. Each change checks again in its transaction.
func TestAdminsAreCheckedInTheTransaction(t *testing.T) {
	w := newFixture(t, nil)
	w.AddAdmin("olga")
	key := adminkey.Key{Name: "script", Scopes: []adminkey.Scope{adminkey.AccountsWrite, adminkey.HomesWrite}}
	admin, err := w.Accounts.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	principal, err := w.Tokens.Verify(t.Context(), w.Token(admin, "admin's"))
	if err != nil {
		t.Fatal(err)
	}
	by, ctx := key.Actor("127.0.0.1"), t.Context()
	other, err := w.Tokens.Verify(ctx, w.Token(admin, "admin's, too"))
	if err != nil {
		t.Fatal(err)
	}
	den, err := w.Sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: "den"})
	if err != nil {
		t.Fatal(err)
	}
	if !by.MembersOnly || by.ForID != 0 {
		t.Fatalf("the actor is %+v", by)
	}
	before := w.dump(t)
	for name, change := range map[string]func() error{
		"rename":        func() error { return w.Accounts.Rename(ctx, by, 1, "x") },
		"e-mail":        func() error { return w.Accounts.SetEmail(ctx, by, 1, "x@example.org") },
		"confirm":       func() error { return w.Accounts.ConfirmEmail(ctx, by, 1, "admin@example.org") },
		"password":      func() error { return w.Accounts.SetPassword(ctx, by, 1, "another horse") },
		"disable":       func() error { return w.Accounts.Disable(ctx, by, 1) },
		"demote":        func() error { return w.Accounts.Demote(ctx, by, 1, w.Sources) },
		"remove":        func() error { return w.Accounts.Remove(ctx, by, 1) },
		"second factor": func() error { return w.Accounts.RemoveSecondFactor(ctx, by, 1) },
		"passkey":       func() error { return w.Passkeys.Remove(ctx, by, 1, 1) },
		"reset link": func() error {
			_, _, err := w.Accounts.NewReset(ctx, by, 1, account.Reset{Password: true}, 0)
			return err
		},
		"join":      func() error { return w.Homes.Join(ctx, by, 2, 1, false) },
		"PIN":       func() error { return w.Homes.ResetPIN(ctx, by, 1, "1234") },
		"no PIN":    func() error { return w.Homes.ResetPIN(ctx, by, 1, "") },
		"home user": func() error { return w.Homes.Remove(ctx, by, 1, "1") },
		"home role": func() error { return w.Homes.SetAdmin(ctx, by, 1, "1", true) },
		"guest": func() error {
			_, err := w.Homes.AddGuest(ctx, by, 1)
			return err
		},
		"joining": func() error { return w.Homes.Join(ctx, by, 1, 2, false) },
		"token":   func() error { return w.Tokens.Revoke(ctx, by, principal.TokenID) },
		"device":  func() error { return w.Tokens.RevokeDevice(ctx, by, 1, principal.DeviceID) },
		"merge": func() error {
			_, err := w.Tokens.MergeDevices(ctx, by, 1, principal.DeviceID, other.DeviceID)
			return err
		},
		"browser":      func() error { return w.Sessions.Revoke(ctx, by, 1, 1) },
		"sign-ins":     func() error { return w.Sessions.RevokeOthers(ctx, by, 1, 0) },
		"share":        func() error { return w.Sources.Share(ctx, by, den, 1) },
		"end of share": func() error { return w.Sources.Unshare(ctx, by, den, 1) },
		"invitation": func() error {
			_, _, err := w.Invites.Make(ctx, by, invite.New{Admin: true})
			return err
		},
	} {
		if err := change(); !errors.Is(err, account.ErrMembersOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := w.dump(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	key.Scopes = append(key.Scopes, adminkey.AdminsWrite)
	if err := w.Accounts.Rename(ctx, key.Actor(""), 1, "root"); err != nil {
		t.Errorf("with the scope: %v", err)
	}
}

// A listing is read page by page, forwards and backwards.
func TestAdminListings(t *testing.T) {
	w := newFixture(t, nil)
	for i := range 5 {
		w.Add(fmt.Sprintf("person%d", i))
	}
	key := w.adminKey(t, "reader", "accounts:read", "audit:read")
	next := regexp.MustCompile(`"next":"([^"]*)"`)
	seen, path := "", "/admin/api/v1/accounts?limit=3"
	for range 4 {
		_, body := w.manage(t, key, "GET", path, "")
		for _, m := range regexp.MustCompile(`"username":"(\w+)"`).FindAllStringSubmatch(body, -1) {
			seen += m[1] + " "
		}
		cursor := next.FindStringSubmatch(body)
		if cursor == nil || cursor[1] == "" {
			break
		}
		path = "/admin/api/v1/accounts?limit=3&after=" + cursor[1]
	}
	if want := "admin member person0 person1 person2 person3 person4 "; seen != want {
		t.Errorf("read %q, want %q", seen, want)
	}
	// A cursor that was cut off, or that is of another listing, is an error, and not the
	// first page again.
	key = w.adminKey(t, "all", allScopes()...)
	for _, row := range api.AdminRows() {
		if !slices.Contains(row.Query, "after") {
			continue
		}
		for _, forged := range []string{"after=x", "before=x", "after=W10", "after=WyJ4IiwieCIsIngiXQ", "before=WyJ4IiwieCIsIngiXQ", "after=WzEsMSwxLDEsMV0"} {
			if status, body := w.manage(t, key, "GET", filled(row.Path)+"?"+forged, ""); status != 400 || !strings.Contains(body, "malformed") {
				t.Errorf("%s?%s: status %d %s", row.Path, forged, status, body)
			}
		}
	}
	_, body := w.manage(t, key, "GET", "/admin/api/v1/audit?limit=2", "")
	before := regexp.MustCompile(`"before":(\d+)`).FindStringSubmatch(body)
	_, older := w.manage(t, key, "GET", "/admin/api/v1/audit?limit=2&before="+before[1], "")
	if before[1] == "0" || strings.Contains(older, `"id":`+before[1]+",") {
		t.Errorf("before %s: %s", before[1], older)
	}
}

// A body that is valid JSON and no object changes nothing: every field of a null would
// count as omitted.
func TestAdminBodiesAreObjects(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "all", allScopes()...)
	before := w.dump(t)
	for _, row := range api.AdminRows() {
		if !row.Body {
			continue
		}
		for _, body := range []string{"null", " null", `"x"`, "7", "true", "[]", "[{}]"} {
			status, text := w.manage(t, key, row.Method, filled(row.Path), body)
			if status != http.StatusBadRequest || !strings.Contains(text, `"malformed"`) {
				t.Errorf("%s %s with %s: status %d %s", row.Method, row.Path, body, status, text)
			}
		}
	}
	if after := w.dump(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// The response that creates an object has the same values as later responses.
func TestAdminCreatedAsStored(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "all", allScopes()...)
	for _, c := range []struct{ path, body, later string }{
		{"/accounts", `{"username":"mia","password":"correct horse"}`, "/accounts?sort=newest&limit=1"},
		{"/servers", `{"identifier":"attic","name":"Attic","connections":[{"uri":"http://192.0.2.9:32400"}]}`, "/servers/attic"},
		{"/servers/attic/sections", `{"name":"Films","type":"movie"}`, "/servers/attic/sections"},
		{"/providers", `{"identifier":"guide","name":"Guide","connections":[{"uri":"http://192.0.2.9"}]}`, "/providers/guide"},
		{"/accounts/2/home/users", `{"title":"Kid"}`, "/accounts/2/home"},
		{"/invitations", `{"username":"noa"}`, "/invitations"},
	} {
		status, made := w.manage(t, key, "POST", "/admin/api/v1"+c.path, c.body)
		_, later := w.manage(t, key, "GET", "/admin/api/v1"+c.later, "")
		object, _, _ := strings.Cut(strings.TrimRight(made, "}\n"), `,"link"`) // which is not stored
		if status != http.StatusCreated || !strings.Contains(later, object) {
			t.Errorf("%s: status %d\n%s, and later\n%s", c.path, status, made, later)
		}
	}
}

// Unknown paths of the admin API get a problem document, and never a
// redirect: a page below the same prefix would accept cookies.
func TestUnknownAdminPaths(t *testing.T) {
	w := newFixture(t, nil)
	key := w.adminKey(t, "all", allScopes()...)
	pages := httptest.NewServer(server.New(w.Core.Core, server.Config{}).Handler()) // these paths are not in the document
	defer pages.Close()
	for target, want := range map[string]int{
		"GET /admin/api/": 404, "GET /admin/api/v1": 404, "GET /admin/api/v2/accounts": 404, "GET /admin/api/v1/accounts/": 404,
		"GET /admin/api//v1/accounts": 404, "GET /admin/api/v1/../v1/accounts": 404, "GET /admin/api/v1/accounts.json": 404,
		"PATCH /admin/api/v1/accounts": 405, "OPTIONS /admin/api/v1/accounts": 405, "POST /admin/api/v1/status": 405,
		"HEAD /admin/api/v1/accounts": 200,
	} {
		method, path, _ := strings.Cut(target, " ")
		req := w.toManage(t, key, method, "", "")
		req.URL.Host = strings.TrimPrefix(pages.URL, "http://")
		req.URL.Opaque = "//" + req.URL.Host + path
		req.Header.Set("Origin", "https://evil.example.org")
		req.Header.Set("Accept", "text/html")
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || want >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", target, res.StatusCode, res.Header.Get("Content-Type"))
		}
		if res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other sites may read the answer", target)
		}
		if want == 405 && res.Header.Get("Allow") == "" {
			t.Errorf("%s: there is no Allow", target)
		}
	}
}

// askAdminTooOften reaches the limit for wrong keys on every route.
func (w *fixture) askAdminTooOften(t *testing.T) {
	t.Helper()
	for _, row := range api.AdminRows() {
		for range 3 {
			if status, _ := w.manage(t, "wrong", row.Method, filled(row.Path), ""); status == http.StatusTooManyRequests {
				break
			}
		}
	}
}

// askAdminWithoutDatabase requests every route of a server whose database is closed.
func (w *fixture) askAdminWithoutDatabase(t *testing.T, url string, key plexauth.Secret) {
	t.Helper()
	for _, row := range api.AdminRows() {
		req := w.toManage(t, key, row.Method, filled(row.Path), "")
		req.URL.Host = strings.TrimPrefix(url, "http://")
		w.do(t, req)
	}
}
