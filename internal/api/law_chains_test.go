package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// TestLawOfReach follows every secret to the same depth, one request after the other. A
// chain is random instead: each step sends any of the secrets found so far to any route. In
// between, secrets are revoked, keys are exchanged and time advances. After each step,
//
//   - no secret belongs to an account that the first one does not reach (see law.kind),
//   - no revoked secret works again,
//   - no secret works whose parent is revoked, which is the secret of the request
//     whose response contained it.
//
// If a response contains a secret that was found before, the secret has one more parent. The
// token of a PIN is a child of the token that linked the PIN, whoever polls it. A JWT
// replaces the token that registered its key.
//
// At the end, all secrets without a parent are revoked, which revokes the rest.
type chain struct {
	*law
	rows   []lawRow
	held   []*held
	of     map[plexauth.Secret]*held
	linked map[int64]*held  // the secret that linked a PIN, by its number
	taken  map[string]*held // keys that were exchanged, by their ID
	// thorough makes the end check everything that law.dead does, which takes some hundred
	// requests.
	thorough bool
	at       string   // the step
	trace    []string // the steps
}

// held is a secret of a chain, or a device key, of which only the JWTs are used.
type held struct {
	found
	parents []*held
	dead    bool
	key     bool
}

// ended reports whether its children must be revoked.
func (h *held) ended() bool {
	return h == nil || h.dead || h.key && slices.ContainsFunc(h.parents, (*held).ended)
}

// name describes how it was obtained.
func (h *held) name() string {
	if h == nil {
		return "nobody"
	}
	return h.how
}

// step is a step of a chain, as indexes that count from the latest.
type step struct {
	Do               act
	Secret, Row, PIN int
	Which            int // selects a variant of the act
}

// act is the action of a step.
type act string

// The acts.
const (
	rest      act = "does nothing"
	askAny    act = "asks any route"
	askSecret act = "asks a route that answers with secrets"
	passPIN   act = "starts, links and polls a PIN with three secrets"
	startPIN  act = "starts a PIN"
	linkPIN   act = "links a PIN"
	pollPIN   act = "polls a PIN"
	switchTo  act = "switches to everybody at home"
	useKey    act = "registers a key, and exchanges it"
	endIt     act = "ends a secret"
	later     act = "waits"
	compareIt act = "does with a secret what it can"
)

// acts are the actions to draw from; those that extend chains occur more often. The first
// one is what rapid substitutes when it shrinks a chain.
var acts = []act{
	rest, askAny, askAny, askAny, askSecret, askSecret, askSecret, askSecret, passPIN, passPIN, passPIN, switchTo, switchTo, useKey, useKey,
	startPIN, linkPIN, pollPIN, endIt, later,
}

// chains draws the some twenty steps of a chain, from acts and further acts.
func chains(further ...act) *rapid.Generator[[]step] {
	acts := slices.Concat(acts, further)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			Do:     rapid.SampledFrom(acts).Draw(t, "do"),
			Secret: rapid.IntRange(0, 15).Draw(t, "secret"),
			Row:    rapid.IntRange(0, 199).Draw(t, "row"),
			PIN:    rapid.IntRange(0, 9).Draw(t, "pin"),
			Which:  rapid.IntRange(0, 63).Draw(t, "which"),
		}
	}), 12, 40)
}

// newChain prepares a chain that begins with the first secret of a law.
func newChain(l *law) *chain {
	c := &chain{
		law: l, of: make(map[plexauth.Secret]*held), linked: make(map[int64]*held), taken: make(map[string]*held),
		rows: slices.Concat(l.rows, l.shares, []lawRow{{"DELETE", "/api/v2/users/signout", false}, {"DELETE", "/devices/{id}", false}}),
	}
	c.add(found{secret: l.first, kind: "first", how: "the first"})
	l.pins = append(l.pins, l.consented)
	l.heard = c.hear
	return c
}

// add adds a secret to the chain.
func (c *chain) add(g found, parents ...*held) *held {
	h := &held{found: g, parents: parents}
	c.held, c.of[g.secret] = append(c.held, h), h
	return h
}

// hear records the consequences of a response.
func (c *chain) hear(f found, path string, status int, said string, fresh []found) {
	asker := c.of[f.secret]
	from := asker
	switch by := c.linked[f.pin]; {
	case f.pin == 0:
	case !strings.Contains(path, "/link"):
		if by != nil {
			from = by
		}
	case by == nil && status < 300:
		c.linked[f.pin] = asker
	}
	for _, g := range fresh {
		if c.of[g.secret] == nil {
			c.add(g, from)
		}
	}
	for _, h := range c.held {
		if h != asker && h != from && !slices.Contains(h.parents, from) && strings.Contains(said, string(h.secret)) {
			h.parents = append(h.parents, from)
		}
	}
}

// run takes the steps until one violates the law.
func (c *chain) run(all []step) {
	for i, s := range all {
		if s.Do == rest {
			continue
		}
		c.take(s)
		c.trace = append(c.trace, fmt.Sprintf("%d: %s", i+1, c.at))
		c.check()
		if len(c.wrong) > 0 {
			return
		}
	}
	c.end()
}

// latest returns an element of a list, counted from its end.
func latest[E any](list []E, n int) E { return list[len(list)-1-n%len(list)] }

// take takes a step.
func (c *chain) take(s step) {
	h := latest(c.held, s.Secret)
	p := latest(c.pins, s.PIN)
	c.at = fmt.Sprintf("%s %s", h.how, s.Do)
	switch s.Do {
	case askAny:
		c.any(h.found, c.rows[(s.Row+7*s.Which)%len(c.rows)], p, s.Which) // small numbers reach all rows, too
	case askSecret:
		c.any(h.found, telling[s.Row%len(telling)], p, s.Which)
	case passPIN:
		started, _ := c.startPINs(h.found)
		p = started[s.PIN%len(started)]
		linker, poller := latest(c.held, s.Secret+s.Row), latest(c.held, s.Which)
		c.at += ": " + linker.how + ", " + poller.how
		c.link(linker.found, p)
		c.poll(poller.found, p)
	case startPIN:
		c.startPINs(h.found)
	case linkPIN:
		c.link(h.found, p)
	case pollPIN:
		if s.Which%2 == 0 {
			h = &held{found: found{how: "nobody"}}
		}
		c.poll(h.found, p)
	case switchTo:
		c.home[fmt.Sprint("a device of step ", len(c.trace))] = true
		c.become(h.found, []string{"/api/v2/home/users/{id}/switch", "/api/home/users/{id}/switch"}[s.Which%2])
	case useKey:
		c.useKey(h, s.Which)
	case endIt:
		c.endOne(h, s.Which)
	case later:
		d := []time.Duration{time.Minute, 20 * time.Minute, 30 * time.Hour, 49 * time.Hour, 8 * 24 * time.Hour}[s.Which%5]
		c.at = "waits for " + d.String()
		c.Clock.Advance(d)
	case compareIt:
		c.compareOne(h)
	}
}

// telling are the routes whose answers contain secrets.
var telling = []lawRow{
	{"GET", "/api/v2/resources", false}, {"POST", "/security/token", false}, {"GET", "/api/v2/resources", false}, {"GET", "/security/token", false},
	{"GET", "/security/resources", false},
	{"GET", "/api/resources", false}, {"GET", "/api/v2/user", false}, {"GET", "/api/claim/token", false}, {"GET", "/myplex/account", false},
}

// any sends a request to any route.
func (c *chain) any(f found, row lawRow, p lawPIN, which int) {
	c.at += fmt.Sprintf(": %s %s", row.method, row.path)
	switch {
	case slices.Contains(c.shares, row):
		c.askOfShare(f, row)
		return
	case strings.HasSuffix(row.path, "/pins"), row.path == "/api/v2/auth/jwk":
		return // these are separate acts
	case strings.HasPrefix(row.path, "/devices/") || strings.Contains(row.path, "/home"):
		p.id = int64(which%8) + 1 // of a device or an account
	}
	delete(c.home, row.method+row.path+f.kind)
	c.askRow(f, row, p, latest(c.sources, which))
}

func (c *chain) link(f found, p lawPIN) {
	c.askRow(f, lawRow{"PUT", "/api/v2/pins/link", false}, p, c.sources[0])
}

func (c *chain) poll(f found, p lawPIN) {
	c.askRow(f, lawRow{"GET", "/api/v2/pins/{id}", false}, p, c.sources[0])
}

// useKey registers a key with a secret, and exchanges one of the keys.
func (c *chain) useKey(h *held, which int) {
	if c.register(h.found); len(c.keys) > 0 {
		c.exchange(latest(c.keys, which))
	}
}

// exchange exchanges a key, unless it is revoked.
func (c *chain) exchange(k lawKey) {
	by := c.of[k.by.secret]
	alive := c.kind(by.secret) != ""
	status, body := k.offer(c.T, k.jwt(k.header(), k.claims(k.nonce(c.T))))
	if status != http.StatusOK {
		return
	}
	var answer struct {
		Token plexauth.Secret `json:"auth_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		c.Fatal(err)
	}
	key := c.taken[k.kid]
	if key == nil {
		if !alive {
			c.violate("%s gives a device key that outlives it", by.how)
		}
		key = &held{found: found{how: by.how + ", a device key"}, parents: by.parents, key: true}
		c.taken[k.kid] = key
		if c.kind(by.secret) != "" {
			key.parents = []*held{by}
		} else {
			c.succeed(key, by)
		}
	}
	c.seen[string(answer.Token)] = true
	c.add(found{secret: answer.Token, kind: token.JWT.String(), how: key.how}, key)
}

// succeed makes a key take the place of the token that registered it.
func (c *chain) succeed(key, by *held) {
	for _, h := range slices.AppendSeq(slices.Clone(c.held), maps.Values(c.taken)) {
		if i := slices.Index(h.parents, by); i >= 0 {
			h.parents = slices.Clone(h.parents)
			h.parents[i] = key
		}
	}
	for id, linker := range c.linked {
		if linker == by {
			c.linked[id] = key
		}
	}
}

// endOne revokes a secret, or its device.
func (c *chain) endOne(h *held, which int) {
	p, err := c.Tokens.Verify(c.Context(), h.secret)
	if err != nil {
		return
	}
	switch which % 3 {
	case 0:
		err = c.Tokens.Revoke(c.Context(), operator, p.TokenID)
		for _, parent := range h.parents {
			if p.Kind == token.JWT && parent.key {
				parent.dead = true
			}
		}
	case 1:
		err = c.Tokens.RevokeDevice(c.Context(), operator, p.AccountID, p.DeviceID)
	default:
		c.any(h.found, lawRow{"DELETE", "/api/v2/users/signout", false}, c.consented, which)
	}
	if err != nil {
		c.Fatal(err)
	}
}

// compareOne checks that a secret does nothing that its parent cannot do. It skips
// what compare skips.
func (c *chain) compareOne(h *held) {
	if h.dead || len(h.parents) == 0 {
		return
	}
	parent := h.parents[0]
	for parent.key && len(parent.parents) > 0 {
		parent = parent.parents[0]
	}
	if parent.ended() || parent.key {
		return
	}
	may := c.fixture.powers(c.T, parent.secret)
	for can := range c.fixture.powers(c.T, h.secret) {
		if !may[can] && can != "POST /api/v2/auth/jwk" {
			c.violate("%s gives a secret that can %s, which what it is from cannot", h.how, can)
		}
	}
}

// check checks the invariants after each step.
func (c *chain) check() {
	for _, h := range c.held {
		switch works := c.kind(h.secret) != ""; {
		case !works:
			h.dead = true
		case h.dead:
			c.violate("%s gives a secret that works again after it has ended", h.how)
		}
	}
	for _, h := range c.held {
		for _, parent := range h.parents {
			if !h.dead && parent.ended() {
				c.violate("%s gives a secret that outlives its parent, %s", h.how, parent.name())
			}
		}
	}
}

// end revokes all secrets without a parent. That revokes the rest, and nothing that was
// started leads to a secret.
func (c *chain) end() {
	for _, k := range c.keys {
		c.exchange(k) // its earlier JWTs may have expired
	}
	var all []found
	for _, h := range c.held {
		all = append(all, h.found)
		ofKey := func(parent *held) bool { return parent != nil && parent.key && len(parent.parents) == 0 }
		p, err := c.Tokens.Verify(c.Context(), h.secret)
		if len(h.parents) > 0 && !slices.ContainsFunc(h.parents, ofKey) || err != nil {
			continue
		}
		if err := c.Tokens.Revoke(c.Context(), operator, p.TokenID); err != nil {
			c.Fatal(err)
		}
	}
	c.at = "the end"
	c.check()
	for _, h := range c.held {
		if !h.dead {
			c.violate("%s gives a secret that outlives the first", h.how)
		}
	}
	c.heard = nil
	if c.thorough {
		c.dead(all)
	}
}

// given are the flags that were set on the command line.
var given = sync.OnceValue(func() map[string]bool {
	names := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { names[f.Name] = true })
	return names
})

// draws sets the number of chains and the seed, unless flags of the command line do. The
// seed is fixed: a test that fails only on some days says nothing about a change. "make
// soak" uses other seeds.
func draws(t *testing.T, checks int) {
	t.Helper()
	for name, value := range map[string]string{"rapid.checks": fmt.Sprint(checks), "rapid.seed": "1", "rapid.nofailfile": "true"} {
		if given()[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLawOfReachInChains(t *testing.T) {
	draws(t, 12)
	all := firsts()
	names := slices.Sorted(maps.Keys(all))
	kinds := make(map[string]int)
	drawn := chains()
	if *deep {
		drawn = chains(compareIt) // it takes two hundred requests
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "first")
		steps := drawn.Draw(rt, "steps")
		var wrong []string
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(c *config) { c.API.MediaJWT = true })
			c := newChain(newLaw(t, w, all[name].mint(t, w), nil))
			c.thorough = *deep
			c.run(steps)
			for _, h := range c.held {
				kinds[h.kind]++
			}
			wrong = slices.Sorted(maps.Keys(c.wrong))
			rt.Logf("%s\n%s", name, strings.Join(c.trace, "\n"))
		})
		if len(wrong) > 0 {
			rt.Log(strings.Join(wrong, "\n"))
			rt.Fatal("the chain violates the law") // a fixed text, so that rapid recognizes the failure
		}
	})
	// Otherwise the chains do not test what they are meant to test.
	if t.Log(kinds); len(kinds) < 6 {
		t.Errorf("the chains led to secrets of few kinds: %v", kinds)
	}
}

// Chains also detect planted leaks, two requests deep.
func TestLawOfReachInChainsSeesLeaks(t *testing.T) {
	for _, leak := range leaks {
		if leak.depth == 1 || !*deep {
			continue // it takes a second or two; make reach runs it
		}
		t.Run(leak.name, func(t *testing.T) {
			for seed := range 200 {
				c := newChain(planted(t, "member", leak.plant))
				c.run(chains().Example(seed + 1))
				if len(c.wrong) > 0 {
					t.Logf("%d chains, %q after\n%s", seed+1, slices.Collect(maps.Keys(c.wrong)), strings.Join(c.trace, "\n"))
					return
				}
			}
			t.Error("no chain detects it")
		})
	}
}
