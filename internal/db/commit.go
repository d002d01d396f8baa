package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
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
	// line must take effect within one second.
	pollEvery = 250 * time.Millisecond
)

// A job is a write that waits for its commit.
type job struct {
	ctx   context.Context
	fn    func(context.Context, *Tx) error
	done  chan error
	runs  int // that PostgreSQL ended
	retry backoff
}

// committer owns the one connection that writes. It runs jobs in the order in
// which they arrive and commits those that wait together.
type committer struct {
	conn    *statements // nil: it was lost
	ran     []string    // the statements of connections before it
	session *sql.Conn   // under conn
	db      *DB
	jobs    chan job
	again   chan job // those that PostgreSQL ended, after a pause
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	commits atomic.Uint64
}

func newCommitter(ctx context.Context, d *DB) (*committer, error) {
	c := &committer{
		db: d, jobs: make(chan job), again: make(chan job), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	if err := d.startFeed(ctx, c.conn); err != nil {
		return nil, errors.Join(err, c.conn.close())
	}
	// Jobs have their own contexts. The loop outlives the call that opened
	// the database, and ends with close.
	go c.run(context.WithoutCancel(ctx))
	return c, nil
}

// Write runs fn in a transaction and returns when the change is on disk, or
// with the error that prevented it. If ctx is cancelled before fn has started, fn is not
// run. Once fn has started, Write waits for it, so that the outcome is known and
// variables that fn assigns to can be used again. When Write returns nil, every
// watcher has been notified of what fn touched.
//
// fn can run more than once, and only the last run counts: it must reset the variables
// that it assigns to each time. It must use its context argument, which is not
// cancelled with ctx: a statement that is interrupted would undo the writes that share
// its commit.
func (d *DB) Write(ctx context.Context, fn func(context.Context, *Tx) error) error {
	j := job{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case d.commits.jobs <- j:
	case <-d.commits.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	err := <-j.done
	d.noteFull(err)
	return err
}

// noteFull logs that the disk of the database is full, and when it no longer is: errors to
// callers do not mention it.
func (d *DB) noteFull(err error) {
	switch {
	case err == nil && d.full.Load() && d.full.CompareAndSwap(true, false):
		d.log.Info("the disk of the database has space again")
	case err != nil && isFull(err) && d.full.CompareAndSwap(false, true):
		d.log.Error("the disk of the database is full: nothing is stored until there is room", "error", err)
	}
}

// close lets the running batch finish and stops the loop.
func (c *committer) close() {
	c.once.Do(func() { close(c.stop) })
	<-c.stopped
}

func (c *committer) run(ctx context.Context) {
	defer close(c.stopped)
	defer c.disconnect()
	var poll <-chan time.Time
	if !c.db.engine.remote {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		poll = tick.C
	}
	for {
		select {
		case <-c.stop:
			return
		case <-poll:
			c.poll(ctx)
		case j := <-c.jobs:
			c.batch(ctx, j)
		case j := <-c.again:
			c.batch(ctx, j)
		}
	}
}

// poll announces the changes of other processes.
func (c *committer) poll(ctx context.Context) {
	if err := c.db.pollFeed(ctx, c.conn); err != nil {
		c.db.log.Error("cannot read what other processes changed", "error", err)
		c.db.announce(nil, true) // anything may have changed
	}
}

// connect opens the connection if necessary.
func (c *committer) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	session, err := c.db.pools.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", translate(err))
	}
	c.session, c.conn = session, newStatements(session, c.db.engine)
	return nil
}

// disconnect closes the connection. Its transaction is rolled back.
func (c *committer) disconnect() {
	if c.conn == nil {
		return
	}
	if c.db.marked != nil {
		_ = c.observe(nil) // the driver would keep the hook
	}
	if c.db.engine.remote { // never to be used again, whatever state it is in
		_ = c.session.Raw(func(any) error { return driver.ErrBadConn })
	}
	c.ran = append(c.ran, c.conn.texts()...)
	_ = c.conn.close()
	c.conn, c.session = nil, nil
}

// begin begins the transaction of a batch. A connection that was lost since the
// last one is replaced: nothing has been done on it yet.
func (c *committer) begin(ctx context.Context) (err error) {
	for range 2 {
		if err = c.connect(ctx); err != nil {
			return err
		}
		if err = c.exec(ctx, c.db.engine.begin); err == nil || !c.db.engine.remote {
			break
		}
		c.disconnect()
		if hasCode(err, lockNotAvailable, queryCanceled) {
			break // the turn of another process is not over
		}
	}
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	return nil
}

// undo rolls back the transaction of a failed batch.
func (c *committer) undo(ctx context.Context) {
	err := c.exec(ctx, "ROLLBACK") // fails if SQLite has rolled back already
	if err != nil && c.db.engine.remote {
		c.db.losses.Add(1)
		c.disconnect()
	}
}

// batch runs first and the jobs that already wait, and commits them together.
func (c *committer) batch(ctx context.Context, first job) {
	if err := c.begin(ctx); err != nil {
		first.done <- err
		return
	}
	waiting, done, err := c.runJobs(ctx, first)
	var firstID, lastID int64
	if err == nil {
		firstID, lastID, err = c.commit(ctx, done)
	}
	if err != nil {
		c.undo(ctx)
		if isEnded(err) {
			c.runLater(waiting, err)
			return
		}
		// The outcome is not known: nothing that is cached can be trusted.
		c.db.announce(nil, true)
	} else {
		c.commits.Add(1)
		c.db.announceOwn(firstID, lastID, done.touched)
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
		if lost == nil && isEnded(failed) {
			c.runLater([]job{j}, failed)
			continue
		}
		if failed != nil {
			j.done <- failed
		}
		if lost != nil {
			if errors.Is(failed, ErrUnavailable) { // it is theirs, too
				lost = fmt.Errorf("%w: %w", ErrUnavailable, lost)
			}
			// The failure belongs to the other write, so its kind does not apply to these.
			return waiting, done, fmt.Errorf("another write (%s) ended the transaction: %w", failed.Error(), lost)
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

func (c *committer) newTx() *Tx {
	return &Tx{conn: c.conn, now: c.db.now().UTC().Truncate(time.Millisecond)}
}

// commit flushes what a batch staged, publishes what it touched, and makes all
// of it durable.
func (c *committer) commit(ctx context.Context, t *Tx) (first, last int64, err error) {
	if err = c.db.flush(ctx, t, t.staged); err == nil {
		first, last, err = c.db.publish(ctx, t, t.touched)
	}
	if err == nil {
		if c.db.engine.commit == nil {
			err = c.exec(ctx, "COMMIT")
		} else {
			err = c.db.engine.commit(ctx, c.session)
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("committing: %w", translate(err))
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

// maxRuns is how often a write runs that PostgreSQL ends each time.
const maxRuns = 5

// isEnded reports whether PostgreSQL undid a write because of what another program
// was doing at the same time: the write can run again.
func isEnded(err error) bool { return hasCode(err, serializationFailure, deadlockDetected) }

// runLater lets writes that PostgreSQL ended run again, each after a pause and as the
// first of a batch. The other program must wake up and take the locks that it waited
// for, among them those of the writes that share this batch: without both, the two
// would meet in the same deadlock again. Nothing waits for the pause.
func (c *committer) runLater(jobs []job, err error) {
	for _, j := range jobs {
		j.runs++
		if j.runs >= maxRuns {
			j.done <- fmt.Errorf("%w: %w", ErrUnavailable, err)
			continue
		}
		_ = j.retry.result(err)
		go c.resume(j)
	}
}

// resume runs a write again after its pause.
func (c *committer) resume(j job) {
	pause := time.NewTimer(time.Until(j.retry.next))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-j.ctx.Done():
		j.done <- j.ctx.Err()
		return
	case <-c.stop:
		j.done <- ErrClosed
		return
	}
	select {
	case c.again <- j:
	case <-j.ctx.Done():
		j.done <- j.ctx.Err()
	case <-c.stop:
		j.done <- ErrClosed
	}
}

// runJob runs one write in a savepoint, so that its failure undoes nothing of
// the others.
//
// After some errors, such as a full disk, SQLite rolls back the whole
// transaction by itself. Then the savepoint is gone, and lost is set: all jobs
// of the batch are undone, and another statement would be a transaction of its
// own. The same applies to a lost connection.
func (c *committer) runJob(ctx context.Context, j job, t *Tx) (lost, err error) {
	if err := j.ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.exec(ctx, "SAVEPOINT job"); err != nil {
		err = fmt.Errorf("beginning a savepoint: %w", err)
		return err, err
	}
	if err := j.fn(ctx, t); err != nil {
		undone := c.exec(ctx, "ROLLBACK TO job")
		if undone == nil {
			undone = c.exec(ctx, "RELEASE job")
		}
		return undone, err
	}
	if err := c.exec(ctx, "RELEASE job"); err != nil {
		err = fmt.Errorf("releasing a savepoint: %w", err)
		return err, err
	}
	return nil, nil
}

func (c *committer) exec(ctx context.Context, query string) error {
	_, err := c.conn.exec(ctx, query)
	return err
}
