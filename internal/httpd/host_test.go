package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/httpd"
)

func TestLimitHost(t *testing.T) {
	h := httpd.LimitHost(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"":                       200,
		"usher.example.org:443":  200,
		strings.Repeat("a", 255): 200,
		strings.Repeat("a", 256): 400,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("a host of %d bytes: %d, want %d", len(host), rec.Code, want)
		}
	}
}

// Attack: DNS rebinding. A page of evil.example points its name to this server, and reads
// paths that need no sign-in.
func TestKnownHost(t *testing.T) {
	h := httpd.KnownHost([]string{"usher.example.org"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:9181": 200, "127.0.0.1": 200, "[::1]:9181": 200, "[::1]": 200, "192.168.1.5:9181": 200,
		"localhost:9181": 200, "LocalHost": 200, "usher:9181": 200, "usher.example.org:9181": 200, "USHER.example.org.": 200,
		"usher.monitoring.svc.cluster.local:9181": 200, "nas.local": 200, "usher.internal": 200, "app.localhost": 200,
		"evil.example": 421, "evil.example:9181": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421,
		"usher.example.org.evil.example": 421, "xusher.example.org": 421, "evil.example.": 421, "local.example": 421,
		"[evil.example]": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("Host %q: %d, want %d", host, rec.Code, want)
		}
	}
}
