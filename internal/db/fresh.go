package db

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// bound is the maximum age of the last poll of the feed for cached entries to be
// used: changes of other nodes take effect here within it.
const bound = time.Second

// freshness is when a process last polled the feed.
type freshness struct{ nanos atomic.Int64 }

// epoch is the origin of times of the monotonic clock.
var epoch = time.Now()

// now returns the time of a look that begins.
func (*freshness) now() time.Duration { return time.Since(epoch) }

// set notes a look that began then and succeeded.
func (f *freshness) set(began time.Duration) { f.nanos.Store(int64(began)) }

// age returns how long ago the last look began.
func (f *freshness) age() time.Duration { return time.Since(epoch) - time.Duration(f.nanos.Load()) }

// FeedAge returns how long ago the last look at the feed began that succeeded. It
// is zero for SQLite.
func (d *DB) FeedAge() time.Duration {
	if !d.engine.remote {
		return 0
	}
	return d.feed.looked.age()
}

// Shared reports whether other machines can have the database open, too.
func (d *DB) Shared() bool { return d.engine.remote }

// Trusts reports whether this process can use its caches without querying
// the database. It cannot once its last poll of the feed is more than a second
// old: something may have been revoked since.
func (d *DB) Trusts() bool { return !d.engine.remote || d.feed.looked.age() <= bound }

// Tolerates reports whether this process can use its caches although the
// database failed with err: within the grace that the operator
// allows.
func (d *DB) Tolerates(err error) bool {
	return errors.Is(err, ErrUnavailable) && d.feed.looked.age() <= bound+d.grace
}

// askTimeout limits one query that a request waits for.
const askTimeout = 2 * time.Second

// Ask calls a function that reads little, with a short timeout if the database
// is remote. If the database does not respond, the error is ErrUnavailable. A
// database in this process responds immediately, so read gets a context without cancellation:
// watching one costs two goroutines for each query, and longer than the query.
func (d *DB) Ask(ctx context.Context, read func(context.Context) error) error {
	if !d.engine.remote {
		if err := ctx.Err(); err != nil {
			return err
		}
		return read(context.WithoutCancel(ctx))
	}
	short, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := read(short)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// Losses returns how often a connection was lost that writes or reads the feed.
func (d *DB) Losses() uint64 { return d.losses.Load() }
