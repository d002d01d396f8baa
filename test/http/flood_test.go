package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Attack: a flood of sign-ins prevents everyone else from signing in. As in production, a
// trusted proxy names the addresses.
func TestFloodLeavesOthersTheirTurn(t *testing.T) {
	const loops, signIns = 40, 5
	for _, flood := range []struct {
		name   string
		limits string // --failed-tries
		// attempt returns the nth attempt of a loop.
		attempt signInAttempt
		from    func(loop, n int) string
		known   bool // the admin's device has signed in before
	}{
		{
			"one member's right passwords, from one address", "10",
			signInAttempt{login: "ned", password: "nothing is shared with me", client: "loop"},
			func(int, int) string { return "198.51.100.7" }, false,
		},
		{
			"the same, without limits", "0",
			signInAttempt{login: "ned", password: "nothing is shared with me", client: "loop"},
			func(int, int) string { return "198.51.100.7" }, false,
		},
		{
			"wrong passwords of the admin, from many networks, without limits", "0",
			signInAttempt{login: "olga", password: "a guess", client: "bot"},
			func(loop, n int) string { return fmt.Sprintf("198.51.%d.%d", loop, n%250) }, true,
		},
	} {
		t.Run(flood.name, func(t *testing.T) {
			s := newScript(t)
			s.start("--failed-tries", flood.limits, "--trusted-proxy", "127.0.0.1")
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loops + 1}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			admin := signInAttempt{login: "olga", password: s.vars["olga_password"], client: "phone", address: "203.0.113.5"}
			quiet := time.Now()
			if status, err := admin.send(t.Context(), client, s.vars["url"]); status != http.StatusCreated {
				t.Fatalf("before the flood, the admin's sign-in returns %d (%v)", status, err)
			}
			// On a busy machine, everything takes longer. The number of flood requests that
			// are served in the meantime does not depend on that.
			patience := max(2*time.Second, 20*time.Since(quiet))
			const turns = 16
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			var answers, hashed atomic.Int64
			for loop := range loops {
				running.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						attempt := flood.attempt
						attempt.address = flood.from(loop, n)
						status, err := attempt.send(ctx, client, s.vars["url"])
						if err == nil {
							answers.Add(1)
						}
						if status == http.StatusCreated || status == http.StatusUnauthorized {
							hashed.Add(1)
						}
					}
				})
			}
			for until := time.Now().Add(30 * time.Second); answers.Load() < loops && time.Now().Before(until); {
				time.Sleep(5 * time.Millisecond)
			}
			var slowest time.Duration
			for i := range signIns {
				if !flood.known {
					admin.client = fmt.Sprint("new ", i)
				}
				start, before := time.Now(), hashed.Load()
				status, err := admin.send(t.Context(), client, s.vars["url"])
				took, others := time.Since(start), hashed.Load()-before
				slowest = max(slowest, took)
				if status != http.StatusCreated || took > patience && others > turns {
					t.Errorf("sign-in %d of the admin: status %d after %v and %d answers to the flood (error %v)", i, status, took, others, err)
				}
			}
			cancel()
			running.Wait()
			t.Logf("the slowest of %d sign-ins took %v, next to %d of the flood", signIns, slowest, answers.Load())
			if answers.Load() < loops {
				t.Errorf("the flood got only %d answers", answers.Load())
			}
		})
	}
}

// signInAttempt is a sign-in with a password.
type signInAttempt struct{ login, password, client, address string }

// send makes the attempt and returns the status of the answer.
func (a signInAttempt) send(ctx context.Context, client *http.Client, base string) (status int, err error) {
	body := url.Values{"login": {a.login}, "password": {a.password}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v2/users/signin", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", a.client)
	req.Header.Set("X-Forwarded-For", a.address)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
