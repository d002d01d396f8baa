package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/usher-auth/usher/internal/httpd"
)

// A proxy may pass the path on or remove it. A path that only begins with the same
// characters belongs to another site. An encoded slash stays encoded.
func TestBelow(t *testing.T) {
	for _, c := range []struct{ path, asked, want, raw string }{
		{"", "/usher/link", "/usher/link", ""},
		{"/usher", "/usher/link", "/link", ""},
		{"/usher", "/link", "/link", ""},
		{"/usher", "/usher", "/", ""},
		{"/usher", "/usher/", "/", ""},
		{"/usher", "/usher?a=b", "/", ""},
		{"/usher", "/ushers/link", "/ushers/link", ""},
		{"/usher", "/usher/usher/link", "/usher/link", ""},
		{"/usher", "/usher//link", "//link", ""},
		{"/usher", "/link/usher/", "/link/usher/", ""},
		{"/usher", "/usher/users/a%2Fb/avatar", "/users/a/b/avatar", "/users/a%2Fb/avatar"},
		{"/usher", "/users/a%2Fb/avatar", "/users/a/b/avatar", "/users/a%2Fb/avatar"},
		{"/usher", "/ushe%72/a%2Fb", "/usher/a/b", "/ushe%72/a%2Fb"},
		{"/apps/usher", "/apps/usher/link", "/link", ""},
		{"/apps/usher", "/usher/link", "/usher/link", ""},
	} {
		var got, raw, query string
		h := httpd.Below(c.path, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, raw, query = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
		}))
		r := httptest.NewRequest(http.MethodGet, c.asked, nil)
		before, asked := *r.URL, r.URL.RawQuery
		h.ServeHTTP(nil, r)
		if got != c.want || raw != c.raw || query != asked {
			t.Errorf("below %q, %s is %q (%q) with the query %q, want %q (%q)", c.path, c.asked, got, raw, query, c.want, c.raw)
		}
		if *r.URL != before {
			t.Errorf("the request for %s was changed for the caller", c.asked)
		}
	}
}
