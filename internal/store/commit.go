package store

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
	// maxBatch is how many writes share one commit at the most, so that the
	// first of them does not wait for ever under a flood.
	maxBatch = 256
	// foreignEvery is how often the writer looks for changes by another
	// process. A change by the command line must hold within one second.
	foreignEvery = 250 * time.Millisecond
)

// tx is one write's view of its transaction. What it changed is collected and
// announced when, and only when, the commit is on disk; what it notes is
// written to the audit log in that same commit.
type tx struct {
	conn    *statements
	changed Change
	actor   Actor
	notes   []AuditEntry
	now     func() time.Time
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.conn.exec(ctx, query, args...)
	return err
}

// execOne is exec for a statement that must change a row: ErrNotFound if not.
func (t *tx) execOne(ctx context.Context, query string, args ...any) error {
	res, err := t.conn.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

func (t *tx) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.conn.queryRow(ctx, query, args...)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.conn.query(ctx, query, args...)
}

// A job is a write that waits for its commit.
type job struct {
	ctx  context.Context
	fn   func(context.Context, *tx) error
	done chan error
}

// committer owns the one connection that writes. It runs jobs in the order in
// which they come and commits those that wait together.
type committer struct {
	conn    *statements
	store   *Store
	jobs    chan job
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	seen    int64 // PRAGMA data_version after our last look
	commits atomic.Uint64
}

func newCommitter(ctx context.Context, conn *sql.Conn, s *Store) (*committer, error) {
	c := &committer{
		conn: newStatements(conn), store: s, jobs: make(chan job),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	var err error
	if c.seen, err = c.dataVersion(ctx); err != nil {
		return nil, err
	}
	// Jobs have contexts of their own; what the loop does between them ends
	// with the store, not with the call that opened it.
	go c.run(context.WithoutCancel(ctx))
	return c, nil
}

// write runs fn in a transaction and returns when it is on disk, or with the
// error that kept it from getting there. When ctx ends before fn has begun, fn
// is not run; what has begun is waited for, so that its end is known, and that
// what fn fills in is the caller's alone again. A change that is made has been
// announced to the watchers when write returns.
func (s *Store) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	j := job{ctx, fn, make(chan error, 1)}
	select {
	case s.commits.jobs <- j:
	case <-s.commits.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-j.done
}

// Commits is how many durable commits there have been. Writes that waited
// together are one.
func (s *Store) Commits() uint64 { return s.commits.commits.Load() }

// close lets the running batch finish and ends the loop.
func (c *committer) close() {
	c.once.Do(func() { close(c.stop) })
	<-c.stopped
}

func (c *committer) run(ctx context.Context) {
	defer close(c.stopped)
	defer c.conn.close()
	tick := time.NewTicker(foreignEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			c.lookAbroad(ctx)
		case j := <-c.jobs:
			c.batch(ctx, j)
		}
	}
}

// batch runs first and whatever else already waits, and commits them together.
func (c *committer) batch(ctx context.Context, first job) {
	if err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		first.done <- fmt.Errorf("beginning a transaction: %w", err)
		return
	}
	var (
		waiting []job
		changed Change
		notes   []AuditEntry
	)
	var err error
	for j, more := first, true; more; j, more = c.next(len(waiting)) {
		t := &tx{conn: c.conn, actor: actorOf(j.ctx), now: c.store.now}
		lost, failed := c.runJob(ctx, j, t)
		if failed != nil {
			j.done <- failed
		}
		if lost {
			err = fmt.Errorf("another write ended the transaction: %w", failed)
			break
		}
		if failed != nil {
			continue
		}
		waiting = append(waiting, j)
		changed.add(t.changed)
		notes = append(notes, t.notes...)
	}
	if err == nil {
		err = c.commit(ctx, notes)
	}
	if err != nil {
		_ = c.exec(ctx, "ROLLBACK") // fails when SQLite has done so already
		changed = Change{All: true} // not knowing, trust nothing that is cached
	} else {
		c.commits.Add(1)
	}
	c.store.watch.announce(changed)
	for _, j := range waiting {
		j.done <- err
	}
}

// commit writes what a batch tells the audit log, and has all of it on disk.
func (c *committer) commit(ctx context.Context, notes []AuditEntry) error {
	err := c.chain(ctx, notes)
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// next returns a job that waits, if one does and the batch has room.
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
// the others'. The job's context is not given to the statements: a statement
// that is interrupted half-way would roll back the whole batch.
//
// After some errors, such as a full disk, SQLite rolls back the whole
// transaction by itself. Then the savepoint is gone: all jobs of the batch are
// lost, and another statement would be a transaction of its own.
func (c *committer) runJob(ctx context.Context, j job, t *tx) (lost bool, err error) {
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

// lookAbroad announces that anything may have changed when another process
// wrote to the database. SQLite counts such writes per connection, and this
// connection makes all of this process's own.
func (c *committer) lookAbroad(ctx context.Context) {
	version, err := c.dataVersion(ctx)
	if err != nil {
		c.store.log.Error("cannot see whether another process changed the database", "error", err)
		// Not knowing, trust nothing that is cached.
		c.store.watch.announce(Change{All: true})
		return
	}
	if version != c.seen {
		c.seen = version
		c.store.watch.announce(Change{All: true})
	}
}

func (c *committer) dataVersion(ctx context.Context) (version int64, err error) {
	err = c.conn.queryRow(ctx, "PRAGMA data_version").Scan(&version)
	return version, err
}
