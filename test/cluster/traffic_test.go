//go:build faults

package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/history"
)

// clients is how many clients work at the same time. Each has one request in
// flight.
const clients = 6

// traffic is what clients do to the nodes of a cluster, and what they are told.
type traffic struct {
	history.History
	// front answers for all nodes; nodes are their own addresses.
	front string
	nodes []string
	// codes are backup codes that every client tries.
	codes []string

	mu      sync.Mutex
	tokens  []given
	windows []*window // the last one is open
	names   int
}

// given is a secret that a client was given.
type given struct {
	key, text string
	// minted is the node whose own key sealed it; empty for a token.
	minted string
	ending bool // somebody has asked to end it
}

// window is what happened during a fault, at the front.
type window struct {
	name                            string
	answered, refused, failed, slow int
	slowest                         time.Duration
}

// enter begins a new window.
func (tr *traffic) enter(name string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.windows = append(tr.windows, &window{name: name})
}

// note counts an answer that the front gave.
func (tr *traffic) note(status int, took time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	w := tr.windows[len(tr.windows)-1]
	switch {
	case status == http.StatusServiceUnavailable:
		w.refused++
	case status == 0 || status >= 500:
		w.failed++
	default:
		w.answered++
	}
	if took > time.Second {
		w.slow++
	}
	w.slowest = max(w.slowest, took)
}

// table is the windows, for people.
func (tr *traffic) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-44s %8s %8s %7s %6s %8s", "", "answered", "refused", "failed", "> 1 s", "slowest")
	for _, w := range tr.windows {
		fmt.Fprintf(&b, "\n%-44s %8d %8d %7d %6d %7.1fs", w.name, w.answered, w.refused, w.failed, w.slow, w.slowest.Seconds())
	}
	return b.String()
}

// run starts the clients, which work until ctx ends.
func (tr *traffic) run(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				tr.act(ctx, fmt.Sprint("client-", i))
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return wg.Wait
}

// act is one request of a client.
func (tr *traffic) act(ctx context.Context, client string) {
	switch n := rand.IntN(40); {
	case n == 0:
		tr.signIn(ctx, client)
	case n == 1:
		tr.mint(ctx, client)
	case n == 2:
		if g, ok := tr.pick(true); ok {
			tr.signOut(ctx, client, g)
		}
	case n == 3 && len(tr.codes) > 0:
		tr.useCode(ctx, client, tr.codes[rand.IntN(len(tr.codes))])
	default:
		if g, ok := tr.pick(false); ok {
			tr.check(ctx, client, g, tr.anyone())
		}
	}
}

// anyone is the front, or one of the nodes.
func (tr *traffic) anyone() string {
	if rand.IntN(2) == 0 {
		return tr.front
	}
	return tr.nodes[rand.IntN(len(tr.nodes))]
}

// pick returns a random secret. With end, it is a token that nobody else has ended
// or ends.
func (tr *traffic) pick(end bool) (given, bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.tokens) == 0 {
		return given{}, false
	}
	// Those of late are picked more often: what is old has been checked a lot.
	last := min(len(tr.tokens), 50)
	g := &tr.tokens[len(tr.tokens)-1-rand.IntN(last)]
	if rand.IntN(4) == 0 {
		g = &tr.tokens[rand.IntN(len(tr.tokens))]
	}
	if end && (g.ending || g.minted != "") {
		return given{}, false
	}
	g.ending = g.ending || end
	return *g, true
}

// keep notes a secret that a client was given.
func (tr *traffic) keep(kind, text, minted string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.names++
	key := fmt.Sprint(kind, " ", tr.names)
	tr.tokens = append(tr.tokens, given{key: key, text: text, minted: minted})
	return key
}

// add records an event that ends now.
func (tr *traffic) add(key string, kind history.Kind, answer history.Answer, node string, sent time.Time) {
	tr.Add(history.Event{Key: key, Kind: kind, Answer: answer, Node: node, Sent: sent, Answered: time.Now()})
}

// outcome is what a status says: yes, no, or neither.
func outcome(status, yes, no int) history.Answer {
	switch status {
	case yes:
		return history.Yes
	case no:
		return history.No
	}
	return history.Unknown
}

func (tr *traffic) signIn(ctx context.Context, client string) {
	sent := time.Now()
	// A device of its own each time: one that signs in for the eleventh time loses
	// a token.
	device := fmt.Sprint(client, "-", rand.Int64())
	status, body := tr.request(ctx, "POST", tr.front+"/api/v2/users/signin", device, "",
		url.Values{"login": {"mia"}, "password": {password}})
	var answer struct{ AuthToken string }
	if status == 201 && json.Unmarshal(body, &answer) == nil {
		tr.add(tr.keep("token", answer.AuthToken, ""), history.Give, history.Yes, "front", sent)
	}
}

// mint asks a node for a transient token, with the first token, which nobody revokes.
func (tr *traffic) mint(ctx context.Context, client string) {
	tr.mu.Lock()
	parent := tr.tokens[0].text
	tr.mu.Unlock()
	node := tr.nodes[rand.IntN(len(tr.nodes))]
	sent := time.Now()
	status, body := tr.request(ctx, "GET", node+"/security/token?type=delegation&scope=all", client, parent, nil)
	var answer struct{ MediaContainer struct{ Token string } }
	if status == 200 && json.Unmarshal(body, &answer) == nil {
		tr.add(tr.keep("transient token", answer.MediaContainer.Token, node), history.Give, history.Yes, node, sent)
	}
}

func (tr *traffic) signOut(ctx context.Context, client string, g given) {
	sent := time.Now()
	status, _ := tr.request(ctx, "DELETE", tr.front+"/api/v2/users/signout", client, g.text, nil)
	tr.add(g.key, history.End, outcome(status, 204, 401), "front", sent)
}

func (tr *traffic) check(ctx context.Context, client string, g given, node string) history.Answer {
	sent := time.Now()
	status, _ := tr.request(ctx, "GET", node+"/api/v2/user", client, g.text, nil)
	answer := outcome(status, 200, 401)
	tr.add(g.key, history.Check, answer, node, sent)
	return answer
}

// useCode tries a backup code on a node of its own choice.
func (tr *traffic) useCode(ctx context.Context, client, code string) {
	node := tr.nodes[rand.IntN(len(tr.nodes))]
	sent := time.Now()
	status, _ := tr.request(ctx, "POST", node+"/api/v2/users/signin", client, "",
		url.Values{"login": {"tom"}, "password": {password}, "verificationCode": {code}})
	tr.add("backup code "+code[:3]+"…", history.Use, outcome(status, 201, 401), node, sent)
}

// ended records that a node's transient tokens end in a time that began when it was
// told to stop, or was killed.
func (tr *traffic) ended(node string, began time.Time, within time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i := range tr.tokens {
		if g := &tr.tokens[i]; g.minted == node && !g.ending {
			g.ending = true
			tr.Add(history.Event{
				Key: g.key, Kind: history.End, Answer: history.Yes, Node: "the lease", Sent: began, Answered: began.Add(within),
			})
		}
	}
}

// judge asks every node about every secret, and then the checker about everything.
func (tr *traffic) judge(t *testing.T) []error {
	t.Helper()
	for _, g := range tr.tokens {
		for _, node := range tr.nodes {
			if tr.check(t.Context(), "judge", g, node) == history.Unknown {
				t.Errorf("after all faults, %s does not answer about %s", node, g.key)
			}
		}
	}
	return tr.Check(bound)
}

var transport = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clients}}

// request returns the status and the body of an answer; 0 if there was none.
func (tr *traffic) request(ctx context.Context, method, target, client, token string, form url.Values) (int, []byte) {
	began := time.Now()
	status, body := send(ctx, method, target, client, token, form)
	if strings.HasPrefix(target, tr.front+"/") && ctx.Err() == nil {
		tr.note(status, time.Since(began))
	}
	return status, body
}

func send(ctx context.Context, method, target, client, token string, form url.Values) (int, []byte) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", client)
	r.Header.Set("X-Plex-Token", token)
	res, err := transport.Do(r)
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
