package login

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// attempt is a sign-in under way. What the browser proves itself with is kept
// as its hash: that it is long and random makes a quick one enough.
type attempt struct {
	pin   *plexauth.PIN
	proof [sha256.Size]byte
}

// pending is the sign-ins under way.
type pending struct {
	most int

	mu      sync.Mutex
	byState map[string]attempt
}

// add takes one in. Those whose time is over go and, where there is still no
// room, the one that has the least time left.
func (p *pending) add(state string, a attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byState == nil {
		p.byState = make(map[string]attempt)
	}
	now, oldest := time.Now(), ""
	for key, other := range p.byState {
		switch {
		case !other.pin.ExpiresAt.After(now):
			delete(p.byState, key)
		case oldest == "" || other.pin.ExpiresAt.Before(p.byState[oldest].pin.ExpiresAt):
			oldest = key
		}
	}
	if len(p.byState) >= p.most {
		delete(p.byState, oldest)
	}
	p.byState[state] = a
}

// take takes one out, for good, if the proof is the one it was started with.
// Without that it stays: a stranger who has seen the state does not end it.
func (p *pending) take(state string, proof [sha256.Size]byte) (*plexauth.PIN, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.byState[state]
	if !ok || !same(a.proof, proof) || !a.pin.ExpiresAt.After(time.Now()) {
		return nil, false
	}
	delete(p.byState, state)
	return a.pin, true
}
