package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

const password = coretest.Password

// operator changes what the tests change beside the API.
var operator = audit.Actor{Name: "test"}

// world is a server with an admin, a member and two servers.
type world struct {
	*httptest.Server
	*coretest.Core
	dir  string // of the database
	seen int
}

// config is what a test changes of the services and of the API.
type config struct {
	core.Config
	API api.Config
}

func newWorld(t testing.TB, change func(*config)) *world {
	t.Helper()
	cfg := config{Config: core.Config{Dir: t.TempDir()}}
	if change != nil {
		change(&cfg)
	}
	w := &world{Core: coretest.New(t, cfg.Config), dir: cfg.Dir}
	w.AddAdmin("admin")
	w.Add("member")
	for _, kind := range []source.Kind{source.Server, source.Provider} {
		w.AddSource(source.Source{
			Kind: kind, Identifier: "den", Name: "Den", Everyone: true, Connections: []source.Connection{{URI: "http://192.168.1.5:32400"}},
		})
	}
	cfg.API.Observer = httpd.NewObserver(w.Logger, w.Now)
	planes := api.New(w.Core.Core, cfg.API)
	w.Server = httptest.NewServer(planes.Handler(planes.NotFound()))
	t.Cleanup(w.Server.Close)
	return w
}

// call sends a request and returns the answer's status and body, in JSON. A
// token that is empty is not sent.
func (w *world) call(t testing.TB, method, path string, tok plexauth.Secret, form url.Values) (int, string) {
	t.Helper()
	res, body := w.ask(t, method, path, "application/json", tok, form)
	return res.StatusCode, body
}

// ask is call with an Accept header, and returns the response headers.
func (w *world) ask(t testing.TB, method, path, accept string, tok plexauth.Secret, form url.Values) (*http.Response, string) {
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

// read is call for an answer that must be good, decoded into v.
func (w *world) read(t testing.TB, method, path string, tok plexauth.Secret, form url.Values, v any) {
	t.Helper()
	status, body := w.call(t, method, path, tok, form)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, body)
	}
}

func (w *world) signIn(t testing.TB, name string) plexauth.Secret {
	t.Helper()
	var got struct{ AuthToken plexauth.Secret }
	w.read(t, "POST", "/api/v2/users/signin", "", url.Values{"login": {name}, "password": {password}}, &got)
	return got.AuthToken
}

func (w *world) transient(t testing.TB, tok plexauth.Secret) plexauth.Secret {
	t.Helper()
	var answer struct {
		MediaContainer struct{ Token plexauth.Secret }
	}
	w.read(t, "POST", "/security/token?type=delegation&scope=all", tok, nil, &answer)
	return answer.MediaContainer.Token
}

// serverToken is the token that a listing gives for a server.
func (w *world) serverToken(t testing.TB, tok plexauth.Secret, id string) plexauth.Secret {
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

// good reports whether a token is accepted.
func (w *world) good(t testing.TB, tok plexauth.Secret) bool {
	t.Helper()
	status, _ := w.call(t, "GET", "/api/v2/user", tok, nil)
	return status == 200
}

// secrets finds everything in an answer that looks like a token.
var secrets = regexp.MustCompile(`transient-[0-9A-Za-z_-]+|\b[0-9A-Za-z]{20}\b`)

// powers is what a token is seen to do: each row of the tables that lets it in.
func (w *world) powers(t testing.TB, tok plexauth.Secret) map[string]bool {
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

// withQuery adds what a path needs to answer at all.
func withQuery(path string) string {
	switch path {
	case "/security/token":
		return path + "?type=delegation&scope=all"
	case "/security/resources":
		return path + "?source=server://den"
	}
	return path
}

// target is a row's path with what it needs to do what it is there for.
func (w *world) target(t testing.TB, row api.Row) string {
	t.Helper()
	if row.Path == "/api/v2/pins/link" {
		return row.Path + "?code=" + w.startPIN(t, "tv").Code
	}
	return withQuery(row.Path)
}

// The law of reach: no answer contains a secret that reaches further or lives
// longer than the token that made the request. Every route is asked with every
// kind of token, and whatever looks like a secret in the answer is tried out:
// it must do nothing that the asking token cannot, and be dead when that is
// revoked, or when it expires.
func TestLawOfReach(t *testing.T) {
	kinds := map[string]func(*world) plexauth.Secret{
		"access, admin":                 func(w *world) plexauth.Secret { return w.signIn(t, "admin") },
		"access, member":                func(w *world) plexauth.Secret { return w.signIn(t, "member") },
		"transient, admin":              func(w *world) plexauth.Secret { return w.transient(t, w.signIn(t, "admin")) },
		"transient, member":             func(w *world) plexauth.Secret { return w.transient(t, w.signIn(t, "member")) },
		"server token for here, admin":  func(w *world) plexauth.Secret { return w.serverToken(t, w.signIn(t, "admin"), "self") },
		"server token for here, member": func(w *world) plexauth.Secret { return w.serverToken(t, w.signIn(t, "member"), "self") },
		"server token for elsewhere":    func(w *world) plexauth.Secret { return w.serverToken(t, w.signIn(t, "admin"), "den") },
		"transient of a server token":   func(w *world) plexauth.Secret { return w.transient(t, w.serverToken(t, w.signIn(t, "admin"), "self")) },
		"transient for another source":  func(w *world) plexauth.Secret { return w.sourceToken(t, w.signIn(t, "admin")) },
	}
	found := 0
	for kind, mint := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, nil)
			asking := mint(w)
			before := w.powers(t, asking)
			given := w.harvest(t, asking)
			for _, g := range given {
				for can := range w.powers(t, g.secret) {
					if !before[can] {
						t.Errorf("%s gives a secret that can %s, which the asking token cannot", g.path, can)
					}
				}
			}
			w.endWith(t, asking, given)
			found += len(given)
		})
	}
	if found == 0 {
		t.Error("no answer gave any secret: the test sees nothing")
	}
}

// sourceToken is the transient token that comes with a source's connections.
func (w *world) sourceToken(t testing.TB, admin plexauth.Secret) plexauth.Secret {
	t.Helper()
	var answer struct {
		MediaContainer struct {
			Device struct{ AccessToken plexauth.Secret }
		}
	}
	w.read(t, "GET", "/security/resources?source=server://den", admin, nil, &answer)
	return answer.MediaContainer.Device.AccessToken
}

type givenSecret struct {
	path   string
	secret plexauth.Secret
}

// harvest asks every route, in both formats, for every secret it gives.
func (w *world) harvest(t testing.TB, asking plexauth.Secret) (given []givenSecret) {
	t.Helper()
	for _, row := range api.Rows() {
		if !row.Token || row.Path == "/api/v2/users/signout" {
			continue
		}
		for _, suffix := range []string{"", ".xml", ".json"} {
			path, query, _ := strings.Cut(w.target(t, row), "?")
			if path == "/" && suffix != "" {
				continue
			}
			_, body := w.call(t, row.Method, path+suffix+"?"+query, asking, nil)
			for _, s := range secrets.FindAllString(body, -1) {
				if s != string(asking) && w.good(t, plexauth.Secret(s)) {
					given = append(given, givenSecret{row.Path + suffix, plexauth.Secret(s)})
				}
			}
		}
	}
	return given
}

// endWith lets the token of the request expire or, if it has no expiry, revokes it
// or its parent, and checks that no secret issued to it stays valid.
func (w *world) endWith(t testing.TB, asking plexauth.Secret, given []givenSecret) {
	t.Helper()
	if strings.HasPrefix(string(asking), "transient-") {
		w.Clock.Advance(48 * time.Hour)
	} else {
		w.revokeAll(t)
	}
	if w.good(t, asking) {
		t.Fatal("the asking token lives on")
	}
	for _, g := range given {
		if w.good(t, g.secret) {
			t.Errorf("%s gives a secret that outlives the asking token", g.path)
		}
	}
}

// revokeAll revokes each access token, as their owners do.
func (w *world) revokeAll(t testing.TB) {
	t.Helper()
	list, err := w.Tokens.List(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range list {
		if tok.Kind == token.Access {
			if err := w.Tokens.Revoke(t.Context(), operator, tok.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Every row asks for what its table says: without a token, a route that needs
// one refuses, whatever it does.
func TestEveryRouteAsksForItsToken(t *testing.T) {
	w := newWorld(t, nil)
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
			if !row.Token && status == want {
				t.Errorf("%s %s with %s: %d, although it asks for none", row.Method, row.Path, name, status)
			}
		}
	}
}

// A handler stops if its caller has hung up.
func TestEveryRouteObeysContext(t *testing.T) {
	w := newWorld(t, nil)
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
			t.Errorf("%s %s answers %d to a caller who has hung up: %s", row.Method, row.Path, rec.Code, rec.Body)
		}
	}
}

// No response contains old data once a change has been acknowledged.
func TestAccountPageFollowsChanges(t *testing.T) {
	w := newWorld(t, nil)
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
	w := newWorld(t, nil)
	tok := w.signIn(t, "member")
	transient := w.transient(t, tok)
	w.good(t, tok)
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]plexauth.Secret{"access": tok, "transient": transient} {
		if !w.good(t, tok) {
			t.Errorf("%s: token details need the store", name)
		}
	}
	if status, _ := w.call(t, "POST", "/security/token?type=delegation&scope=all", tok, nil); status != 200 {
		t.Errorf("minting a transient token needs the store: %d", status)
	}
}

// benchmark sends one request over and over and fails on any other status.
func benchmark(b *testing.B, w *world, status int, method, path string, tok plexauth.Secret, form string) {
	b.Helper()
	b.ReportAllocs()
	handler := w.Config.Handler
	for b.Loop() {
		req := httptest.NewRequest(method, path, strings.NewReader(form))
		req.Header.Set("Accept", "application/json")
		req.Header.Set("X-Plex-Client-Identifier", fmt.Sprint("device", w.seen))
		if tok != "" {
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
	w := newWorld(b, func(c *config) { c.HashCost = account.DefaultCost })
	benchmark(b, w, 201, "POST", "/api/v2/users/signin", "", "login=member&password="+url.QueryEscape(password))
}

func BenchmarkTokenDetails(b *testing.B) {
	w := newWorld(b, nil)
	benchmark(b, w, 200, "GET", "/api/v2/user", w.signIn(b, "member"), "")
}

func BenchmarkTransientMint(b *testing.B) {
	w := newWorld(b, nil)
	benchmark(b, w, 200, "POST", "/security/token?type=delegation&scope=all", w.signIn(b, "member"), "")
}

func BenchmarkTransientVerify(b *testing.B) {
	w := newWorld(b, nil)
	benchmark(b, w, 200, "GET", "/api/v2/user", w.transient(b, w.signIn(b, "member")), "")
}

func BenchmarkSourceConnection(b *testing.B) {
	w := newWorld(b, nil)
	benchmark(b, w, 200, "GET", "/security/resources?source=server://den", w.signIn(b, "admin"), "")
}
