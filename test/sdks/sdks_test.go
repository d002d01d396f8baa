package sdks_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/http/binary"
)

// usherBinary is the binary under test.
var usherBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usher-sdks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if usherBinary, err = binary.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const (
	username = "mia"
	email    = "Mia.Berg@example.org"
	password = "p w+1&2=3%4"
	serverID = "den-4f2a"
)

// TestReleases sends the requests of each release, and checks that the release could read
// the answers.
func TestReleases(t *testing.T) {
	t.Parallel()
	server := start(t)
	for _, r := range releases {
		t.Run(r.language+"-"+r.version, func(t *testing.T) {
			t.Parallel()
			p := &program{t: t, release: r, server: server}
			p.run()
		})
	}
}

// start starts usher with an admin and a server.
func start(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	usher := func(stdin string, args ...string) *exec.Cmd {
		cmd := exec.Command(usherBinary, append(args, "--data", data)...)
		cmd.Env = binary.Env()
		cmd.Stdin = strings.NewReader(stdin)
		return cmd
	}
	for _, cmd := range []*exec.Cmd{
		usher(password+"\n", "account", "add", username, "--admin", "--email", email, "--password-stdin"),
		usher("", "server", "add", "Den", "--id", serverID, "--connection", "https://den.example.net:32400"),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args[1:3], err, out)
		}
	}
	s, err := binary.Start(usher("", "serve", "--listen", "127.0.0.1:0", "--failed-tries", "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// A program uses one release.
type program struct {
	t *testing.T
	release
	server, token string
}

// A call is an operation of the SDK.
type call struct {
	method, path string
	query        url.Values
	form         url.Values
	identified   bool // the operation names the client
}

// run runs every operation of the release.
func (p *program) run() {
	if p.accounts {
		p.signIn()
		p.tokenDetails()
		p.resources()
	} else {
		p.token = p.signInByHand()
	}
	if p.pins {
		p.pinSignIn()
	}
	p.mediaServer()
}

func (p *program) signIn() {
	form := url.Values{"login": {email}, "password": {password}, "rememberMe": {"false"}}
	signIn := call{method: http.MethodPost, path: "/api/v2/users/signin", form: form, identified: true}
	answer := p.answer(signIn, http.StatusCreated)
	p.checkAccount(answer)
	p.token = field[string](p.t, answer, "authToken")

	form.Set("password", "wrong")
	p.wantErrors(signIn, http.StatusUnauthorized, "1001")
}

// tokenDetails reads the account. Releases that do not send an identifier with every
// request send none here.
func (p *program) tokenDetails() {
	details := call{method: http.MethodGet, path: "/api/v2/user", identified: p.identifierInQuery}
	answer := p.answer(details, http.StatusOK)
	p.checkAccount(answer)
	if got := field[string](p.t, answer, "authToken"); got != p.token {
		p.t.Error("token details contain a different token")
	}

	bad := *p
	bad.token = "no-such-token"
	bad.wantErrors(details, http.StatusUnauthorized, "1001")
}

func (p *program) checkAccount(answer any) {
	p.t.Helper()
	p.fits("account", answer, p.account)
	p.fits("profile", answer, p.profile)
	for name, want := range map[string]string{"username": username, "title": username} {
		if got := field[string](p.t, answer, name); got != want {
			p.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := field[string](p.t, answer, "email"); !strings.EqualFold(got, email) {
		p.t.Errorf("email is %q, want %q", got, email)
	}
}

func (p *program) resources() {
	query := url.Values{"includeHttps": {"0"}, "includeIPv6": {"0"}, "includeRelay": {"0"}}
	answer := p.answer(call{method: http.MethodGet, path: "/api/v2/resources", query: query, identified: true}, http.StatusOK)
	p.fits("servers", answer, p.device)
	servers, _ := answer.([]any)
	for _, server := range servers {
		if field[string](p.t, server, "clientIdentifier") != serverID {
			continue
		}
		connections := field[[]any](p.t, server, "connections")
		if got := field[string](p.t, connections[0], "uri"); got != "https://den.example.net:32400" {
			p.t.Errorf("the server is at %s", got)
		}
		return
	}
	p.t.Errorf("%s is not among %d servers", serverID, len(servers))
}

// pinSignIn creates a PIN, polls it, links it like the page does, and polls it again.
func (p *program) pinSignIn() {
	start := call{method: http.MethodPost, path: "/api/v2/pins", query: url.Values{"strong": {"false"}}, identified: true}
	token := p.token
	p.token = "" // SDKs request a PIN without a token
	pin := p.answer(start, p.pinStatus)
	p.fits("PIN", pin, p.pin)
	code := field[string](p.t, pin, "code")
	if len(code) != 4 {
		p.t.Errorf("the code is %q, want four characters", code)
	}
	poll := call{
		method: http.MethodGet, path: "/api/v2/pins/" + field[json.Number](p.t, pin, "id").String(), identified: true,
	}
	p.fits("PIN that waits", p.answer(poll, http.StatusOK), p.pin)

	p.token = token
	p.send(call{
		method: http.MethodPut, path: "/api/v2/pins/link", form: url.Values{"code": {code}}, identified: true,
	}, http.StatusNoContent)
	p.token = ""
	linked := p.answer(poll, http.StatusOK)
	p.fits("linked PIN", linked, p.pin)
	p.token = field[string](p.t, linked, "authToken")
	if p.token == token {
		p.t.Error("the PIN returned the token that linked it")
	}
	p.checkAccount(p.answer(call{method: http.MethodGet, path: "/api/v2/user", identified: true}, http.StatusOK))

	unknown := call{method: http.MethodGet, path: "/api/v2/pins/2000000000", identified: true}
	p.wantErrors(unknown, http.StatusNotFound, "1020")
}

// mediaServer requests a transient token, and a source with it.
func (p *program) mediaServer() {
	answer := p.answer(call{
		method: p.tokenMethod, path: "/security/token", query: url.Values{"type": {"delegation"}, "scope": {"all"}},
	}, http.StatusOK)
	p.token = field[string](p.t, field[any](p.t, answer, "MediaContainer"), "token")
	if !strings.HasPrefix(p.token, "transient-") {
		p.t.Errorf("the token is %q, want one that begins with transient-", p.token)
	}

	query := url.Values{"source": {"server://" + serverID}}
	if p.refresh {
		query.Set("refresh", "0")
	}
	source := call{method: http.MethodGet, path: "/security/resources", query: query}
	device := field[any](p.t, field[any](p.t, p.answer(source, http.StatusOK), "MediaContainer"), "Device")
	p.fits("source", device, shape{
		"name clientIdentifier accessToken":                           text,
		"Connection.*.protocol Connection.*.address Connection.*.uri": text,
		"Connection.*.port":                                           number,
		"Connection.*.local Connection.*.relay":                       truth,
	})
	if got := field[string](p.t, device, "clientIdentifier"); got != serverID {
		p.t.Errorf("the source is %q, want %q", got, serverID)
	}

	p.token = "no-such-token"
	p.send(source, http.StatusUnauthorized)
}

// fits checks an answer against a shape.
func (p *program) fits(what string, answer any, s shape) {
	p.t.Helper()
	if err := s.check(answer, p.nulls); err != nil {
		p.t.Errorf("%s: %v", what, err)
	}
}

// wantErrors checks that a call fails with a list of errors, for which the SDKs have types.
func (p *program) wantErrors(c call, status int, code json.Number) {
	p.t.Helper()
	answer := p.answer(c, status)
	p.fits("error", answer, shape{"errors.*.code": oneOf(code), "errors.*.message": text, "errors.*.status?": number})
}

// answer sends a call, and returns the JSON of the answer.
func (p *program) answer(c call, status int) any {
	p.t.Helper()
	resp, body := p.send(c, status)
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		p.t.Errorf("%s %s: Content-Type is %q, want JSON", c.method, c.path, got)
	}
	return decode(p.t, body)
}

// send sends a call like the release does.
func (p *program) send(c call, status int) (*http.Response, []byte) {
	p.t.Helper()
	query := url.Values{}
	for name, values := range c.query {
		query[name] = values
	}
	identifier := "sdk-" + p.language + "-" + p.version
	if c.identified && p.identifierInQuery {
		query.Set("X-Plex-Client-Identifier", identifier)
	}
	var body io.Reader
	if c.form != nil {
		body = strings.NewReader(c.form.Encode())
	}
	address := p.server + c.path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(p.t.Context(), c.method, address, body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("User-Agent", p.userAgent())
	if !p.noAccept {
		req.Header.Set("Accept", "application/json")
	}
	if p.accepts != "" {
		req.Header.Set("accepts", p.accepts)
	}
	if c.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if p.token != "" {
		req.Header.Set("X-Plex-Token", p.token)
	}
	if p.identifiesAlways || c.identified && !p.identifierInQuery {
		req.Header.Set("X-Plex-Client-Identifier", identifier)
		req.Header.Set("X-Plex-Product", "usher tests")
	}
	return do(p.t, req, status)
}

// signInByHand creates a token for a release that cannot sign in.
func (p *program) signInByHand() string {
	form := url.Values{"login": {username}, "password": {password}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.server+"/api/v2/users/signin",
		strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", "sdk-"+p.language+"-"+p.version)
	_, body := do(p.t, req, http.StatusCreated)
	return field[string](p.t, decode(p.t, body), "authToken")
}

// client has a timeout, so that a server that does not answer fails only one test.
var client = &http.Client{Timeout: time.Minute}

func do(t *testing.T, req *http.Request, status int) (*http.Response, []byte) {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", req.Method, req.URL.Path, resp.StatusCode, status, body)
	}
	return resp, body
}

// decode decodes JSON, and keeps numbers as text.
func decode(t *testing.T, body []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

// field returns a field of an object.
func field[T any](t *testing.T, object any, name string) T {
	t.Helper()
	fields, _ := object.(map[string]any)
	v, ok := fields[name].(T)
	if !ok {
		t.Fatalf("%s is %T %v, want %T", name, fields[name], fields[name], v)
	}
	return v
}
