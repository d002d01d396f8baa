package guard

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Failures counts failed tries by key (an account, an address) and says when a
// key has failed too often. Each key may fail Burst times at once and gets one
// more try per Refill, so an honest person who mistypes is never shut out for
// long and a guesser is slowed to the refill's pace. The zero value counts
// nothing and allows everything. It is safe for concurrent use.
type Failures struct {
	// Burst is how many failures are free. Zero: no limit.
	Burst int
	// Refill is how long one failure is held against the key.
	Refill time.Duration

	mu   sync.Mutex
	debt map[hashedKey]time.Time // until when each key's failures are held against it
	room int                     // how many keys there may be before those that owe nothing go
}

// hashedKey is what is kept of a key: an attacker makes keys up, of any length.
type hashedKey [sha256.Size]byte

func hashKey(key string) hashedKey { return sha256.Sum256([]byte(key)) }

// leastRoom is how many keys are kept before any is looked at again.
const leastRoom = 1024

// maxKeys bounds the memory; beyond it, keys that owe nothing go first.
const maxKeys = 100_000

// Wait returns how long key must wait before it may try again; 0: not at all.
func (f *Failures) Wait(key string, now time.Time) time.Duration {
	if f.Burst <= 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wait(hashKey(key), now)
}

func (f *Failures) wait(key hashedKey, now time.Time) time.Duration {
	free := now.Add(time.Duration(f.Burst) * f.Refill)
	if over := f.debt[key].Add(f.Refill).Sub(free); over > 0 {
		return over
	}
	return 0
}

// Failed holds one more failure against key.
func (f *Failures) Failed(key string, now time.Time) {
	if f.Burst <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed(hashKey(key), now)
}

func (f *Failures) failed(key hashedKey, now time.Time) {
	if f.debt == nil {
		f.debt, f.room = make(map[hashedKey]time.Time), leastRoom
	}
	if len(f.debt) >= f.room {
		f.sweep(now)
	}
	from := f.debt[key]
	if from.Before(now) {
		from = now
	}
	f.debt[key] = from.Add(f.Refill)
}

// Take is Wait and, when that is 0, Failed in one: of tries that come at the
// same time, no more than are free get through. One that did not fail after all
// is given back with Return.
func (f *Failures) Take(key string, now time.Time) time.Duration {
	if f.Burst <= 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := hashKey(key)
	wait := f.wait(k, now)
	if wait == 0 {
		f.failed(k, now)
	}
	return wait
}

// Return takes back one failure that Take held against key.
func (f *Failures) Return(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := hashKey(key)
	if until, ok := f.debt[k]; ok {
		f.debt[k] = until.Add(-f.Refill)
	}
}

// Succeeded forgives key what it owes.
func (f *Failures) Succeeded(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.debt, hashKey(key))
}

// sweep drops keys that owe nothing any more and, when too many still owe, all:
// an attacker with that many addresses is not stopped by counting addresses.
// The next is due when there are twice as many as are left.
func (f *Failures) sweep(now time.Time) {
	for key, until := range f.debt {
		if until.Before(now) {
			delete(f.debt, key)
		}
	}
	if len(f.debt) >= maxKeys {
		clear(f.debt)
	}
	f.room = min(max(leastRoom, 2*len(f.debt)), maxKeys)
}
