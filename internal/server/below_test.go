package server_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/api"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/server"
)

func TestCheckPath(t *testing.T) {
	for url, fine := range map[string]bool{
		"https://host": true, "https://host/": true, "https://host/usher": true, "https://host/usher/": true,
		"https://host/apps/usher": true, "https://host/a.b_c~d-1": true, "https://host/usher/api": true,
		"https://host/api": false, "https://host/account/x": false, "https://host/static/": false,
		"https://host/a//b": false, "https://host//a": false, "https://host/../x": false, "https://host/.well-known": false,
		"https://host/a%20b": false, "https://host/a%2Fb": false, "https://host/a;b": false, "https://host/ü": false, `https://host/"x`: false,
	} {
		if err := server.CheckPath(url); (err == nil) != fine {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A public URL is used as browsers write it.
func TestCleanURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://host": "https://host", "https://host/": "https://host", "https://host/usher//": "https://host/usher",
		"HTTPS://Usher.Example.ORG": "https://usher.example.org", "https://host/Usher": "https://host/Usher",
		"https://host:443": "https://host", "http://host:80/usher/": "http://host/usher", "https://host:80": "https://host:80",
		"https://host:8443/usher": "https://host:8443/usher", "http://my_usher:32400": "http://my_usher:32400",
		"https://Müller.example": "https://xn--mller-kva.example", "https://192.0.2.1:8443": "https://192.0.2.1:8443",
		"https://[2001:DB8::1]:443": "https://[2001:db8::1]", "http://[::1]:32400": "http://[::1]:32400",
		"https://usher.example.org.": "https://usher.example.org.",
		"https://a.example,":         "", "https://a..example": "", "https://*.example.org": "", "https://a.example;b": "", "https://host/api": "",
	} {
		got, err := server.CleanURL(url)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s becomes %q, %v, want %q", url, got, err, want)
		}
	}
}

// Whether cookies and Strict-Transport-Security are those of https does not depend on how
// the scheme is written.
func TestSchemeInCapitals(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("olga")
	rec := httptest.NewRecorder()
	server.New(c.Core, server.Config{PublicURL: "HTTPS://Host/usher//"}).Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/usher/reset?key=x", nil))
	if rec.Header().Get("Strict-Transport-Security") == "" || rec.Header().Get("Location") != "/usher/reset" {
		t.Errorf("the headers are %v", rec.Header())
	}
	cookie := rec.Result().Cookies()
	if len(cookie) != 1 || !cookie[0].Secure || cookie[0].Name != "__Secure-usher_reset" || cookie[0].Path != "/usher/reset" {
		t.Errorf("the cookies are %v", cookie)
	}
}

// Every path of usher begins with a segment that no public URL may begin with.
func TestOwnSegments(t *testing.T) {
	pages, err := os.ReadFile("../web/testdata/pages.txt")
	if err != nil {
		t.Fatal(err)
	}
	paths := append(strings.Fields(string(pages)), "/static/", "/healthz", "/readyz", "/metrics")
	for _, row := range regexp.MustCompile(`(?m)^  (/\S*):$`).FindAllStringSubmatch(api.OpenAPI(), -1) {
		paths = append(paths, row[1])
	}
	count := 0
	for _, path := range paths {
		first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if !strings.HasPrefix(path, "/") || first == "" || strings.HasPrefix(first, "{") {
			continue
		}
		count++
		if server.CheckPath("https://host/"+first) == nil {
			t.Errorf("usher has %s, and could be below /%s", path, first)
		}
	}
	if count < 100 {
		t.Errorf("only %d paths were found", count)
	}
}

// Addresses in the API's answers are below the path, whether or not the request was.
func TestAddressesBelowAPath(t *testing.T) {
	c := coretest.New(t, core.Config{})
	token := c.Token(c.AddAdmin("olga"), "laptop")
	h := server.New(c.Core, server.Config{PublicURL: "https://host/usher/"}).Handler()
	for _, path := range []string{"/usher", ""} {
		for _, ask := range []struct{ method, target, want string }{
			{"POST", "/api/v2/pins?strong=true", `"qr":"https://host/usher/api/v2/pins/qr/`},
			{"GET", "/api/v2/user", `"thumb":"https://host/usher/users/`},
			{"GET", "/api/openapi.yaml", "\n  - url: /usher\n"},
		} {
			r := httptest.NewRequest(ask.method, path+ask.target, nil)
			r.Header.Set("Accept", "application/json")
			r.Header.Set("X-Plex-Client-Identifier", "laptop")
			r.Header.Set("X-Plex-Token", string(token))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if !strings.Contains(rec.Body.String(), ask.want) {
				t.Errorf("%s %s has no %s: status %d\n%.300s", ask.method, path+ask.target, ask.want, rec.Code, rec.Body)
			}
		}
	}
}
