package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

const password = coretest.Password

// operator is the actor of changes that tests make outside the API.
var operator = audit.Actor{Name: "test"}

// fixture is a server with an admin, a member and two servers.
type fixture struct {
	*httptest.Server
	*coretest.Core
	dir  string // of the database
	seen int
	// answers are the answers given so far. Each is in api/openapi.yaml.
	answers recorded
}

// config is the configuration of the services and the API that a test can change.
type config struct {
	core.Config
	API api.Config
}

func newFixture(t testing.TB, change func(*config)) *fixture {
	t.Helper()
	cfg := config{Config: core.Config{Dir: t.TempDir()}}
	if change != nil {
		change(&cfg)
	}
	w := &fixture{Core: coretest.New(t, cfg.Config), dir: cfg.Dir}
	w.AddAdmin("admin")
	w.Add("member")
	for _, kind := range []source.Kind{source.Server, source.Provider} {
		w.AddSource(source.Source{
			Kind: kind, Identifier: "den", Name: "Den", Everyone: true, Connections: []source.Connection{{URI: "http://192.168.1.5:32400"}},
		})
	}
	cfg.API.Observer = httpd.NewObserver(w.Logger, w.Now)
	planes := api.New(w.Core.Core, cfg.API)
	w.Server = w.serve(t, planes.Handler(planes.NotFound()))
	return w
}

// serve serves until the test ends. Every response is validated against the document,
// except in benchmarks.
func (w *fixture) serve(t testing.TB, h http.Handler) *httptest.Server {
	if _, ok := t.(*testing.T); ok {
		h = w.answers.conforms(t, h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// call sends a request, and returns the status and the body of the answer, in JSON. An
// empty token is not sent.
func (w *fixture) call(t testing.TB, method, path string, tok plexauth.Secret, form url.Values) (int, string) {
	t.Helper()
	res, body := w.ask(t, method, path, "application/json", tok, form)
	return res.StatusCode, body
}

// ask is call with an Accept header, and returns the response headers.
func (w *fixture) ask(t testing.TB, method, path, accept string, tok plexauth.Secret, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", accept)
	req.Header.Set("X-Plex-Client-Identifier", "test")
	if tok != "" {
		req.Header.Set("X-Plex-Token", string(tok))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// read is call for a response that must be a success, decoded into v.
func (w *fixture) read(t testing.TB, method, path string, tok plexauth.Secret, form url.Values, v any) {
	t.Helper()
	status, body := w.call(t, method, path, tok, form)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, body)
	}
}

func (w *fixture) signIn(t testing.TB, name string) plexauth.Secret {
	t.Helper()
	var got struct{ AuthToken plexauth.Secret }
	w.read(t, "POST", "/api/v2/users/signin", "", url.Values{"login": {name}, "password": {password}}, &got)
	return got.AuthToken
}

func (w *fixture) transient(t testing.TB, tok plexauth.Secret) plexauth.Secret {
	t.Helper()
	var answer struct {
		MediaContainer struct{ Token plexauth.Secret }
	}
	w.read(t, "POST", "/security/token?type=delegation&scope=all", tok, nil, &answer)
	return answer.MediaContainer.Token
}

// serverToken is the token for a server in a listing.
func (w *fixture) serverToken(t testing.TB, tok plexauth.Secret, id string) plexauth.Secret {
	t.Helper()
	var list []struct {
		ClientIdentifier string
		AccessToken      plexauth.Secret
	}
	w.read(t, "GET", "/api/v2/resources", tok, nil, &list)
	for _, r := range list {
		if r.ClientIdentifier == id {
			return r.AccessToken
		}
	}
	t.Fatalf("%s is not listed", id)
	return ""
}

// good reports whether a token is valid.
func (w *fixture) good(t testing.TB, tok plexauth.Secret) bool {
	t.Helper()
	status, _ := w.call(t, "GET", "/api/v2/user", tok, nil)
	return status == 200
}

// powers returns the rows of the tables that accept a token.
func (w *fixture) powers(t testing.TB, tok plexauth.Secret) map[string]bool {
	t.Helper()
	can := make(map[string]bool)
	for _, row := range api.Rows() {
		if row.Token && row.Path != "/api/v2/users/signout" {
			if status, _ := w.call(t, row.Method, w.target(t, row), tok, nil); status < 300 {
				can[row.Method+" "+row.Path] = true
			}
		}
	}
	return can
}

// withQuery adds the required query parameters of a path.
func withQuery(path string) string {
	switch path {
	case "/security/token":
		return path + "?type=delegation&scope=all"
	case "/security/resources":
		return path + "?source=server://den"
	}
	return path
}

// target returns a row's path with the values that a successful request needs.
func (w *fixture) target(t testing.TB, row api.Row) string {
	t.Helper()
	switch row.Path {
	case "/api/v2/pins/link":
		return row.Path + "?code=" + w.startPIN(t, "tv").Code
	case "/api/v2/auth/jwk":
		return row.Path + "?" + w.newKey(t, "tv").query()
	}
	return withQuery(row.Path)
}

// sourceToken is the transient token that comes with a source's connections.
func (w *fixture) sourceToken(t testing.TB, admin plexauth.Secret) plexauth.Secret {
	t.Helper()
	var answer struct {
		MediaContainer struct {
			Device struct{ AccessToken plexauth.Secret }
		}
	}
	w.read(t, "GET", "/security/resources?source=server://den", admin, nil, &answer)
	return answer.MediaContainer.Device.AccessToken
}

// Every route enforces the permission in its table: without a token, a route that requires
// one rejects every request.
func TestEveryRouteAsksForItsToken(t *testing.T) {
	w := newFixture(t, nil)
	rows := api.Rows()
	if len(rows) < 15 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows {
		for name, tok := range map[string]plexauth.Secret{"no token": "", "a bad token": "00000000000000000000"} {
			status, body := w.call(t, row.Method, withQuery(row.Path), tok, nil)
			want := 401
			if tok != "" {
				want = row.Refused
			}
			if row.Token && status != want {
				t.Errorf("%s %s with %s: %d %s, want %d", row.Method, row.Path, name, status, body, want)
			}
			if !row.Token && status == want && !(row.Checked && name == "a bad token") {
				t.Errorf("%s %s with %s: %d, although it requires none", row.Method, row.Path, name, status)
			}
		}
	}
}

// A handler stops if its caller has disconnected.
func TestEveryRouteObeysContext(t *testing.T) {
	w := newFixture(t, nil)
	tok := w.signIn(t, "admin")
	for _, row := range api.Rows() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req := httptest.NewRequest(row.Method, withQuery(row.Path), strings.NewReader("login=admin&password=wrong"))
		req.Header.Set("X-Plex-Token", string(tok))
		req.Header.Set("X-Plex-Client-Identifier", "test")
		rec := httptest.NewRecorder()
		w.Config.Handler.ServeHTTP(rec, req.WithContext(ctx))
		if rec.Code == 500 {
			t.Errorf("%s %s returns %d to a caller who has disconnected: %s", row.Method, row.Path, rec.Code, rec.Body)
		}
	}
}

// No response contains old data once a change has been acknowledged.
func TestAccountPageFollowsChanges(t *testing.T) {
	w := newFixture(t, nil)
	tok := w.signIn(t, "member")
	details := func() (a struct{ TwoFactorEnabled, BackupCodesCreated bool }) {
		w.read(t, "GET", "/api/v2/user", tok, nil, &a)
		return a
	}
	if got := details(); got.TwoFactorEnabled {
		t.Errorf("details %+v", got)
	}
	enrolment := account.NewEnrolment("usher", "member")
	if _, err := w.Accounts.Enrol(t.Context(), operator, 2, enrolment, ""); err != nil {
		t.Fatal(err)
	}
	if got := details(); !got.TwoFactorEnabled || !got.BackupCodesCreated {
		t.Errorf("details %+v", got)
	}
}

// The hot path does not read the database once a token is cached.
func TestTokenDetailsTouchNoSQL(t *testing.T) {
	w := newFixture(t, nil)
	tok := w.signIn(t, "member")
	transient := w.transient(t, tok)
	w.good(t, tok)
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]plexauth.Secret{"access": tok, "transient": transient} {
		if !w.good(t, tok) {
			t.Errorf("%s: token details read the database", name)
		}
	}
	if status, _ := w.call(t, "POST", "/security/token?type=delegation&scope=all", tok, nil); status != 200 {
		t.Errorf("minting a transient token reads the database: %d", status)
	}
}

// benchmark sends one request repeatedly, and fails on any other status.
func benchmark(b *testing.B, w *fixture, status int, method, path string, tok plexauth.Secret, form string) {
	b.Helper()
	benchmarkEach(b, w, status, method, path, func() plexauth.Secret { return tok }, form)
}

// benchmarkEach is benchmark with a different token each time.
func benchmarkEach(b *testing.B, w *fixture, status int, method, path string, next func() plexauth.Secret, form string) {
	b.Helper()
	b.ReportAllocs()
	handler := w.Config.Handler
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(form))
		req.Header.Set("Accept", "application/json")
		req.Header.Set("X-Plex-Client-Identifier", fmt.Sprint("device", w.seen))
		if tok := next(); tok != "" {
			req.Header.Set("X-Plex-Token", string(tok))
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != status {
			b.Fatalf("%d %s", rec.Code, rec.Body)
		}
		w.seen++
	}
}

// BenchmarkSignIn hashes at the real cost: it measures argon2id and a durable
// commit.
func BenchmarkSignIn(b *testing.B) {
	w := newFixture(b, func(c *config) { c.HashCost = account.DefaultCost })
	benchmark(b, w, 201, "POST", "/api/v2/users/signin", "", "login=member&password="+url.QueryEscape(password))
}

func BenchmarkTokenDetails(b *testing.B) {
	w := newFixture(b, nil)
	benchmark(b, w, 200, "GET", "/api/v2/user", w.signIn(b, "member"), "")
}

// BenchmarkTokenDetailsUncached checks tokens that are not cached, and neither are their
// accounts.
func BenchmarkTokenDetailsUncached(b *testing.B) {
	const n = 10_000
	w := newFixture(b, func(c *config) { c.TokenCache = 64 })
	token := func(i int) plexauth.Secret { return plexauth.Secret(fmt.Sprintf("sample%014d", i)) }
	err := w.DB.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
		for i := range n {
			h := sha256.Sum256([]byte(token(i)))
			id, text := 100+i, fmt.Sprintf("%032d", i)
			err := errors.Join(
				tx.Exec(ctx, `INSERT INTO account (id, uuid, username, username_key, email, email_key, title, password_hash, admin,
					created_at) VALUES ($1, $2, $2, $2, $2, $2, $2, $2, FALSE, 1)`, id, text),
				tx.Exec(ctx, `INSERT INTO device (id, account_id, client_identifier, product, version, platform, platform_version,
					device, model, vendor, name, address, created_at, last_seen_at)
					VALUES ($1, $1, '', '', '', '', '', '', '', '', '', '', 1, 1)`, id),
				tx.Exec(ctx, `INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
					VALUES ($2, 1, $1, $1, 1, 1)`, id, h[:]))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	next := 0
	benchmarkEach(b, w, 200, "GET", "/api/v2/user", func() plexauth.Secret { next = (next + 7919) % n; return token(next) }, "")
}

func BenchmarkTransientMint(b *testing.B) {
	w := newFixture(b, nil)
	benchmark(b, w, 200, "POST", "/security/token?type=delegation&scope=all", w.signIn(b, "member"), "")
}

func BenchmarkTransientVerify(b *testing.B) {
	w := newFixture(b, nil)
	benchmark(b, w, 200, "GET", "/api/v2/user", w.transient(b, w.signIn(b, "member")), "")
}

func BenchmarkSourceConnection(b *testing.B) {
	w := newFixture(b, nil)
	benchmark(b, w, 200, "GET", "/security/resources?source=server://den", w.signIn(b, "admin"), "")
}
