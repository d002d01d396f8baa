package http_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSameTime is the attack of asking for names and looking at the clock: a
// sign-in that fails must take as long for a name that exists as for one that
// does not. Hashing a password takes some thirty milliseconds; without it, an
// answer takes less than one.
//
// It compares the quickest of several tries, as what else the machine does
// makes tries slower and none quicker, and tries for longer where these still
// differ: a difference that is the server's own stays.
func TestSameTime(t *testing.T) {
	s := newScript(t)
	s.command("account disable uma")
	s.start("--failed-tries", "0")
	logins := []string{"olga", "tom", "uma", "nobody", "nobody@example.org"}
	for _, password := range []string{"a wrong password", "a wrong password with a code 123456"} {
		quickest := make(map[string]time.Duration)
		for try := 0; try < 4 || try < 40 && !alike(quickest); try++ {
			for _, login := range logins {
				took := s.failSignIn(t, login, password)
				if best, ok := quickest[login]; !ok || took < best {
					quickest[login] = took
				}
			}
		}
		if !alike(quickest) {
			t.Errorf("with %q, sign-ins take %v", password, quickest)
		}
	}
}

// alike reports whether no time is one and a half times another.
func alike(times map[string]time.Duration) bool {
	all := slices.Sorted(maps.Values(times))
	return all[len(all)-1] < all[0]*3/2
}

// failSignIn makes a sign-in that must fail and returns how long it took.
func (s *script) failSignIn(t *testing.T, login, password string) time.Duration {
	t.Helper()
	body := url.Values{"login": {login}, "password": {password}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.vars["url"]+"/api/v2/users/signin", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", "clock")
	s.secrets.addRequest(req, body)
	start := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("got status %d for %s", resp.StatusCode, login)
	}
	return took
}
