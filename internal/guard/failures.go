package guard

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Failures limits the rate of failed attempts by key (an account, an address).
// Each key may fail Burst times in a row and gets one more attempt per Refill, so a
// user who mistypes is never locked out for long, and a guesser is slowed to the
// refill rate. The zero value has no limit. It is safe for concurrent use.
type Failures struct {
	// Burst is the number of failures that a key may have in a row. If zero, there is no
	// limit.
	Burst int
	// Refill is the time after which one failure of a key is forgotten.
	Refill time.Duration

	mu   sync.Mutex
	debt map[hashedKey]time.Time // the time until which each key's failures count
	room int                     // the number of keys at which the next sweep is due
	open map[hashedKey]*attempts // attempts whose outcome is not known yet
}

// attempts are the attempts of a key whose outcome is not known yet.
type attempts struct {
	count int
	ended chan struct{} // closed when one of them ends
}

// hashedKey is the stored form of a key. Keys are hashed because attackers can send
// keys of any length.
type hashedKey [sha256.Size]byte

func hashKey(key string) hashedKey { return sha256.Sum256([]byte(key)) }

// leastRoom is the number of keys below which there is no sweep.
const leastRoom = 1024

// maxKeys bounds the memory.
const maxKeys = 100_000

// Wait returns how long key must wait before its next attempt.
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

// Failed counts one more failure against key.
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

// Take is Wait and, if that is 0, Failed in one step, so that concurrent attempts
// cannot exceed the limit. If the attempt does not fail, undo it with Return.
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

// Return undoes one failure that Take counted against key.
func (f *Failures) Return(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := hashKey(key)
	if until, ok := f.debt[k]; ok {
		f.debt[k] = until.Add(-f.Refill)
	}
}

// Attempt is an attempt whose outcome is not known yet. It counts as a failure
// until it has one: call Failed or Passed, once.
type Attempt struct {
	failures *Failures
	key      hashedKey
}

// Begin begins an attempt of key, or returns how long key must wait before its next
// one. If concurrent attempts could still use up the limit, it waits for their outcome.
// So concurrent attempts cannot exceed the limit, and no attempt is rejected because of
// another one that then passes. The error is that of ctx.
func (f *Failures) Begin(ctx context.Context, key string, now time.Time) (Attempt, time.Duration, error) {
	a := Attempt{f, hashKey(key)}
	if f.Burst <= 0 {
		return a, 0, nil
	}
	for {
		wait, ended := f.begin(a.key, now)
		if ended == nil {
			return a, wait, nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return a, 0, fmt.Errorf("waiting for another attempt: %w", ctx.Err())
		}
	}
}

// begin counts an attempt of key, if it may begin. If that depends on other attempts,
// it returns a channel that is closed when one of them ends.
func (f *Failures) begin(key hashedKey, now time.Time) (wait time.Duration, ended <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wait := f.wait(key, now); wait > 0 {
		return wait, nil
	}
	open := f.open[key]
	if open == nil {
		open = &attempts{ended: make(chan struct{})}
		if f.open == nil {
			f.open = make(map[hashedKey]*attempts)
		}
		f.open[key] = open
	}
	if open.count >= f.left(key, now) {
		return 0, open.ended
	}
	open.count++
	return 0, nil
}

// left returns how many times key may fail in a row. It is at least one if wait returns
// 0.
func (f *Failures) left(key hashedKey, now time.Time) int {
	return f.Burst - int(max(0, f.debt[key].Sub(now)+f.Refill-1)/f.Refill)
}

// Failed ends the attempt as failed.
func (a Attempt) Failed(now time.Time) { a.end(func(f *Failures) { f.failed(a.key, now) }) }

// Passed ends the attempt as passed, so that it does not count.
func (a Attempt) Passed() { a.end(func(*Failures) {}) }

func (a Attempt) end(count func(*Failures)) {
	f := a.failures
	if f == nil || f.Burst <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	count(f)
	open := f.open[a.key]
	if open == nil || open.count == 0 {
		return
	}
	open.count--
	close(open.ended)
	open.ended = make(chan struct{})
	if open.count == 0 {
		delete(f.open, a.key)
	}
}

// Succeeded clears the failures of key.
func (f *Failures) Succeeded(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.debt, hashKey(key))
}

// sweep removes the keys whose failures no longer count. If too many are left, it
// removes all: counting addresses does not stop an attacker with that many addresses. The
// next sweep is due when the number of keys has doubled.
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
