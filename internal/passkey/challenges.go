package passkey

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// challengeLife is how long somebody may take to find the right finger.
	challengeLife = 5 * time.Minute
	// maxChallenges is how many challenges of a kind wait at the same time;
	// half a kilobyte each.
	maxChallenges = 10_000
)

// ceremony is what a challenge was drawn for.
type ceremony struct {
	account int64 // 0: whoever it turns out to be
	session webauthn.SessionData
	expires time.Time
}

// challenges keeps the challenges of one kind of ceremony, one for each
// browser. The zero value is ready to use.
type challenges struct {
	mu sync.Mutex
	// waiting has the hash of what names the browser as its key, so that no
	// secret is kept.
	waiting map[[sha256.Size]byte]ceremony
}

// put keeps a browser's challenge, in place of the one before.
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

// sweep drops what has expired and, when nothing has, what expires next.
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

// take returns a browser's challenge, which is gone then: it works once,
// whatever comes of it.
func (c *challenges) take(browser string, now time.Time) (ceremony, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sha256.Sum256([]byte(browser))
	found, ok := c.waiting[key]
	delete(c.waiting, key)
	return found, ok && now.Before(found.expires)
}
