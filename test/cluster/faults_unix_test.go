//go:build unix

package cluster_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// between is how long clients work between two faults, and after the last.
var between = flag.Duration("cluster.between", 2*time.Second, "how long clients work between two faults")

// history is what clients were told. Its methods judge each answer by it.
type history struct {
	t  *testing.T
	mu sync.Mutex
	// tokens are those that a client was given.
	tokens  []*told
	answers map[string]int // how many there were, by what was asked and the status
}

// told is what is known of one token.
type told struct {
	token   string
	ending  bool      // somebody has asked to revoke it
	revoked time.Time // when that was acknowledged; zero: it was not
}

// count counts an answer. A status of 0 stands for none.
func (h *history) count(what string, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[fmt.Sprint(what, " ", status)]++
}

// given notes a token that a client was given.
func (h *history) given(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, &told{token: token})
}

// pick returns a random token; nil if there is none yet. With end, it notes that
// the token is about to be revoked, and returns nil if it was before.
func (h *history) pick(end bool) *told {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.tokens) == 0 {
		return nil
	}
	t := h.tokens[rand.IntN(len(h.tokens))]
	if end && t.ending {
		return nil
	}
	t.ending = t.ending || end
	return t
}

// ended notes that a revocation was acknowledged.
func (h *history) ended(t *told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.revoked = time.Now()
}

// checked judges the answer to a check of a token that was sent at a time.
func (h *history) checked(t *told, node string, sent time.Time, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case status == 200 && !t.revoked.IsZero() && sent.Sub(t.revoked) > bound:
		h.t.Errorf("%s accepts a token %v after its revocation was acknowledged", node, sent.Sub(t.revoked))
	case status == 401 && !t.ending:
		h.t.Errorf("%s rejects a token that was given and not revoked", node)
	case status == 500:
		h.t.Errorf("%s answers 500", node)
	}
}

// client works on the nodes until ctx ends: it signs in, checks and signs out.
func (h *history) client(ctx context.Context, urls []string, name string) {
	for ctx.Err() == nil {
		node := urls[rand.IntN(len(urls))]
		switch n := rand.IntN(20); {
		case n == 0:
			// A device of its own each time: one that signs in for the eleventh time
			// loses a token.
			device := fmt.Sprint(name, "-", rand.Int64())
			status, body := request(ctx, "POST", node+"/api/v2/users/signin", device, "",
				url.Values{"login": {"mia"}, "password": {password}})
			h.count("sign-in", status)
			var answer struct{ AuthToken string }
			if status == 201 && json.Unmarshal(body, &answer) == nil {
				h.given(answer.AuthToken)
			}
		case n == 1:
			if t := h.pick(true); t != nil {
				status, _ := request(ctx, "DELETE", node+"/api/v2/users/signout", name, t.token, nil)
				h.count("sign-out", status)
				if status == 204 {
					h.ended(t)
				}
			}
		default:
			if t := h.pick(false); t != nil {
				sent := time.Now()
				status, _ := request(ctx, "GET", node+"/api/v2/user", name, t.token, nil)
				h.count("check", status)
				h.checked(t, node, sent, status)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

var impatient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 20}}

// request returns the status and the body of an answer; 0 if there was none.
func request(ctx context.Context, method, target, client, token string, form url.Values) (int, []byte) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", client)
	r.Header.Set("X-Plex-Token", token)
	res, err := impatient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	return res.StatusCode, body
}

// Clients work on three nodes while a node is killed, another one is stopped for
// longer than its turn lasts, and the database is killed. What was acknowledged
// stays, and what was revoked is accepted nowhere a second later.
func TestFaults(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server, err := pgtest.Start("fsync=on")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	c := newCluster(t)
	c.address = server.Database(t)
	c.usher(password, "account", "add", "mia", "--password-stdin")
	var nodes []*usher.Server
	var urls []string
	start := func(listen string) *usher.Server {
		t.Helper()
		s, err := usher.Start(c.command(c.address, "serve", "--listen", listen, "--failed-tries", "0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Kill() })
		return s
	}
	for range 3 {
		s := start("127.0.0.1:0")
		nodes, urls = append(nodes, s), append(urls, s.URL)
	}

	h := &history{t: t, answers: make(map[string]int)}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() { h.client(ctx, urls, fmt.Sprint("client-", i)) })
	}
	time.Sleep(*between)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}

	must(nodes[0].Kill())
	time.Sleep(*between)
	nodes[0] = start(strings.TrimPrefix(urls[0], "http://"))
	time.Sleep(*between)

	must(nodes[1].Signal(syscall.SIGSTOP))
	time.Sleep(8 * time.Second)
	must(nodes[1].Signal(syscall.SIGCONT))
	time.Sleep(*between)

	server.Kill()
	time.Sleep(*between)
	must(server.Launch())
	time.Sleep(2 * *between)
	stop()
	clients.Wait()

	// Every node agrees with what clients were told.
	time.Sleep(bound)
	kept := 0
	for _, told := range h.tokens {
		for _, node := range urls {
			sent := time.Now()
			status, _ := request(t.Context(), "GET", node+"/api/v2/user", "judge", told.token, nil)
			h.checked(told, node, sent, status)
			if status != 200 && status != 401 {
				t.Errorf("after all faults, %s answers %d", node, status)
			}
		}
		if !told.ending {
			kept++
		}
	}
	c.usher("", "audit", "verify") // fails if the chain is broken or forked
	t.Logf("%d tokens were given and %d were kept; answers: %v", len(h.tokens), kept, h.answers)
	if len(h.tokens) < 10 || h.answers["sign-out 204"] < 5 {
		t.Error("the clients did too little: the test proves nothing")
	}
}
