package http_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Attack: an attacker reads a code over a user's shoulder, and uses it at the same time as
// the user. Only one of several concurrent sign-ins with the same code succeeds.
func TestConcurrentSignInsUseACodeOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start("--failed-tries", "0")
	s.totp("code " + s.vars["tom_secret"])
	for name, code := range map[string]string{"TOTP": s.vars["code"], "backup": s.vars["tom_backup"]} {
		const attempts = 8
		results := make(chan int, attempts)
		var wg sync.WaitGroup
		for i := range attempts {
			wg.Go(func() {
				status, err := s.signInWithCode("tom", code, fmt.Sprintf("device-%d", i))
				if err != nil {
					t.Error(err)
				}
				results <- status
			})
		}
		wg.Wait()
		close(results)
		got := make(map[int]int)
		for status := range results {
			got[status]++
		}
		if got[http.StatusCreated] != 1 || got[http.StatusUnauthorized] != attempts-1 {
			t.Errorf("%d sign-ins with one %s code got these statuses: %v", attempts, name, got)
		}
	}
	s.command("token list --account tom --json")
	if err := expectSize(s.answer.body, ". 2"); err != nil {
		t.Errorf("%v, in %s", err, s.answer.body)
	}
}

// signInWithCode signs in with a second factor. It is safe for concurrent use.
func (s *script) signInWithCode(who, code, device string) (status int, err error) {
	body := url.Values{"login": {who}, "password": {s.vars[who+"_password"]}, "verificationCode": {code}}.Encode()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.vars["url"]+"/api/v2/users/signin.json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", device)
	s.secrets.addRequest(req, body)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	s.secrets.addText(string(text))
	return resp.StatusCode, err
}
