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
