package login

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// signIn is a pending sign-in. It stores the key of the browser as a SHA-256
// hash, which is sufficient because the key is long and random.
type signIn struct {
	pin *plexauth.PIN
	key [sha256.Size]byte
}

// pending stores the pending sign-ins. It is safe for concurrent use.
type pending struct {
	limit int // maximum number of sign-ins

	mu      sync.Mutex
	byState map[string]signIn
}

// add stores a sign-in. It removes all expired ones and, if the limit is still
// reached, the one that expires first.
func (p *pending) add(state string, in signIn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byState == nil {
		p.byState = make(map[string]signIn)
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
	if len(p.byState) >= p.limit {
		delete(p.byState, oldest)
	}
	p.byState[state] = in
}

// get returns a sign-in that has not expired.
func (p *pending) get(state string) (signIn, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in, ok := p.byState[state]
	return in, ok && in.pin.ExpiresAt.After(time.Now())
}

// take removes a sign-in and returns it, if key is the hash of its key and it
// has not expired. Otherwise it removes nothing.
func (p *pending) take(state string, key [sha256.Size]byte) (signIn, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in, ok := p.byState[state]
	if !ok || !equal(in.key, key) || !in.pin.ExpiresAt.After(time.Now()) {
		return signIn{}, false
	}
	delete(p.byState, state)
	return in, true
}
