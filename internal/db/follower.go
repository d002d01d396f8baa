package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// lookTimeout is how long one look at the feed may take.
	lookTimeout = 2 * time.Second
	// steady is how long a connection must last for the next one to follow immediately.
	steady = 2 * maxPause
	// lookPause is between two looks, however often the feed grows.
	lookPause = 10 * time.Millisecond
)

// follower reads the feed of a database that other processes write to, on a
// connection of its own: the one that writes may have to wait for its turn.
type follower struct {
	db      *DB
	session *sql.Conn
	cancel  context.CancelFunc
	stopped sync.WaitGroup
}

// newFollower begins to follow the feed.
func newFollower(ctx context.Context, d *DB) (*follower, error) {
	f := &follower{db: d}
	if err := f.connect(ctx); err != nil {
		return nil, err
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.stopped.Go(func() { f.run(ctx) })
	return f, nil
}

// close stops following.
func (f *follower) close() {
	f.cancel()
	f.stopped.Wait()
	if f.session != nil { // ctx ended before the first look
		f.disconnect()
	}
}

// connect opens the connection, and takes nothing for granted that was cached
// before: the database may be another one, to which the first failed over.
func (f *follower) connect(ctx context.Context) (err error) {
	// Each host has its own time limit, so one connection attempt finds the host that answers.
	if f.session, err = f.db.pools.follower.Conn(ctx); err != nil {
		return fmt.Errorf("connecting to the database: %w", translate(err))
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if _, err = f.session.ExecContext(ctx, f.db.engine.listen); err == nil {
		err = f.db.startFeed(ctx, newStatements(f.session, f.db.engine))
	}
	if err != nil {
		f.disconnect()
		return fmt.Errorf("following the feed: %w", translate(err))
	}
	return nil
}

func (f *follower) disconnect() {
	_ = f.session.Raw(func(any) error { return driver.ErrBadConn })
	_ = f.session.Close()
	f.session = nil
}

// run follows the feed until ctx ends, and connects again whenever it has to.
func (f *follower) run(ctx context.Context) {
	var retry backoff
	for ctx.Err() == nil {
		if f.session == nil {
			retry.wait(ctx)
			if err := f.connect(ctx); err != nil {
				_ = retry.result(err)
				continue
			}
			f.db.log.Info("the database answers again")
		}
		began := time.Now()
		err := f.follow(ctx)
		f.disconnect()
		// A connection that lasts for a moment only is as good as none.
		if time.Since(began) > steady {
			retry = backoff{}
		} else {
			_ = retry.result(err)
		}
		if ctx.Err() == nil {
			f.db.losses.Add(1)
			f.db.log.Error("lost the connection to the database", "error", err)
		}
	}
}

// follow reads the feed until that fails or ctx ends. It reads it when a notification
// arrives that the feed has grown, and otherwise at least four times a second:
// notifications are hints, and may be lost.
func (f *follower) follow(ctx context.Context) error {
	conn := newStatements(f.session, f.db.engine)
	for {
		short, cancel := context.WithTimeout(ctx, lookTimeout)
		err := f.db.pollFeed(short, conn)
		cancel()
		if err != nil {
			return err
		}
		short, cancel = context.WithTimeout(ctx, lookPause)
		<-short.Done()
		cancel()
		short, cancel = context.WithTimeout(ctx, pollEvery)
		err = f.db.engine.wait(short, f.session)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}
