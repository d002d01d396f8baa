package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBatch is how many writes share one commit at most, so that the first
	// of them does not wait without bound during a flood.
	maxBatch = 256
	// pollEvery is how often the feed is polled. A change made by the command
	// line must hold within one second.
	pollEvery = 250 * time.Millisecond
)

// A job is a write that waits for its commit.
type job struct {
	ctx  context.Context
	fn   func(context.Context, *Tx) error
	done chan error
}

// committer owns the one connection that writes. It runs jobs in the order in
// which they arrive and commits those that wait together.
type committer struct {
	conn    *statements
	db      *DB
	jobs    chan job
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	feed    feed
	commits atomic.Uint64
}

func newCommitter(ctx context.Context, conn *sql.Conn, d *DB) (*committer, error) {
	c := &committer{
		conn: newStatements(conn), db: d, jobs: make(chan job),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := c.feed.start(ctx, c.conn, d.engine); err != nil {
		return nil, errors.Join(err, c.conn.close())
	}
	// Jobs have contexts of their own. The loop outlives the call that opened
	// the database, and ends with close.
	go c.run(context.WithoutCancel(ctx))
	return c, nil
}

// Write runs fn in a transaction and returns when the change is on disk, or
// with the error that prevented it. If ctx ends before fn has started, fn is not
// run. Once fn has started, Write waits for it, so that the outcome is known and
// what fn assigns to is the caller's alone again. When Write returns nil, every
// watcher has been told what fn touched.
//
// fn must use the context that it is given, which does not end with ctx: a
// statement that is interrupted would undo the writes that share its commit.
func (d *DB) Write(ctx context.Context, fn func(context.Context, *Tx) error) error {
	j := job{ctx, fn, make(chan error, 1)}
	select {
	case d.commits.jobs <- j:
	case <-d.commits.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-j.done
}

// close lets the running batch finish and ends the loop.
func (c *committer) close() {
	c.once.Do(func() { close(c.stop) })
	<-c.stopped
}

func (c *committer) run(ctx context.Context) {
	defer close(c.stopped)
	defer c.conn.close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			c.poll(ctx)
		case j := <-c.jobs:
			c.batch(ctx, j)
		}
	}
}

// poll announces what other processes changed.
func (c *committer) poll(ctx context.Context) {
	changes, all, err := c.feed.poll(ctx, c.conn, c.db.engine)
	if err != nil {
		c.db.log.Error("cannot read what other processes changed", "error", err)
		all = true // what is not known may be anything
	}
	c.db.announce(changes, all)
}

// batch runs first and the jobs that already wait, and commits them together.
func (c *committer) batch(ctx context.Context, first job) {
	if err := c.exec(ctx, c.db.engine.begin); err != nil {
		first.done <- fmt.Errorf("beginning a transaction: %w", err)
		return
	}
	waiting, done, err := c.runJobs(ctx, first)
	var firstID, lastID int64
	if err == nil {
		firstID, lastID, err = c.commit(ctx, done)
	}
	if err != nil {
		_ = c.exec(ctx, "ROLLBACK") // fails if SQLite has rolled back already
		// The outcome is not known: nothing that is cached can be trusted.
		c.db.announce(nil, true)
	} else {
		c.commits.Add(1)
		c.feed.published(firstID, lastID)
		c.db.announce(done.touched, false)
	}
	for _, j := range waiting {
		j.done <- err
	}
}

// runJobs runs the jobs of a batch and returns those that succeeded, with all
// that they touched and staged. An error means that the transaction is gone.
func (c *committer) runJobs(ctx context.Context, first job) (waiting []job, done *Tx, err error) {
	done = c.newTx()
	for j, more := first, true; more; j, more = c.next(len(waiting)) {
		t := c.newTx()
		lost, failed := c.runJob(ctx, j, t)
		if failed != nil {
			j.done <- failed
		}
		if lost {
			return waiting, done, fmt.Errorf("another write ended the transaction: %w", failed)
		}
		if failed != nil {
			continue
		}
		waiting = append(waiting, j)
		done.touched = append(done.touched, t.touched...)
		done.staged = append(done.staged, t.staged...)
	}
	return waiting, done, nil
}

func (c *committer) newTx() *Tx { return &Tx{conn: c.conn, now: c.db.now().UTC()} }

// commit flushes what a batch staged, publishes what it touched, and makes all
// of it durable.
func (c *committer) commit(ctx context.Context, t *Tx) (first, last int64, err error) {
	if err = c.db.flush(ctx, t, t.staged); err == nil {
		first, last, err = publish(ctx, t, t.touched)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("committing: %w", err)
	}
	return first, last, nil
}

// next returns a job that waits, if there is one and the batch has room.
func (c *committer) next(have int) (job, bool) {
	if have >= maxBatch {
		return job{}, false
	}
	select {
	case j := <-c.jobs:
		return j, true
	default:
		return job{}, false
	}
}

// runJob runs one write in a savepoint, so that its failure undoes nothing of
// the others.
//
// After some errors, such as a full disk, SQLite rolls back the whole
// transaction by itself. Then the savepoint is gone and lost is true: all jobs
// of the batch are undone, and another statement would be a transaction of its
// own.
func (c *committer) runJob(ctx context.Context, j job, t *Tx) (lost bool, err error) {
	if err := j.ctx.Err(); err != nil {
		return false, err
	}
	if err := c.exec(ctx, "SAVEPOINT job"); err != nil {
		return true, fmt.Errorf("beginning a savepoint: %w", err)
	}
	if err := j.fn(ctx, t); err != nil {
		undone := c.exec(ctx, "ROLLBACK TO job")
		if undone == nil {
			undone = c.exec(ctx, "RELEASE job")
		}
		return undone != nil, err
	}
	if err := c.exec(ctx, "RELEASE job"); err != nil {
		return true, fmt.Errorf("releasing a savepoint: %w", err)
	}
	return false, nil
}

func (c *committer) exec(ctx context.Context, query string) error {
	_, err := c.conn.exec(ctx, query)
	return err
}
