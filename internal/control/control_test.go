package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/control"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
)

// fixture is a stage with its API.
type fixture struct {
	*testing.T
	stage *stage.Stage
	api   http.Handler
}

const secret = "the secret of this test"

// shared is the stage of all tests, which run one after the other: opening a stage takes
// time.
var shared = sync.OnceValues(func() (*stage.Stage, error) {
	return stage.Open(context.Background(), stage.Config{Scene: scene.Default(), Version: "1.2.3"})
})

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := shared()
	if err == nil {
		err = s.Reset(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, s, control.New(s, "1.2.3", secret)}
}

// call calls the API, and reads its answer.
func (w *fixture) call(method, path, body string, into any) int {
	w.Helper()
	status, raw := w.raw(method, path, body)
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			w.Fatalf("%s %s: %d %s: %v", method, path, status, raw, err)
		}
	}
	return status
}

func (w *fixture) raw(method, path, body string) (int, []byte) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return rec.Code, rec.Body.Bytes()
}

// must is call for calls that must succeed.
func (w *fixture) must(method, path, body string, into any) {
	w.Helper()
	status, raw := w.raw(method, path, body)
	if status >= 300 {
		w.Fatalf("%s %s: status %d: %s", method, path, status, raw)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		w.Fatal(err)
	}
}

// ask sends a request of the program under test.
func (w *fixture) ask(method, path, token string) *http.Response {
	w.Helper()
	r := httptest.NewRequest(method, "https://plex.tv"+path, nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", "program")
	if token != "" {
		r.Header.Set("X-Plex-Token", token)
	}
	rec := httptest.NewRecorder()
	w.stage.Handler().ServeHTTP(rec, r)
	return rec.Result()
}

// status checks the status of a response to the program.
func (w *fixture) status(want int, method, path, token string) {
	w.Helper()
	if got := w.ask(method, path, token).StatusCode; got != want {
		w.Errorf("%s %s: status %d, want %d", method, path, got, want)
	}
}

const memberToken = "usherTokenOfMember01"

// Attack: a page in a browser, or a program that was not given the secret, calls the
// API.
func TestSecret(t *testing.T) {
	w := newFixture(t)
	for name, header := range map[string]string{"none": "", "another": "Bearer another", "its beginning": "Bearer the", "no scheme": ""} {
		for _, r := range control.Routes() {
			req := httptest.NewRequest(r.Method, strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(r.Path), nil)
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			rec := httptest.NewRecorder()
			w.api.ServeHTTP(rec, req)
			if rec.Code != http.StatusUnauthorized {
				t.Errorf("%s: %s %s: status %d", name, r.Method, r.Path, rec.Code)
			}
		}
	}
	w.status(200, "GET", "/api/v2/user", memberToken)
}

func TestClock(t *testing.T) {
	w := newFixture(t)
	type clock struct {
		Time   time.Time
		Frozen bool
	}
	var got clock
	w.must("POST", "/clock", `{"time": "2030-01-02T03:04:05Z", "frozen": true}`, &got)
	want := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if !got.Frozen || !got.Time.Equal(want) {
		t.Errorf("the clock is %+v", got)
	}
	before := got.Time
	w.must("POST", "/clock", `{"advance": 90.5}`, &got)
	if d := got.Time.Sub(before); d != 90500*time.Millisecond {
		t.Errorf("it moved by %v", d)
	}
	if date := w.ask("GET", "/api/v2/ping", "").Header.Get("Date"); !strings.Contains(date, "Jan 2030 03:05") {
		t.Errorf("the server's clock shows %s", date)
	}
	for _, body := range []string{`{}`, ``, `{"advance": 1e300}`, `{"advanse": 1}`, `{"time": "yesterday"}`, `nonsense`} {
		if status := w.call("POST", "/clock", body, nil); status != http.StatusBadRequest {
			t.Errorf("%q: status %d", body, status)
		}
	}
}

// pin starts a PIN and returns its ID and code.
func (w *fixture) pin() (path, code string) {
	w.Helper()
	var p struct {
		ID   json.Number
		Code string
	}
	res := w.ask("POST", "/api/v2/pins", "")
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Code == "" {
		w.Fatalf("starting a PIN: %v", err)
	}
	return "/api/v2/pins/" + p.ID.String(), p.Code
}

func TestPINs(t *testing.T) {
	w := newFixture(t)
	path, code := w.pin()
	w.must("POST", "/pins/"+code+"/approve", `{"account": "member"}`, nil)
	var linked struct{ AuthToken string }
	if err := json.NewDecoder(w.ask("GET", path, "").Body).Decode(&linked); err != nil || linked.AuthToken == "" {
		t.Fatalf("the PIN has no token: %v", err)
	}
	w.status(200, "GET", "/api/v2/user", linked.AuthToken)

	path, code = w.pin()
	w.must("POST", "/pins/"+code+"/refuse", `{"account": "member"}`, nil)
	w.status(404, "GET", path, "")
	for body, want := range map[string]int{`{"account": "member"}`: 404, `{"account": "nobody"}`: 404, `{}`: 400} {
		if got := w.call("POST", "/pins/"+code+"/approve", body, nil); got != want {
			t.Errorf("%s: status %d, want %d", body, got, want)
		}
	}
}

func TestAccountsAndTokens(t *testing.T) {
	w := newFixture(t)
	w.must("POST", "/accounts", `{"username": "mia", "password": "mia has a password", "token": "aTokenThatIsChosen01", "totp": "KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS"}`, nil)
	w.status(200, "GET", "/api/v2/user", "aTokenThatIsChosen01")
	var code struct{ Code string }
	w.must("GET", "/accounts/mia/code", "", &code)
	if len(code.Code) != 6 {
		t.Errorf("the code is %q", code.Code)
	}
	var list []struct {
		Username, Token, Password string
		BackupCodes               []string
	}
	w.must("GET", "/accounts", "", &list)
	if last := list[len(list)-1]; last.Username != "mia" || last.Token != "aTokenThatIsChosen01" ||
		last.Password != "mia has a password" || len(last.BackupCodes) == 0 || len(last.BackupCodes[0]) < 8 {
		t.Errorf("the last account is %+v", last)
	}
	var issued struct{ Token string }
	w.must("POST", "/accounts/mia/tokens", `{"clientIdentifier": "another"}`, &issued)
	w.status(200, "GET", "/api/v2/user", issued.Token)
	w.must("POST", "/tokens/revoke", `{"token": "`+issued.Token+`"}`, nil)
	w.status(401, "GET", "/api/v2/user", issued.Token)
	w.status(200, "GET", "/api/v2/user", "aTokenThatIsChosen01")
	w.must("DELETE", "/accounts/mia/tokens", "", nil)
	w.status(401, "GET", "/api/v2/user", "aTokenThatIsChosen01")
	for range 2 { // nothing is left of an account that was not added
		if got := w.call("POST", "/accounts", `{"username": "uma", "password": "uma has one", "token": "short"}`, nil); got != 400 {
			t.Errorf("a malformed token: status %d", got)
		}
	}
	w.must("POST", "/accounts", `{"username": "uma", "password": "uma has one"}`, nil)
	w.must("POST", "/accounts", `{"username": "Kid", "managed": true, "home": "uma", "pin": "5678", "token": "aTokenThatIsChosen03"}`, nil)
	w.status(200, "GET", "/api/v2/home/users", "aTokenThatIsChosen03")
	w.must("POST", "/reset", "", nil)
	w.must("POST", "/accounts", `{"username": "mia", "password": "mia has a password"}`, nil)
	for call, want := range map[[3]string]int{
		{"POST", "/accounts", `{"username": "mia", "password": "mia has a password"}`}:                           409,
		{"POST", "/accounts", `{"username": "ned", "password": "ned has one", "token": "usherTokenOfMember01"}`}: 409,
		{"POST", "/accounts", `{"username": "x", "pasword": "y"}`}:                                               400,
		{"POST", "/accounts", `{"username": "ned", "password": "x"}`}:                                            400,
		{"POST", "/accounts", `{"username": "ned", "password": "ned has one", "token": "short"}`}:                400,
		{"POST", "/accounts", `{"username": "ida", "password": "ida has one", "totp": "short"}`}:                 400,
		{"POST", "/accounts", `{"username": "Kid", "managed": true, "home": "nobody"}`}:                          400,
		{"POST", "/accounts", `{"username": "Kid", "managed": true, "home": "mia", "pin": "1"}`}:                 400,
		{"POST", "/accounts", `{"username": "mia", "managed": true, "home": "admin"}`}:                           409,
		{"POST", "/accounts/nobody/tokens", ``}:                                                                  404,
		{"DELETE", "/accounts/nobody/tokens", ``}:                                                                404,
		{"GET", "/accounts/member/code", ``}:                                                                     404,
		{"POST", "/tokens/revoke", `{}`}:                                                                         400,
		{"POST", "/tokens/revoke", `{"token": "no such token"}`}:                                                 404,
		{"GET", "/nothing", ``}: 404,
	} {
		var e struct{ Error string }
		if got := w.call(call[0], call[1], call[2], &e); got != want || e.Error == "" {
			t.Errorf("%v: status %d, want %d: %s", call, got, want, e.Error)
		}
	}
}

func TestFaults(t *testing.T) {
	w := newFixture(t)
	var added struct{ ID int }
	w.must("POST", "/faults", `{"fault": "rate-limit", "path": "/api/v2/user", "times": 2}`, &added)
	w.status(200, "GET", "/api/v2/ping", "")
	w.status(429, "GET", "/api/v2/user", memberToken)
	var list []struct {
		ID, Times int
		Fault     string
	}
	w.must("GET", "/faults", "", &list)
	if len(list) != 1 || list[0].Fault != "rate-limit" || list[0].Times != 1 || list[0].ID != added.ID {
		t.Errorf("the faults are %+v", list)
	}
	w.status(429, "GET", "/api/v2/user", memberToken)
	w.status(200, "GET", "/api/v2/user", memberToken)
	w.must("POST", "/faults", `{"fault": "bad-gateway"}`, &added)
	w.must("DELETE", "/faults/"+jsonOf(added.ID), "", nil)
	w.must("POST", "/faults", `{"fault": "bad-gateway"}`, nil)
	w.status(502, "GET", "/api/v2/user", memberToken)
	w.must("DELETE", "/faults", "", nil)
	w.status(200, "GET", "/api/v2/user", memberToken)
	var e struct{ Error string }
	if got := w.call("POST", "/faults", `{"fault": "emtpy"}`, &e); got != 400 || !strings.Contains(e.Error, `did you mean "empty"?`) {
		t.Errorf("status %d: %s", got, e.Error)
	}
	if got := w.call("DELETE", "/faults/77", "", nil); got != 404 {
		t.Errorf("removing no fault: status %d", got)
	}
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestRequests(t *testing.T) {
	w := newFixture(t)
	r := httptest.NewRequest("POST", "https://plex.tv/api/v2/users/signin?a=1", bytes.NewReader([]byte("login=nobody&password=x")))
	r.Header.Set("X-Plex-Client-Identifier", "program")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w.stage.Handler().ServeHTTP(httptest.NewRecorder(), r)
	var list []struct {
		Method, Host, Path, Body string
		Query, Header            map[string][]string
		Status                   int
	}
	w.must("GET", "/requests", "", &list)
	if len(list) != 1 || list[0].Method != "POST" || list[0].Host != "plex.tv" || list[0].Path != "/api/v2/users/signin" ||
		list[0].Body != "login=nobody&password=x" || list[0].Status != 401 || list[0].Query["a"][0] != "1" ||
		list[0].Header["X-Plex-Client-Identifier"][0] != "program" {
		t.Errorf("the requests are %+v", list)
	}
	w.must("DELETE", "/requests", "", nil)
	w.must("GET", "/requests", "", &list)
	if len(list) != 0 {
		t.Errorf("the requests are %+v", list)
	}
}

// A reset undoes every change, by a program or by a test.
func TestReset(t *testing.T) {
	w := newFixture(t)
	for range 3 {
		w.must("POST", "/accounts", `{"username": "mia", "password": "mia has a password", "token": "aTokenThatIsChosen01"}`, nil)
		w.must("DELETE", "/accounts/member/tokens", "", nil)
		w.status(401, "GET", "/api/v2/user", memberToken)
		w.must("POST", "/faults", `{"fault": "empty"}`, nil)
		w.must("POST", "/clock", `{"advance": 864000, "frozen": true}`, nil)
		path, code := "", ""
		w.must("DELETE", "/faults", "", nil)
		path, code = w.pin()
		w.must("POST", "/pins/"+code+"/approve", `{"account": "admin"}`, nil)
		w.must("POST", "/faults", `{"fault": "empty"}`, nil)

		w.must("POST", "/reset", "", nil)
		w.status(200, "GET", "/api/v2/user", memberToken)
		w.status(401, "GET", "/api/v2/user", "aTokenThatIsChosen01")
		w.status(404, "GET", path, "")
		if body, err := io.ReadAll(w.ask("GET", "/api/v2/user", memberToken).Body); err != nil || len(body) == 0 {
			t.Errorf("the fault is still there: %v", err)
		}
		var clock struct {
			Time   time.Time
			Frozen bool
		}
		w.must("GET", "/clock", "", &clock)
		if d := time.Until(clock.Time); clock.Frozen || d > time.Hour {
			t.Errorf("the clock is %+v", clock)
		}
		var list []struct{ Username string }
		w.must("GET", "/accounts", "", &list)
		if len(list) != len(scene.Default().Accounts) {
			t.Errorf("the accounts are %+v", list)
		}
	}
	// A table changes that others depend on, and nothing else: their rows are still
	// there after the reset.
	w.must("POST", "/accounts", `{"username": "uma", "managed": true}`, nil)
	w.must("POST", "/reset", "", nil)
	w.status(200, "GET", "/api/v2/user", memberToken)
	if body, err := io.ReadAll(w.ask("GET", "/api/v2/resources", memberToken).Body); err != nil || !strings.Contains(string(body), `"name":"Den"`) {
		t.Errorf("after a reset, the member has %s, %v", body, err)
	}
	if rows, err := w.stage.VerifyAudit(t.Context()); err != nil || rows == 0 {
		t.Errorf("the audit log: %d rows, %v", rows, err)
	}
}

// docs/testing.md has each route of the API, and no other.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| request | body | answer | does |\n|---|---|---|---|\n")
	quoted := func(s string) string {
		if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
			return "`" + s + "`"
		}
		return s
	}
	for _, r := range control.Routes() {
		want.WriteString("| `" + r.Method + " " + strings.TrimSuffix(r.Path, "{$}") + "` | " + quoted(r.Takes) + " | " + quoted(r.Gives) + " | " + r.Does + " |\n")
	}
	if !strings.Contains(string(text), want.String()) {
		t.Errorf("docs/testing.md has no such table:\n%s", want.String())
	}
}

// The reset that a test does before each of its cases.
func BenchmarkReset(b *testing.B) {
	s, err := stage.Open(b.Context(), stage.Config{Scene: scene.Default()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if err := s.Reset(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "reset-ms")
}
