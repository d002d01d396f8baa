package conformance_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/conformance"
	"github.com/usher-auth/usher/plexauthtest"
)

// usher starts the real server, which allows some failed attempts, or any number if that is
// 0. It returns the configuration for checks.
func usher(t *testing.T, tries int) (*plexauthtest.Server, conformance.Config) {
	t.Helper()
	srv := plexauthtest.New(t, plexauthtest.Config{MaxFailedSignIns: tries})
	at, err := url.Parse(srv.AccountURL)
	if err != nil {
		t.Fatal(err)
	}
	return srv, conformance.Config{
		URL: at, AllowWrites: true, Login: srv.Admin.Username, Password: srv.Admin.Password,
		Client: new(http.Client), // it waits as long as a busy machine needs
	}
}

// usher keeps every rule of the table.
func TestUsherConforms(t *testing.T) {
	srv, cfg := usher(t, 10)
	cfg.OtherToken = srv.Token(srv.Member)
	results, err := conformance.Run(t.Context(), cfg, conformance.Table())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(conformance.Table()) {
		t.Errorf("there are %d results of %d checks", len(results), len(conformance.Table()))
	}
	for _, r := range results {
		if r.Outcome != conformance.Passed {
			t.Errorf("%s %s: %s", r.ID, r.Outcome, r.Reason)
		}
	}
}

// Every planted fault is found by its check, whose reason contains no secret.
func TestPlantedFaultsAreFound(t *testing.T) {
	srv, cfg := usher(t, 0)
	cfg.Token, cfg.OtherToken = srv.Token(srv.Admin), srv.Token(srv.Member)
	for _, f := range faults {
		t.Run(f.check+"/"+f.name, func(t *testing.T) {
			cfg := cfg
			if strings.HasPrefix(f.check, "guessing/") {
				_, cfg = usher(t, 10) // it uses up the tries
			}
			faulty := &planted{plants: f.plants, next: http.DefaultTransport, seen: make(map[string]int)}
			cfg.Client = &http.Client{Transport: faulty}
			results, err := conformance.Run(t.Context(), cfg, only(f.check))
			if err != nil || len(results) != 1 {
				t.Fatalf("got %d results and %v", len(results), err)
			}
			r := results[0]
			if r.Outcome != conformance.Failed || r.Reason == "" {
				t.Errorf("the check %s: %q", r.Outcome, r.Reason)
			}
			if !faulty.broke {
				t.Error("the fault changed no answer")
			}
			for _, s := range append(faulty.secrets, string(cfg.Password)) {
				if strings.Contains(r.Reason, s) {
					t.Errorf("the reason has the secret %s: %s", s, r.Reason)
				}
			}
		})
	}
}

func only(id string) []conformance.Check {
	return slices.DeleteFunc(conformance.Table(), func(c conformance.Check) bool { return c.ID != id })
}

// No check is without a planted fault that it finds, and none has a name twice.
func TestEveryCheckFindsAFault(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range conformance.Table() {
		if seen[c.ID] {
			t.Errorf("two checks are called %s", c.ID)
		}
		seen[c.ID] = true
		found := false
		for _, f := range faults {
			found = found || f.check == c.ID
		}
		if !found {
			t.Errorf("no fault is planted for %s", c.ID)
		}
		if !strings.Contains(c.ID, "/") || !strings.HasSuffix(c.Says, ".") || c.Source == "" || c.Sure == "" {
			t.Errorf("the row of %s is incomplete", c.ID)
		}
	}
}

// Without AllowWrites, no request changes anything, and checks that would are skipped.
func TestReadingOnly(t *testing.T) {
	srv, cfg := usher(t, 10)
	cfg.AllowWrites, cfg.Token, cfg.OtherToken = false, srv.Token(srv.Admin), srv.Token(srv.Member)
	srv.ResetRequests()
	results, err := conformance.Run(t.Context(), cfg, conformance.Table())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		switch {
		case r.Writes && r.Outcome != conformance.Skipped:
			t.Errorf("%s writes, and %s", r.ID, r.Outcome)
		case !r.Writes && r.Outcome != conformance.Passed:
			t.Errorf("%s %s: %s", r.ID, r.Outcome, r.Reason)
		}
	}
	for _, r := range srv.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodOptions && r.Path != "/security/token" {
			t.Errorf("%s %s was asked", r.Method, r.Path)
		}
	}
}

// Everything that a run adds is removed at the end: devices and users of the home.
func TestNothingIsLeft(t *testing.T) {
	srv, cfg := usher(t, 10)
	client := srv.Client(srv.Admin)
	before, err := client.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.OtherToken = srv.Token(srv.Member)
	if _, err := conformance.Run(t.Context(), cfg, conformance.Table()); err != nil {
		t.Fatal(err)
	}
	after, err := client.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("the devices are %+v, and there were %d", after, len(before))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.AccountURL+"/api/v2/home/users", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Plex-Token", string(srv.Token(srv.Admin)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(string(text), "Conformance") || !strings.Contains(string(text), "admin") {
		t.Errorf("the home is %s, %v", text, err)
	}
}

// Without credentials, nothing that needs them has passed.
func TestNoCredentials(t *testing.T) {
	_, cfg := usher(t, 10)
	cfg.Login, cfg.Password = "", ""
	for _, id := range []string{"account/fields", "sign-in/created", "sign-in/wrong-password", "home/switch", "jwt/works", "security/cve-2025-69417", "guessing/home-pin"} {
		results, err := conformance.Run(t.Context(), cfg, only(id))
		if err != nil || len(results) != 1 || results[0].Outcome != conformance.Skipped || results[0].Reason == "" {
			t.Errorf("%s: %+v, %v", id, results, err)
		}
	}
}

// A server that answers nothing, or limits everything, passes nothing that asks it.
func TestServersWithoutAnAnswer(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	limits := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	defer limits.Close()
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><p>Everything is fine.")
	}))
	defer pages.Close()
	for _, server := range []*httptest.Server{closed, limits, pages} {
		at, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		results, err := conformance.Run(t.Context(), conformance.Config{
			URL: at, AllowWrites: true, Login: "mia", Password: "a password", Token: "aToken", OtherToken: "anotherToken",
			Client: new(http.Client),
		}, conformance.Table())
		if server == closed {
			if !errors.Is(err, conformance.ErrUnreachable) || len(results) > 0 {
				t.Errorf("where nothing listens: %d results, %v", len(results), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			// A page that answers everything with 200 does not repeat tokens, and accepts
			// slashes.
			harmless := server == pages && slices.Contains([]string{"security/error-echo", "format/slash", "format/empty-token", "format/query"}, r.ID)
			limited := server == limits && (r.Group() == "guessing" || r.ID == "security/error-echo")
			if r.Outcome == conformance.Passed && !harmless && !limited {
				t.Errorf("%s passed at a server that knows nothing", r.ID)
			}
		}
	}
}

// The reason why there is no answer does not contain what the server has sent.
func TestServersWithoutHTTP(t *testing.T) {
	for name, answer := range map[string]string{
		"SSH":                    "SSH-2.0-aTextOfTheServer\r\n",
		"a header without colon": "HTTP/1.1 200 OK\r\naTextOfTheServer\r\n\r\n",
		"an odd status":          "HTTP/1.1 aTextOfTheServer\r\n\r\n",
		"an odd length":          "HTTP/1.1 200 OK\r\nContent-Length: aTextOfTheServer\r\n\r\n",
		"an odd encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: aTextOfTheServer\r\n\r\n",
		"an odd chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\naTextOfTheServer\r\n",
		"nothing":                "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1<<12))
				_, _ = io.WriteString(c, answer)
				_ = c.Close()
			}
		}()
		_, err = conformance.Run(t.Context(), conformance.Config{URL: &url.URL{Scheme: "http", Host: l.Addr().String()}}, conformance.Table())
		if !errors.Is(err, conformance.ErrUnreachable) || strings.Contains(err.Error(), "aTextOfTheServer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Added objects are removed even if one of the requests for it gets no answer.
func TestCleanUpContinues(t *testing.T) {
	srv, cfg := usher(t, 0)
	lost := &planted{next: http.DefaultTransport, seen: make(map[string]int)}
	failed := false
	cfg.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodDelete && !failed {
			failed = true
			return nil, errors.New("the connection was lost")
		}
		return lost.RoundTrip(r)
	})}
	if _, err := conformance.Run(t.Context(), cfg, only("home/switch")); err != nil || !failed {
		t.Fatal(failed, err)
	}
	devices, err := srv.Client(srv.Admin).Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if strings.HasPrefix(d.ClientIdentifier, "usher-conformance") {
			t.Errorf("there is still the device %s", d.ClientIdentifier)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A run that ended early has not failed in no check: CI systems see an error.
func TestJUnitOfAStoppedRun(t *testing.T) {
	var b strings.Builder
	if err := conformance.WriteJUnit(&b, nil, errors.New(`nothing answers at "x"`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<testsuite name="run" tests="1" failures="0" errors="1"`, `<error message="nothing answers at &#34;x&#34;">`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the file lacks %s:\n%s", want, b.String())
		}
	}
}

// The JUnit file has each check, and why it failed or was skipped.
func TestJUnit(t *testing.T) {
	table := conformance.Table()
	results := []conformance.Result{
		{Check: table[0], Outcome: conformance.Passed, Took: time.Second},
		{Check: table[1], Outcome: conformance.Failed, Reason: `status "500" & more`},
		{Check: table[2], Outcome: conformance.Skipped, Reason: "it needs a login"},
	}
	var b strings.Builder
	if err := conformance.WriteJUnit(&b, results, nil); err != nil {
		t.Fatal(err)
	}
	var file struct {
		Suites []struct {
			Name                     string `xml:"name,attr"`
			Tests, Failures, Skipped int    `xml:",attr"`
			Cases                    []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
				Skipped *struct {
					Message string `xml:"message,attr"`
				} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &file); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if len(file.Suites) != 1 || len(file.Suites[0].Cases) != 3 || !strings.Contains(b.String(), `tests="3" failures="1" errors="0" skipped="1" time="1.000"`) {
		t.Fatalf("the file is\n%s", b.String())
	}
	cases := file.Suites[0].Cases
	if cases[0].Failure != nil || cases[1].Failure == nil || cases[1].Failure.Message != `status "500" & more` || cases[2].Skipped == nil {
		t.Errorf("the file is\n%s", b.String())
	}
}

var update = flag.Bool("update", false, "rewrite the tables of docs/conformance.md")

// The tables in docs/conformance.md are those of the code.
func TestChecksAreDocumented(t *testing.T) {
	const path, last = "../../docs/conformance.md", "writes the tables from the code.\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	prose, _, found := strings.Cut(string(text), last)
	if !found {
		t.Fatalf("%s lacks the line before the tables", path)
	}
	want := prose + last + conformance.Document()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s does not match the code: go test ./internal/conformance -update", path)
	}
}
