//go:build faults

package cluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/test/history"
)

// clients is how many clients there are. Each sends one request at a time.
const clients = 6

// traffic is the requests of clients to the nodes of a cluster, and the answers. The
// clients use the SDK, except for the admin API, and for requests that an attacker has
// copied.
type traffic struct {
	history.History
	// front is the address of all nodes together, and nodes are their own addresses.
	front string
	nodes []string
	// codes are backup codes that every client tries, and seed generates the codes of the
	// second factor.
	codes []string
	seed  string
	// adminKey is a key for the admin API. If empty, no accounts are added.
	adminKey plexauth.Secret
	// key is a device's key, which requests JWTs. If nil, none are requested.
	key *plexauth.DeviceKey

	mu       sync.Mutex
	tokens   []given
	accounts []given
	told     map[string]int // how many events were acknowledged, by their names in the audit log
	windows  []*window      // the last one is open
	names    int
	lapsed   map[string]bool // nodes that have been stopped for longer than their lease
}

// given is a secret that a client received.
type given struct {
	key, text string
	// minted is the node whose own key sealed it, or empty for a token.
	minted string
	ending bool // a client has requested to revoke it
	unsure bool // it may be valid or revoked
}

// window has the results of requests to the front during a fault.
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

// note counts an answer of the front.
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

// table returns the windows as text.
func (tr *traffic) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-44s %8s %8s %7s %6s %8s", "", "answered", "refused", "failed", "> 1 s", "slowest")
	for _, w := range tr.windows {
		fmt.Fprintf(&b, "\n%-44s %8d %8d %7d %6d %7.1fs", w.name, w.answered, w.refused, w.failed, w.slow, w.slowest.Seconds())
	}
	return b.String()
}

// run starts the clients, which continue until ctx ends.
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

// mostTokens is how many tokens exist at a time, so that none is evicted: an account has at
// most 500 devices, and a fast machine would reach that.
const mostTokens = 200

// act sends one request of a client, or a few that belong together.
func (tr *traffic) act(ctx context.Context, client string) {
	n := rand.IntN(40)
	if (n == 0 || n == 5) && tr.live() >= mostTokens {
		n = 2
	}
	switch {
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
	case n == 4 && tr.seed != "":
		tr.useStep(ctx, client)
	case n == 5:
		tr.linkPIN(ctx, client)
	case n == 6 && tr.key != nil:
		tr.useNonce(ctx)
	case n == 7 && tr.adminKey != "":
		tr.changeAccounts(ctx)
	default:
		if g, ok := tr.pick(false); ok {
			tr.check(ctx, client, g, tr.anyone())
		}
	}
}

// live returns how many tokens no client has requested to revoke.
func (tr *traffic) live() (n int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, g := range tr.tokens {
		if g.minted == "" && !g.ending {
			n++
		}
	}
	return n
}

// anyone returns the front, or one of the nodes.
func (tr *traffic) anyone() string {
	if rand.IntN(2) == 0 {
		return tr.front
	}
	return tr.nodes[rand.IntN(len(tr.nodes))]
}

// pick returns a random secret. With end, it is a token that no other client has revoked or
// is revoking.
func (tr *traffic) pick(end bool) (given, bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.tokens) == 0 {
		return given{}, false
	}
	// Recent secrets are picked more often: old ones have been checked many times.
	last := min(len(tr.tokens), 50)
	g := &tr.tokens[len(tr.tokens)-1-rand.IntN(last)]
	if rand.IntN(4) == 0 {
		g = &tr.tokens[rand.IntN(len(tr.tokens))]
	}
	if g.unsure || end && (g.ending || g.minted != "") {
		return given{}, false
	}
	g.ending = g.ending || end
	return *g, true
}

// keep stores a secret that a client received.
func (tr *traffic) keep(kind, text, minted string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.names++
	key := fmt.Sprint(kind, " ", tr.names)
	tr.tokens = append(tr.tokens, given{key: key, text: text, minted: minted, unsure: tr.lapsed[minted]})
	return key
}

// add records an event that ends now.
func (tr *traffic) add(key string, kind history.Kind, answer history.Answer, node string, sent time.Time) {
	tr.Add(history.Event{Key: key, Kind: kind, Answer: answer, Node: node, Sent: sent, Answered: time.Now()})
}

// outcome returns the meaning of a status: yes, no, or unknown.
func outcome(status, yes, no int) history.Answer {
	switch status {
	case yes:
		return history.Yes
	case no:
		return history.No
	}
	return history.Unknown
}

const (
	// ok is the result of statusOf for a call that succeeded.
	ok = http.StatusOK
	// never is a status that no answer has.
	never = -1
)

// statusOf returns the status of a failed call of the SDK, or 0 if there was no answer.
func statusOf(err error) int {
	var failed *plexauth.Error
	switch {
	case err == nil:
		return ok
	case errors.As(err, &failed):
		return failed.StatusCode
	}
	return 0
}

// sdk returns an SDK client for an address.
func sdk(at, client, token string) *plexauth.Client {
	return &plexauth.Client{
		ClientIdentifier: client, AccountURL: at, MediaURL: at, HTTPClient: transport, Timeout: -1,
		Token: plexauth.StaticToken(plexauth.Secret(token)),
	}
}

// call calls the SDK, and counts the answer if it is the front's. It returns the status.
func (tr *traffic) call(ctx context.Context, at string, do func() error) int {
	began := time.Now()
	status := statusOf(do())
	if at == tr.front && ctx.Err() == nil {
		tr.note(status, time.Since(began))
	}
	return status
}

func (tr *traffic) signIn(ctx context.Context, client string) {
	sent := time.Now()
	// Each time a new device: a device that signs in for the eleventh time loses a token.
	c := sdk(tr.front, fmt.Sprint(client, "-", rand.Int64()), "")
	var account *plexauth.Account
	if tr.call(ctx, tr.front, func() (err error) {
		account, err = c.SignIn(ctx, plexauth.SignInRequest{Login: "mia", Password: password})
		return err
	}) == ok {
		tr.add(tr.keep("token", string(account.AuthToken), ""), history.Give, history.Yes, "front", sent)
		tr.tell("sign-in")
	}
}

// tell counts an event that was acknowledged to a client.
func (tr *traffic) tell(event string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.told == nil {
		tr.told = make(map[string]int)
	}
	tr.told[event]++
}

// mint requests a transient token from a node, with the first token, which is never
// revoked.
func (tr *traffic) mint(ctx context.Context, client string) {
	node := tr.nodes[rand.IntN(len(tr.nodes))]
	sent := time.Now()
	if minted, err := sdk(node, client, tr.first()).TransientToken(ctx); err == nil {
		tr.add(tr.keep("transient token", string(minted.Token), node), history.Give, history.Yes, node, sent)
	}
}

// first is the first token, which is never revoked.
func (tr *traffic) first() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.tokens[0].text
}

func (tr *traffic) signOut(ctx context.Context, client string, g given) {
	sent := time.Now()
	status := tr.call(ctx, tr.front, func() error { return sdk(tr.front, client, g.text).SignOut(ctx) })
	tr.add(g.key, history.End, outcome(status, ok, 401), "front", sent)
	if status == ok {
		tr.tell("sign-out")
	}
}

func (tr *traffic) check(ctx context.Context, client string, g given, node string) history.Answer {
	sent := time.Now()
	status := tr.call(ctx, node, func() error { _, err := sdk(node, client, g.text).TokenDetails(ctx); return err })
	answer := outcome(status, ok, 401)
	tr.add(g.key, history.Check, answer, node, sent)
	return answer
}

// useCode tries a backup code on a random node.
func (tr *traffic) useCode(ctx context.Context, client, code string) {
	tr.signInWith(ctx, client, "backup code "+code[:3]+"…", code)
}

// useStep tries the current code of the second factor. Several clients do so at the same
// time.
func (tr *traffic) useStep(ctx context.Context, client string) {
	now := time.Now()
	code, err := totp.GenerateCode(tr.seed, now)
	if err == nil {
		tr.signInWith(ctx, client, fmt.Sprint("time step ", now.Unix()/30), code)
	}
}

func (tr *traffic) signInWith(ctx context.Context, client, key, code string) {
	node := tr.nodes[rand.IntN(len(tr.nodes))]
	sent := time.Now()
	_, err := sdk(node, client, "").SignIn(ctx, plexauth.SignInRequest{Login: "tom", Password: password, VerificationCode: plexauth.Secret(code)})
	tr.add(key, history.Use, outcome(statusOf(err), ok, 401), node, sent)
	if err == nil {
		tr.tell("sign-in")
	}
}

// linkPIN starts a PIN on one node, and links it on two others at the same time. Then it
// requests the token from any node.
func (tr *traffic) linkPIN(ctx context.Context, client string) {
	// A new device, as in signIn.
	client = fmt.Sprint(client, "-", rand.Int64())
	pin, err := sdk(tr.anyone(), client, "").StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		return
	}
	key := tr.name("PIN")
	var wg sync.WaitGroup
	for range 2 {
		node := tr.nodes[rand.IntN(len(tr.nodes))]
		wg.Go(func() {
			sent := time.Now()
			err := sdk(node, client, tr.first()).LinkPIN(ctx, pin.Code)
			tr.add(key, history.Use, outcome(statusOf(err), ok, 404), node, sent)
		})
	}
	wg.Wait()
	node, sent := tr.anyone(), time.Now()
	if polled, err := sdk(node, client, "").CheckPIN(ctx, pin); err == nil && polled.AuthToken != "" {
		tr.add(tr.keep("token of a PIN", string(polled.AuthToken), ""), history.Give, history.Yes, node, sent)
	}
}

// useNonce requests a JWT. An attacker copies that request, and sends it to another node at
// the same time.
func (tr *traffic) useNonce(ctx context.Context) {
	copied := &copier{tr: tr, key: tr.name("nonce"), node: tr.nodes[rand.IntN(len(tr.nodes))]}
	c := sdk(tr.nodes[rand.IntN(len(tr.nodes))], keyed, "")
	c.HTTPClient = &http.Client{Transport: copied, Timeout: transport.Timeout}
	_, _ = c.ExchangeJWT(ctx, tr.key)
	copied.wait.Wait()
}

// keyed is the identifier of the device that has a key.
const keyed = "keyed"

// copier sends requests, and a copy of each that has a nonce.
type copier struct {
	tr        *traffic
	key, node string
	wait      sync.WaitGroup
}

func (c *copier) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/api/v2/auth/token" {
		return transport.Transport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	r.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	again.URL.Host, again.Host = strings.TrimPrefix(c.node, "http://"), ""
	c.wait.Go(func() {
		if res, err := c.send(again); err == nil {
			_ = res.Body.Close()
		}
	})
	return c.send(r)
}

func (c *copier) send(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	res, err := transport.Transport.RoundTrip(r)
	answer := history.Unknown
	switch {
	case err == nil && res.StatusCode == ok:
		answer = history.Yes
	case err == nil && res.StatusCode < 500:
		answer = history.No
	}
	c.tr.add(c.key, history.Use, answer, r.URL.Host, sent)
	return res, err
}

// name returns a new name for an object other than a token.
func (tr *traffic) name(kind string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.names++
	return fmt.Sprint(kind, " ", tr.names)
}

// changeAccounts adds, removes or reads an account.
func (tr *traffic) changeAccounts(ctx context.Context) {
	node := tr.anyone()
	tr.mu.Lock()
	var some *given
	if n := len(tr.accounts); n > 0 {
		some = &tr.accounts[rand.IntN(n)]
	}
	remove := some != nil && !some.ending && rand.IntN(6) == 0
	if remove {
		some.ending = true
	}
	tr.mu.Unlock()
	switch sent := time.Now(); {
	case remove:
		status, _ := tr.admin(ctx, "DELETE", node+"/admin/api/v1/accounts/"+some.text, "")
		tr.add(some.key, history.End, outcome(status, http.StatusNoContent, never), node, sent)
	case some == nil || rand.IntN(2) == 0:
		name := strings.ReplaceAll(tr.name("account"), " ", "-")
		status, body := tr.admin(ctx, "POST", node+"/admin/api/v1/accounts", fmt.Sprintf(`{"username": %q, "password": %q}`, name, password))
		var added struct{ ID json.Number }
		if status == http.StatusCreated && json.Unmarshal(body, &added) == nil {
			tr.add(name, history.Give, history.Yes, node, sent)
			tr.mu.Lock()
			tr.accounts = append(tr.accounts, given{key: name, text: added.ID.String()})
			tr.mu.Unlock()
		}
	default:
		tr.checkAccount(ctx, *some, node)
	}
}

func (tr *traffic) checkAccount(ctx context.Context, g given, node string) history.Answer {
	sent := time.Now()
	status, _ := tr.admin(ctx, "GET", node+"/admin/api/v1/accounts/"+g.text, "")
	answer := outcome(status, ok, http.StatusNotFound)
	tr.add(g.key, history.Check, answer, node, sent)
	return answer
}

// admin sends a request to the admin API.
func (tr *traffic) admin(ctx context.Context, method, target, body string) (int, []byte) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+string(tr.adminKey))
	r.Header.Set("Content-Type", "application/json")
	return answered(r)
}

// ended records that a node's transient tokens expire within a time, counted from when the
// node was stopped or killed.
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

// lapse records that a node is stopped for longer than its lease, or that it has renewed
// the lease since. Until then, other nodes do not accept its transient tokens.
func (tr *traffic) lapse(node string, lapsed bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.lapsed == nil {
		tr.lapsed = make(map[string]bool)
	}
	tr.lapsed[node] = lapsed
	for i := range tr.tokens {
		if g := &tr.tokens[i]; g.minted == node {
			g.unsure = true
		}
	}
}

// judge asks every node about every secret and account, and then has the checker judge all
// events.
func (tr *traffic) judge(t *testing.T) []error {
	t.Helper()
	for _, node := range tr.nodes {
		for _, g := range tr.tokens {
			if g.unsure {
				continue
			}
			if tr.check(t.Context(), "judge", g, node) == history.Unknown {
				t.Errorf("after all faults, %s does not answer about %s", node, g.key)
			}
		}
		for _, g := range tr.accounts {
			if tr.checkAccount(t.Context(), g, node) == history.Unknown {
				t.Errorf("after all faults, %s does not answer about %s", node, g.key)
			}
		}
	}
	return append(tr.Check(bound), tr.unlogged(t)...)
}

// unlogged returns an error for each added and acknowledged account that is not in the
// audit log. It also returns one if the log has fewer sign-ins or sign-outs than were
// acknowledged.
func (tr *traffic) unlogged(t *testing.T) (errs []error) {
	t.Helper()
	if tr.adminKey == "" {
		return nil
	}
	added := tr.logged(t, "account.added")
	for _, g := range tr.accounts {
		if added[g.key] == 0 {
			errs = append(errs, fmt.Errorf("%s: the audit log has no event that it was added", g.key))
		}
	}
	for event, told := range tr.told {
		n := 0
		for _, of := range tr.logged(t, event) {
			n += of
		}
		if n < told {
			errs = append(errs, fmt.Errorf("the audit log has %d events %s, and %d were acknowledged", n, event, told))
		}
	}
	return errs
}

// logged returns how many events of a kind the audit log has, by account.
func (tr *traffic) logged(t *testing.T, event string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for before := int64(-1); before != 0; {
		target := tr.nodes[0] + "/admin/api/v1/audit?limit=500&event=" + event
		if before > 0 {
			target += fmt.Sprint("&before=", before)
		}
		status, body := tr.admin(t.Context(), "GET", target, "")
		var page struct {
			Items  []struct{ Account string }
			Before int64
		}
		if err := json.Unmarshal(body, &page); status != ok || err != nil {
			t.Fatalf("the audit log: %d %s", status, body)
		}
		for _, e := range page.Items {
			counts[e.Account]++
		}
		before = page.Before
	}
	return counts
}

var transport = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clients}}

// send sends a form, and returns the status and the body of the answer. If there was no
// answer, it returns 0 and the error.
func send(ctx context.Context, method, target, client, token string, form url.Values) (int, []byte) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", client)
	r.Header.Set("X-Plex-Token", token)
	return answered(r)
}

// answered sends a request, like send.
func answered(r *http.Request) (int, []byte) {
	res, err := transport.Do(r)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, body
}
