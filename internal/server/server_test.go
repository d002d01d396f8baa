package server_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/server"
)

// answer sends a request to a handler, and returns the status and the body.
func answer(t *testing.T, h http.Handler, method, target, accept string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// Every answer over https tells browsers to use only https, unless the operator turns that
// off. Answers over plain HTTP never do.
func TestStrictTransport(t *testing.T) {
	c := coretest.New(t, core.Config{})
	for _, test := range []struct {
		cfg       server.Config
		tls, want bool
	}{
		{server.Config{}, false, false},
		{server.Config{}, true, true},
		{server.Config{PublicURL: "https://usher.example.org/below"}, false, true},
		{server.Config{PublicURL: "http://usher.example.org"}, false, false},
		{server.Config{NoHSTS: true}, true, false},
		{server.Config{PublicURL: "https://usher.example.org", NoHSTS: true}, false, false},
	} {
		h := server.New(c.Core, test.cfg).Handler()
		for _, path := range []string{"/auth", "/identity", "/api/v2/user", "/devices", "/nothing", "/healthz"} {
			r, rec := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
			if test.tls {
				r.TLS = new(tls.ConnectionState)
			}
			h.ServeHTTP(rec, r)
			if got := len(rec.Header()["Strict-Transport-Security"]) == 1; got != test.want {
				t.Errorf("%+v, TLS %v: %s has the header: %v, want %v", test.cfg, test.tls, path, got, test.want)
			}
		}
	}
}

// Programs get the API's errors, and browsers get pages.
func TestFaces(t *testing.T) {
	c := coretest.New(t, core.Config{})
	h := server.New(c.Core, server.Config{}).Handler()
	const (
		browser = "text/html,application/xhtml+xml;q=0.9"
		program = "application/json"
		page    = "<!doctype html>"
		json    = `{"errors":[`
	)
	for _, test := range []struct {
		method, target, accept string
		status                 int
		body                   string
	}{
		{"GET", "/", program, 401, json},
		{"GET", "/", "", 401, "<"},
		{"GET", "/", browser, 200, page},
		{"HEAD", "/", program, 401, ""},
		{"POST", "/", program, 405, json},
		{"POST", "/", browser, 404, page},
		{"OPTIONS", "/", browser, 204, ""},
		{"GET", "/account", browser, 303, ""},
		{"GET", "/account", program, 303, ""}, // a page for every client
		{"POST", "/account", program, 404, json},
		{"GET", "/account/", browser, 303, ""},
		{"GET", "/link.json", "", 303, ""}, // every path takes a suffix
		{"GET", "/api/v2/user", browser, 400, ""},
		{"GET", "/pins/1", browser, 400, "<"},
		{"GET", "/nothing", browser, 404, page},
		{"GET", "/nothing", program, 404, json},
		{"GET", "/nothing.json", browser, 404, json},
		{"OPTIONS", "/nothing", browser, 204, ""},
		{"GET", "/healthz", browser, 200, "ok"},
		{"GET", "/readyz", program, 200, "ok"},
		{"POST", "/healthz", program, 404, json},
		{"GET", "/metrics", program, 404, json},
		// Attack: a redirect that repeats a token in its target.
		{"GET", "//account?X-Plex-Token=t", browser, 404, ""},
		{"GET", "/x/../account?X-Plex-Token=t", program, 404, json},
		{"GET", "/%2e%2e/account", program, 404, json},
		{"GET", "/api%2fv2/user", program, 404, json},
	} {
		status, body := answer(t, h, test.method, test.target, test.accept)
		if status != test.status || !strings.HasPrefix(body, test.body) {
			t.Errorf("%s %s for %q: %d %.60q, want %d %q", test.method, test.target, test.accept, status, body, test.status, test.body)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		if status, _ := answer(t, h, "GET", target, ""); status != want {
			t.Errorf("%s with a closed database: %d, want %d", target, status, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	srv := server.New(coretest.New(t, core.Config{}).Core, server.Config{})
	answer(t, srv.Handler(), "GET", "/identity", "")
	answer(t, srv.Handler(), "GET", "/what-nobody-knows?X-Plex-Token=what-nobody-knows", "")
	_, text := answer(t, srv.MetricsHandler(), "GET", "http://127.0.0.1/metrics", "")
	for _, want := range []string{
		`usher_http_requests_total{path="/identity",status="200"} 1`, "usher_token_cache_entries 0", "go_goroutines", "usher_hashing_waiting 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if strings.Contains(text, "what-nobody-knows") {
		t.Error("the metrics contain what a caller sent")
	}
}

// docs/reference.md has every metric that usher defines.
func TestMetricsAreDocumented(t *testing.T) {
	srv := server.New(coretest.New(t, core.Config{}).Core, server.Config{})
	answer(t, srv.Handler(), "GET", "/identity", "")
	_, text := answer(t, srv.MetricsHandler(), "GET", "http://127.0.0.1/metrics", "")
	names := regexp.MustCompile(`# TYPE (usher_\w+)`).FindAllStringSubmatch(text, -1)
	if len(names) < 5 {
		t.Fatalf("only %d metrics", len(names))
	}
	document, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range names {
		if !strings.Contains(string(document), m[1]) {
			t.Errorf("%s is not in docs/reference.md", m[1])
		}
	}
}

// Attack: DNS rebinding, and a Host header that is repeated at length.
func TestMetricsCheckTheirHost(t *testing.T) {
	srv := server.New(coretest.New(t, core.Config{}).Core, server.Config{
		PublicURL: "https://Usher.example.org/", MetricsHosts: []string{"metrics.example.org"},
	})
	for host, want := range map[string]int{
		"127.0.0.1:9181": 200, "usher.example.org": 200, "metrics.example.org:9181": 200, "evil.example": 421,
		strings.Repeat("a", 256): 400,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		srv.MetricsHandler().ServeHTTP(rec, r)
		if rec.Code != want || want != 200 && strings.Contains(rec.Body.String(), "usher_") {
			t.Errorf("Host %.20q: %d, want %d", host, rec.Code, want)
		}
		// Health checks reveal nothing, so they accept any Host.
		if r.URL.Path = "/healthz"; want == 421 {
			rec = httptest.NewRecorder()
			if srv.MetricsHandler().ServeHTTP(rec, r); rec.Code != 200 {
				t.Errorf("/healthz for Host %q: %d", host, rec.Code)
			}
		}
	}
}
