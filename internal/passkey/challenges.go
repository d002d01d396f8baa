package passkey

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// challengeLife is how long a user may take to answer a challenge.
	challengeLife = 5 * time.Minute
	// maxChallenges is the maximum number of waiting challenges of a kind, of
	// half a kilobyte each.
	maxChallenges = 10_000
)

// ceremony is what a challenge was created for.
type ceremony struct {
	account int64 // 0 if the passkey is to identify the account
	session webauthn.SessionData
	expires time.Time
}

// challenges stores the challenges of one kind of ceremony, one for each browser.
// The zero value is ready to use.
type challenges struct {
	mu sync.Mutex
	// waiting maps the hash of the browser's secret to its challenge. The secret
	// itself is not stored.
	waiting map[[sha256.Size]byte]ceremony
}

// put stores a browser's challenge and replaces the previous one.
func (c *challenges) put(browser string, new ceremony, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(map[[sha256.Size]byte]ceremony)
	}
	if len(c.waiting) >= maxChallenges {
		c.sweep(now)
	}
	c.waiting[sha256.Sum256([]byte(browser))] = new
}

// sweep removes expired challenges or, if there are none, the one that expires
// next.
func (c *challenges) sweep(now time.Time) {
	var first [sha256.Size]byte
	var when time.Time
	for browser, w := range c.waiting {
		if !now.Before(w.expires) {
			delete(c.waiting, browser)
		} else if when.IsZero() || w.expires.Before(when) {
			first, when = browser, w.expires
		}
	}
	if len(c.waiting) >= maxChallenges {
		delete(c.waiting, first)
	}
}

// take returns a browser's challenge and removes it: it works once, whether or not
// the answer is accepted.
func (c *challenges) take(browser string, now time.Time) (ceremony, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sha256.Sum256([]byte(browser))
	found, ok := c.waiting[key]
	delete(c.waiting, key)
	return found, ok && now.Before(found.expires)
}
