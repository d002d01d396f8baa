// Package tries limits failed attempts against accounts, across all nodes of a
// database.
//
// It owns how long the next attempt must wait, and the storage of the counts, which
// survive a restart if nodes share a database. It does not own the attempts, or the
// limits by address, which each node has for itself (package guard).
//
// With SQLite there is one node, and the counts are in memory: a failed attempt
// costs no write.
package tries

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/seal"
)

// Key is the stored form of a key. It is a keyed hash, because users may type their
// password into the field of the login.
type Key [sha256.Size]byte

// Rows is the storage of the counts. Package store implements it.
type Rows interface {
	// Until returns until when the failures of a key count, or db.ErrNotFound.
	Until(ctx context.Context, q db.Querier, k Key) (time.Time, error)
	// SetUntil sets that time, whether or not the key is stored.
	SetUntil(ctx context.Context, tx *db.Tx, k Key, until time.Time) error
	// Delete clears the failures of a key.
	Delete(ctx context.Context, tx *db.Tx, k Key) error
	// DeleteExpired removes the keys whose failures do not count any more.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// Config configures Failures.
type Config struct {
	// DB is the database. Required.
	DB *db.DB
	// Rows is its table. If nil, the counts are in memory.
	Rows Rows
	// Key is the key of the hashes that are stored. Required with Rows.
	Key *seal.Key
	// Name distinguishes the keys of several limits.
	Name string
	// Burst is the number of failures that a key may have in a row. If zero, there is no
	// limit.
	Burst int
	// Refill is the time after which one failure of a key is forgotten.
	Refill time.Duration
}

// Failures limits the rate of failed attempts by key, as guard.Failures does. It is
// safe for concurrent use.
type Failures struct {
	cfg    Config
	key    [32]byte
	memory *guard.Failures // nil: the counts are in the database
}

// New returns Failures.
func New(cfg Config) *Failures {
	f := &Failures{cfg: cfg}
	if cfg.Burst <= 0 || cfg.Rows == nil || !cfg.DB.Shared() {
		f.memory = &guard.Failures{Burst: cfg.Burst, Refill: cfg.Refill}
		return f
	}
	f.key = cfg.Key.Derive("limits")
	return f
}

func (f *Failures) stored(key string) (k Key) {
	mac := hmac.New(sha256.New, f.key[:])
	mac.Write([]byte(f.cfg.Name + "\x00" + key))
	mac.Sum(k[:0])
	return k
}

// Wait returns how long key must wait before its next attempt.
func (f *Failures) Wait(ctx context.Context, key string, now time.Time) (time.Duration, error) {
	if f.memory != nil {
		return f.memory.Wait(key, now), nil
	}
	until, err := f.until(ctx, f.cfg.DB, f.stored(key))
	return f.wait(until, now), err
}

// until returns the time until which failures count, or the zero time.
func (f *Failures) until(ctx context.Context, q db.Querier, k Key) (time.Time, error) {
	until, err := f.cfg.Rows.Until(ctx, q, k)
	if errors.Is(err, db.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the failures of %s: %w", f.cfg.Name, err)
	}
	return until, nil
}

func (f *Failures) wait(until, now time.Time) time.Duration {
	if until.IsZero() {
		return 0
	}
	return max(0, until.Add(f.cfg.Refill).Sub(now.Add(time.Duration(f.cfg.Burst)*f.cfg.Refill)))
}

// Failed counts one more failure against key.
func (f *Failures) Failed(ctx context.Context, key string, now time.Time) error {
	if f.memory != nil {
		f.memory.Failed(key, now)
		return nil
	}
	return f.write(ctx, key, func(ctx context.Context, tx *db.Tx, k Key) error { return f.add(ctx, tx, k, now) })
}

func (f *Failures) write(ctx context.Context, key string, do func(context.Context, *db.Tx, Key) error) error {
	k := f.stored(key)
	err := f.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return do(ctx, tx, k) })
	if err != nil {
		return fmt.Errorf("counting the failures of %s: %w", f.cfg.Name, err)
	}
	return nil
}

// sweepOneIn: one in so many failures removes the keys whose failures do not count any
// more.
const sweepOneIn = 50

func (f *Failures) add(ctx context.Context, tx *db.Tx, k Key, now time.Time) error {
	if rand.N(sweepOneIn) == 0 {
		if err := f.cfg.Rows.DeleteExpired(ctx, tx, now); err != nil {
			return err
		}
	}
	until, err := f.until(ctx, tx, k)
	if err != nil {
		return err
	}
	if until.Before(now) {
		until = now
	}
	return f.cfg.Rows.SetUntil(ctx, tx, k, until.Add(f.cfg.Refill))
}

// Take is Wait and, if that is 0, Failed in one step, so that concurrent attempts
// on all nodes cannot exceed the limit. If the attempt does not fail, undo it with
// Return.
func (f *Failures) Take(ctx context.Context, key string, now time.Time) (wait time.Duration, err error) {
	if f.memory != nil {
		return f.memory.Take(key, now), nil
	}
	err = f.write(ctx, key, func(ctx context.Context, tx *db.Tx, k Key) error {
		until, err := f.until(ctx, tx, k)
		if err != nil {
			return err
		}
		if wait = f.wait(until, now); wait > 0 {
			return nil
		}
		return f.add(ctx, tx, k, now)
	})
	return wait, err
}

// Return undoes one failure that Take counted against key.
func (f *Failures) Return(ctx context.Context, key string) error {
	if f.memory != nil {
		f.memory.Return(key)
		return nil
	}
	return f.write(ctx, key, func(ctx context.Context, tx *db.Tx, k Key) error {
		until, err := f.until(ctx, tx, k)
		if err != nil || until.IsZero() {
			return err
		}
		return f.cfg.Rows.SetUntil(ctx, tx, k, until.Add(-f.cfg.Refill))
	})
}

// Succeeded clears the failures of key. It writes only if there are any.
func (f *Failures) Succeeded(ctx context.Context, key string) error {
	if f.memory != nil {
		f.memory.Succeeded(key)
		return nil
	}
	if until, err := f.until(ctx, f.cfg.DB, f.stored(key)); err != nil || until.IsZero() {
		return err
	}
	return f.write(ctx, key, f.cfg.Rows.Delete)
}
