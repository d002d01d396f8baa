package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Part is the side of a move that a database is.
type Part string

// The sides of a move.
const (
	MovesAway Part = "from"
	IsFilled  Part = "to"
)

// MoveError reports that a database is one side of a move, so that it must not be
// used: writes to one side would be missing on the other.
type MoveError struct {
	Part Part
	// Here is the database, and There the other side of the move, without secrets.
	Here, There string
	// Done: everything has been moved. It is never set for a database that is filled.
	Done bool
	// At is when the move began or, if it is done, was completed.
	At time.Time

	id string
}

func (e *MoveError) Error() string {
	at := e.At.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case e.Part == IsFilled:
		return fmt.Sprintf("the database in %s is not complete: the move from %s, begun %s, has not ended", e.Here, e.There, at)
	case e.Done:
		return fmt.Sprintf("the database in %s was moved to %s, %s", e.Here, e.There, at)
	}
	return fmt.Sprintf("the database in %s is being moved to %s: the move, begun %s, has not ended", e.Here, e.There, at)
}

// Errors of Move and Replace.
var (
	// ErrNotEmpty reports that the target database has rows.
	ErrNotEmpty = errors.New("the database is not empty")
	// ErrOtherMove reports that a database is half filled from another one.
	ErrOtherMove = errors.New("the database holds half of another one")
	// ErrConnected reports that other programs use the database.
	ErrConnected = errors.New("other programs use the database")
)

// CheckMove returns a *MoveError if the database is one side of a move.
func (d *DB) CheckMove(ctx context.Context) error {
	for _, part := range []Part{IsFilled, MovesAway} {
		mark, err := d.mark(ctx, d, part)
		if err != nil {
			return err
		}
		if mark != nil {
			return mark
		}
	}
	return nil
}

// mark returns the database's record of a move, or nil if it is not that side of one.
func (d *DB) mark(ctx context.Context, q Querier, part Part) (*MoveError, error) {
	e := &MoveError{Part: part, Here: d.pools.place}
	var at int64
	err := q.QueryRow(ctx, "SELECT id, place, done, at FROM move WHERE part = $1", string(part)).Scan(&e.id, &e.There, &e.Done, &at)
	if err = Wrap("asking whether the database was moved", err); errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	e.At = time.UnixMilli(at)
	return e, err
}

// setMark stores that a database is one side of a move, and unmark that it is not.
func (d *DB) setMark(ctx context.Context, tx *Tx, part Part, id, place string, done bool) error {
	if err := unmark(ctx, tx, part); err != nil {
		return err
	}
	tx.Touch(moves, "")
	return tx.Exec(ctx, "INSERT INTO move (part, id, place, done, at) VALUES ($1, $2, $3, $4, $5)",
		string(part), id, place, done, tx.Now().UnixMilli())
}

func unmark(ctx context.Context, tx *Tx, part Part) error {
	return tx.Exec(ctx, "DELETE FROM move WHERE part = $1", string(part))
}

// WatchMove returns a *MoveError once the database becomes one side of a move, or is
// found to be one when a connection that was lost is back; nil when ctx is cancelled.
func (d *DB) WatchMove(ctx context.Context) error {
	changed := d.Alarm(moves)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed.rung:
		}
		var mark *MoveError
		var retry backoff
		for {
			err := retry.result(d.CheckMove(ctx))
			if errors.As(err, &mark) {
				return err
			}
			if err == nil || ctx.Err() != nil {
				break
			}
			retry.wait(ctx) // old connections can be lost one by one
		}
	}
}

// moves is the topic of the marks.
const moves Topic = "move"

// MoveOptions configures how a database is moved. Its zero value works.
type MoveOptions struct {
	// Progress is called after each page of rows, if it is not nil.
	Progress func(Progress)
	// Begin runs in the transaction that marks the original: its error prevents the
	// move.
	Begin func(context.Context, *Tx) error
	// Check checks the copy once it is complete, and before it can be used.
	Check func(context.Context) error
	// End runs in the transaction after which the copy can be used.
	End func(context.Context, *Tx) error
}

// begin calls Begin, if there is one.
func (o MoveOptions) begin(ctx context.Context, tx *Tx) error {
	if o.Begin == nil {
		return nil
	}
	return o.Begin(ctx, tx)
}

// end calls End, if there is one.
func (o MoveOptions) end(ctx context.Context, tx *Tx) error {
	if o.End == nil {
		return nil
	}
	return o.End(ctx, tx)
}

// Move copies everything from one database to another that is empty, compares the two,
// and marks the first one as moved, so that it cannot be used by mistake. Nothing else
// must use either of them meanwhile: until it is done, CheckMove fails on both.
//
// If it was interrupted, another call resumes. resumed reports whether this one did.
// The errors are a *MoveError, ErrNotEmpty, ErrOtherMove and ErrConnected where the
// caller can suggest a remedy.
func Move(ctx context.Context, from, to *DB, o MoveOptions) (list []Content, resumed bool, err error) {
	c, err := newCopier(ctx, o.Progress, from, to)
	if err != nil {
		return nil, false, err
	}
	id, resumed, err := c.beginMove(ctx, from, to, o)
	if err != nil {
		return nil, false, err
	}
	err = from.Snapshot(ctx, func(ctx context.Context, q Querier) error {
		return c.copyTo(ctx, from, q, target{to, to.Write})
	})
	if err == nil {
		// This snapshot is not the copied one, so the comparison also detects rows that
		// were written in the meantime.
		list, err = c.compareDatabases(ctx, from, to)
	}
	if err == nil && o.Check != nil {
		err = o.Check(ctx)
	}
	if err != nil {
		return nil, resumed, err
	}
	// The original first: both must never be usable at the same time.
	err = from.Write(ctx, func(ctx context.Context, tx *Tx) error {
		return from.setMark(ctx, tx, MovesAway, id, to.pools.place, true)
	})
	if err == nil {
		err = to.Write(ctx, func(ctx context.Context, tx *Tx) error {
			if err := o.end(ctx, tx); err != nil {
				return err
			}
			return unmark(ctx, tx, IsFilled)
		})
	}
	if err != nil {
		return nil, resumed, fmt.Errorf("ending the move: %w", err)
	}
	return list, resumed, nil
}

// beginMove marks both sides, or finds that they are.
func (c *copier) beginMove(ctx context.Context, from, to *DB, o MoveOptions) (id string, resumed bool, err error) {
	away, err := from.mark(ctx, from, MovesAway)
	if err != nil {
		return "", false, err
	}
	filled, err := to.mark(ctx, to, IsFilled)
	if err != nil {
		return "", false, err
	}
	if resumed = filled != nil && away != nil && filled.id == away.id; resumed && away.Done {
		return away.id, true, nil
	}
	if err := c.mayMove(ctx, from, to, away, filled, resumed); err != nil {
		return "", false, err
	}
	if id = rand.Text(); resumed {
		id = away.id
	}
	err = from.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if err := from.unused(ctx, tx); err != nil {
			return err
		}
		if err := o.begin(ctx, tx); err != nil {
			return err
		}
		return from.setMark(ctx, tx, MovesAway, id, to.pools.place, false)
	})
	if err == nil && !resumed {
		err = to.Write(ctx, func(ctx context.Context, tx *Tx) error {
			return to.setMark(ctx, tx, IsFilled, id, from.pools.place, false)
		})
	}
	return id, resumed, err
}

// mayMove checks that no other move is in the way.
func (c *copier) mayMove(ctx context.Context, from, to *DB, away, filled *MoveError, resumed bool) error {
	if half, err := from.mark(ctx, from, IsFilled); err != nil || half != nil {
		return errors.Join(err, errorOf(half))
	}
	if gone, err := to.mark(ctx, to, MovesAway); err != nil || gone != nil {
		return errors.Join(err, errorOf(gone))
	}
	switch {
	case resumed:
		return nil
	case filled != nil:
		return fmt.Errorf("%s: %w, %s", to.pools.place, ErrOtherMove, filled.There)
	case away != nil && away.Done:
		return away
	}
	for _, t := range c.tables {
		var some bool
		if err := to.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+quoted(t.name)+")").Scan(&some); err != nil {
			return err
		}
		if some {
			return fmt.Errorf("%s: %w: the table %s has rows", to.pools.place, ErrNotEmpty, t.name)
		}
	}
	return nil
}

// errorOf returns a mark as an error, and nil as nil.
func errorOf(e *MoveError) error {
	if e == nil {
		return nil
	}
	return e
}

// compareDatabases compares two databases that are not written to.
func (c *copier) compareDatabases(ctx context.Context, from, to *DB) (list []Content, err error) {
	err = from.Snapshot(ctx, func(ctx context.Context, original Querier) error {
		return to.Snapshot(ctx, func(ctx context.Context, copied Querier) error {
			list, err = c.compare(ctx, from, original, to, copied)
			return err
		})
	})
	return list, err
}

// Reopen makes a database that was moved, or began to be, usable again,
// in its previous state. End runs in the same transaction. ErrNotFound if it was
// not moved.
func (d *DB) Reopen(ctx context.Context, end func(context.Context, *Tx) error) error {
	return d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.ExecOne(ctx, "DELETE FROM move WHERE part = $1", string(MovesAway)); err != nil {
			return Wrap("using the database again", err)
		}
		return end(ctx, tx)
	})
}

// Replace replaces the content of a database that other programs can connect to with a
// copy of another one, in one transaction: if it fails, nothing has changed. Begin and
// End of the options run in it. ErrConnected.
func (d *DB) Replace(ctx context.Context, from *DB, o MoveOptions) (list []Content, err error) {
	c, err := newCopier(ctx, o.Progress, from, d)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(c.tables))
	for i, t := range c.tables {
		names[i] = t.name
	}
	err = from.Snapshot(ctx, func(ctx context.Context, q Querier) error {
		// It is read before the transaction begins, which must not pause.
		if err := c.count(ctx, q); err != nil {
			return err
		}
		c.done = Progress{Comparing: true}
		want, err := c.contents(ctx, from, q)
		if err != nil {
			return err
		}
		return d.Write(ctx, func(inside context.Context, tx *Tx) error {
			if err := d.unused(inside, tx); err != nil {
				return err
			}
			if err := o.begin(inside, tx); err != nil {
				return err
			}
			if err := tx.Exec(inside, "TRUNCATE "+quoted(names...)); err != nil {
				return fmt.Errorf("emptying the database: %w", err)
			}
			one := func(ctx context.Context, fn func(context.Context, *Tx) error) error {
				return errors.Join(ctx.Err(), fn(inside, tx))
			}
			if err := c.copyTo(ctx, from, q, target{d, one}); err != nil {
				return err
			}
			c.done = Progress{Comparing: true}
			got, err := c.contents(inside, d, tx)
			if err == nil {
				list, err = c.same(want, got)
			}
			if err != nil {
				return err
			}
			return o.end(inside, tx)
		})
	})
	return list, err
}

// leaveTime is how long exited processes can remain in the database's list
// of connections.
const leaveTime = 5 * time.Second

// unused returns ErrConnected if other processes are connected to a database on another
// machine. For a folder, Alone does that.
func (d *DB) unused(ctx context.Context, q Querier) error {
	if d.engine.others == "" {
		return nil
	}
	for deadline := time.Now().Add(leaveTime); ; time.Sleep(leaveTime / 40) {
		rows, err := q.Query(ctx, d.engine.others)
		list, err := collect(rows, err, 1)
		if err != nil || len(list) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			names := make([]string, len(list))
			for i, row := range list {
				names[i] = fmt.Sprint(row[0])
			}
			return fmt.Errorf("%w: %s", ErrConnected, strings.Join(names, ", "))
		}
	}
}

// Alone checks that no other process has the database of a folder open: *HeldError,
// ErrInUse, ErrNoDatabase.
func Alone(ctx context.Context, dir, holder string) (err error) {
	path := filepath.Join(dir, Name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", ErrNoDatabase, dir)
	}
	unhold, err := hold(dir, holder)
	if err == nil {
		defer func() { err = errors.Join(err, unhold()) }()
	} else if !errors.Is(err, errNoLocks) {
		return err
	}
	return release(ctx, path)
}

// SetAside renames the database of a folder, if it was moved away from
// there, and returns the new name; or "" if there is no database, or it is in use.
func SetAside(ctx context.Context, cfg Config) (name string, err error) {
	cfg.MustExist = true
	d, err := Open(ctx, cfg)
	if errors.Is(err, ErrNoDatabase) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	gone, err := d.mark(ctx, d, MovesAway)
	if err = errors.Join(err, d.Close()); err != nil || gone == nil || !gone.Done {
		return "", err
	}
	path := filepath.Join(cfg.Dir, Name)
	if err := release(ctx, path); err != nil {
		return "", err
	}
	name = path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(path, name); err != nil {
		return "", fmt.Errorf("moving the database aside: %w", err)
	}
	return name, syncFolder(cfg.Dir)
}
