package passkey

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/usher-auth/usher/internal/db"
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
	Account int64 // 0 if the passkey is to identify the account
	Session webauthn.SessionData
	Expires time.Time
}

// ChallengeKey is what a browser's challenge of one kind is stored under.
type ChallengeKey [sha256.Size]byte

// ChallengeRows is what the challenges of several nodes need stored. Package store
// implements it.
type ChallengeRows interface {
	// Put stores a challenge, instead of an earlier one with the same key.
	Put(ctx context.Context, tx *db.Tx, k ChallengeKey, value []byte, expires time.Time) error
	// Take removes a challenge and returns it, or db.ErrNotFound.
	Take(ctx context.Context, tx *db.Tx, k ChallengeKey) (value []byte, err error)
	// DeleteExpired removes the challenges that nobody answered in time.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// challenges stores the challenges of one kind of ceremony, one for each browser:
// in memory, or in the database if several nodes share it. The answer may then come
// to another node than the one that was asked.
type challenges struct {
	kind string
	db   *db.DB
	rows ChallengeRows // nil: they are in memory

	mu sync.Mutex
	// waiting maps the hash of the browser's secret to its challenge. The secret
	// itself is not stored.
	waiting map[ChallengeKey]ceremony
}

// key is what a browser's challenge is stored under.
func (c *challenges) key(browser string) ChallengeKey {
	return sha256.Sum256([]byte(c.kind + "\x00" + browser))
}

// put stores a browser's challenge and replaces the previous one.
func (c *challenges) put(ctx context.Context, browser string, new ceremony, now time.Time) error {
	if c.rows == nil {
		c.remember(browser, new, now)
		return nil
	}
	value, err := json.Marshal(new)
	if err != nil {
		return fmt.Errorf("storing a challenge: %w", err)
	}
	return c.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := c.rows.DeleteExpired(ctx, tx, now); err != nil {
			return err
		}
		return c.rows.Put(ctx, tx, c.key(browser), value, new.Expires)
	})
}

func (c *challenges) remember(browser string, new ceremony, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(map[ChallengeKey]ceremony)
	}
	if len(c.waiting) >= maxChallenges {
		c.sweep(now)
	}
	c.waiting[c.key(browser)] = new
}

// sweep removes expired challenges or, if none has expired, the one that expires
// next.
func (c *challenges) sweep(now time.Time) {
	var first ChallengeKey
	var when time.Time
	for browser, w := range c.waiting {
		if !now.Before(w.Expires) {
			delete(c.waiting, browser)
		} else if when.IsZero() || w.Expires.Before(when) {
			first, when = browser, w.Expires
		}
	}
	if len(c.waiting) >= maxChallenges {
		delete(c.waiting, first)
	}
}

// take returns a browser's challenge and removes it: it works once, whether or not
// the answer is accepted.
func (c *challenges) take(ctx context.Context, browser string, now time.Time) (found ceremony, err error) {
	if c.rows == nil {
		found = c.recall(browser)
	} else if found, err = c.fetch(ctx, browser); err != nil {
		return ceremony{}, err
	}
	if !now.Before(found.Expires) {
		return ceremony{}, ErrChallenge
	}
	return found, nil
}

func (c *challenges) recall(browser string) ceremony {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.key(browser)
	found := c.waiting[key]
	delete(c.waiting, key)
	return found
}

func (c *challenges) fetch(ctx context.Context, browser string) (found ceremony, err error) {
	var value []byte
	err = c.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		value, err = c.rows.Take(ctx, tx, c.key(browser))
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return ceremony{}, ErrChallenge
	}
	if err == nil {
		err = json.Unmarshal(value, &found)
	}
	if err != nil {
		return ceremony{}, fmt.Errorf("finding a challenge: %w", err)
	}
	return found, nil
}
