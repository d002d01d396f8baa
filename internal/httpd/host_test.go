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
