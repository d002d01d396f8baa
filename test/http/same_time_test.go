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

// TestSameTime is the attack of finding account names by timing: a failed sign-in must take
// the same time for an existing and an unknown name. Hashing a password takes some thirty
// milliseconds. Without a hash, a response takes less than one.
//
// It compares the processor time of the server, if the system reports it, and otherwise the
// duration of the request. It compares the fastest of several attempts, because other load
// makes attempts slower and never faster. If these differ, it makes more attempts: a
// difference that the server causes remains.
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
		t.Logf("with %q, sign-ins take %v", password, quickest)
		if !alike(quickest) {
			t.Error("these times differ")
		}
		if quickest[logins[0]] < 5*time.Millisecond {
			t.Error("that is too short for hashing a password: the comparison says nothing")
		}
	}
}

// alike reports whether no time is more than 1.5 times another.
func alike(times map[string]time.Duration) bool {
	all := slices.Sorted(maps.Values(times))
	return all[len(all)-1] < all[0]*3/2
}

// failSignIn sends a sign-in that must fail. It returns the processor time of the server
// or, if that is unknown, the duration of the request.
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
	children := s.server.Children()
	before, measured := s.server.Work()
	start := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	resp.Body.Close()
	// The processor time of a child process is not known after it has exited.
	if after, ok := s.server.Work(); measured && ok && slices.Equal(children, s.server.Children()) {
		took = after - before
	}
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("got status %d for %s", resp.StatusCode, login)
	}
	return took
}
