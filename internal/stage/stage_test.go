package stage_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/stage"
)

// fixture is a stage.
type fixture struct {
	*stage.Stage
	t *testing.T
}

func open(t *testing.T, s scene.Scene) *fixture {
	t.Helper()
	st, err := stage.Open(t.Context(), stage.Config{Scene: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fixture{st, t}
}

// ask sends a request of a program.
func (w *fixture) ask(method, url string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r := httptest.NewRequest(method, url, nil)
	r.Header.Set("Accept", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return rec.Result(), string(body)
}

// played returns the responses to a program that signs in by password and by PIN.
func (w *fixture) played() string {
	w.t.Helper()
	var b strings.Builder
	add := func(_ *http.Response, body string) { b.WriteString(body + "\n") }
	client := []string{"X-Plex-Client-Identifier", "program"}
	add(w.ask("POST", "https://plex.tv/api/v2/users/signin?login=member&password=member%27s+password", client...))
	add(w.ask("POST", "https://plex.tv/api/v2/pins", client...))
	add(w.ask("POST", "https://plex.tv/api/v2/pins?strong=true", client...))
	add(w.ask("GET", "https://plex.tv/api/v2/auth/nonce", client...))
	add(w.ask("GET", "https://plex.tv/api/v2/auth/keys", client...))
	add(w.ask("GET", "https://plex.tv/api/claim/token.json", "X-Plex-Token", "usherTokenOfMember01"))
	add(w.ask("GET", "http://localhost:32400/security/token?type=delegation&scope=all", "X-Plex-Token", "usherTokenOfMember01"))
	return b.String()
}

// With a seed, everything repeats: in another run, and after a reset.
func TestSeed(t *testing.T) {
	s := scene.Default()
	s.Seed, s.Time, s.Frozen = "7", time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), true
	first, second := open(t, s), open(t, s)
	want := first.played()
	if strings.Contains(want, `"errors"`) || strings.Count(want, "\n") < 7 {
		t.Fatalf("the program gets\n%s", want)
	}
	if got := second.played(); got != want {
		t.Errorf("another run is\n%s\nand the first is\n%s", got, want)
	}
	if first.played() == want {
		t.Error("the next values are the same again")
	}
	if err := first.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := first.played(); got != want {
		t.Errorf("after a reset, it is\n%s\nand the first is\n%s", got, want)
	}
	s.Seed = "8"
	other := open(t, s)
	if other.played() == want {
		t.Error("another seed has the same values")
	}
	// Accounts that are added later have other ids than those of the scene.
	for range 3 {
		if _, err := other.AddPerson(t.Context(), scene.Account{Username: "mia", Password: "mia's password"}); err != nil {
			t.Fatal(err)
		}
		if err := other.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Without a seed, nothing repeats. A reset also invalidates transient tokens.
func TestWithoutSeed(t *testing.T) {
	w := open(t, scene.Default())
	before := w.played()
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.played() == before {
		t.Error("two runs are the same")
	}
	_, body := w.ask("GET", "http://localhost:32400/security/token?type=delegation&scope=all", "X-Plex-Token", "usherTokenOfAdmin001")
	_, token, _ := strings.Cut(body, `"token":"`)
	token, _, _ = strings.Cut(token, `"`)
	ask := func() int {
		res, _ := w.ask("GET", "https://plex.tv/api/v2/user", "X-Plex-Token", token)
		return res.StatusCode
	}
	if got := ask(); got != http.StatusOK {
		t.Fatalf("the token %q: status %d", token, got)
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("after a reset: status %d", got)
	}
}
