package stage_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
)

// A strict stage rejects what the real services reject. Another stage does not.
func TestStrict(t *testing.T) {
	st, err := stage.Open(t.Context(), stage.Config{Scene: scene.Default(), Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	strict, lenient := &fixture{st, t}, open(t, scene.Default())
	client := []string{"X-Plex-Client-Identifier", "program", "X-Plex-Token", "usherTokenOfMember01"}
	for _, test := range []struct {
		url           string
		header        []string
		strict, usual int
	}{
		{"https://plex.tv/api/v2/user", client, 200, 200},
		{"https://plex.tv/api/v2/user?x-plex-client-identifier=a", client[2:], 200, 200},
		{"https://plex.tv/api/v2/user", client[2:], 400, 200},
		{"https://plex.tv/api/v2/user.json", client[2:], 400, 200},
		{"https://plex.tv/api/v2/ping", nil, 200, 200},
		{"http://plex.tv/api/v2/ping", nil, 301, 200},
		{"https://clients.plex.tv/api/v2/resources", client, 200, 200},
		{"https://clients.plex.tv/identity", client, 404, 200},
		{"https://plex.tv:32400/security/token", client, 404, 400},
		{"http://localhost:32400/identity", nil, 200, 200},
		{"http://localhost:32400/api/v2/user", client, 404, 200},
		{"https://1-2-3-4.abc.plex.direct:32400/pins/7", client, 404, 404},
		{"https://plex.tv/devices", client, 200, 200},
		{"http://localhost:32400/devices", client, 200, 200},
	} {
		if res, body := strict.ask("GET", test.url, test.header...); res.StatusCode != test.strict {
			t.Errorf("strict: %s %v: status %d, want %d: %s", test.url, test.header, res.StatusCode, test.strict, body)
		}
		if res, body := lenient.ask("GET", test.url, test.header...); res.StatusCode != test.usual {
			t.Errorf("%s %v: status %d, want %d: %s", test.url, test.header, res.StatusCode, test.usual, body)
		}
	}
	if got := strict.Traffic.UnknownPaths(); len(got) != 4 {
		t.Errorf("the unknown paths are %v", got)
	}
	strict.pollsAreLimited()
}

// pollsAreLimited checks that a PIN is polled once a second, and another one at any
// time.
func (w *fixture) pollsAreLimited() {
	t := w.t
	t.Helper()
	limited := func() bool {
		for range 50 { // on a slow machine, a second may have passed between two
			res, body := w.ask("GET", "https://plex.tv/api/v2/pins/7", "X-Plex-Client-Identifier", "program")
			if res.StatusCode == http.StatusTooManyRequests {
				return strings.Contains(body, `"code":1003`)
			}
		}
		return false
	}
	if res, _ := w.ask("GET", "https://plex.tv/api/v2/pins/7", "X-Plex-Client-Identifier", "program"); res.StatusCode != http.StatusNotFound {
		t.Errorf("the first poll: status %d", res.StatusCode)
	}
	if !limited() {
		t.Error("polls are not limited")
	}
	if res, _ := w.ask("GET", "https://plex.tv/api/v2/pins/8", "X-Plex-Client-Identifier", "program"); res.StatusCode != http.StatusNotFound {
		t.Errorf("the first poll of another PIN: status %d", res.StatusCode)
	}
}

// docs/testing.md has the table of strict rules.
func TestDocumentOfStrict(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "| rejected by `--strict` | with |\n|---|---|\n"
	for _, r := range stage.StrictRules() {
		want += "| " + r.Refused + " | " + r.Answer + " |\n"
	}
	if !strings.Contains(string(text), want+"\n") {
		t.Errorf("docs/testing.md has no such table:\n%s", want)
	}
}
