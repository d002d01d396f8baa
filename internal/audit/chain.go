package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Hash is the SHA-256 of a row and of the hash before it.
type Hash [sha256.Size]byte

// Sum returns the row's hash: over the hash before it and everything that the
// row says. Each text is preceded by its length, so that no two rows give the
// same input.
func (e *Entry) Sum(before Hash) Hash {
	b := append(make([]byte, 0, 512), before[:]...)
	for _, n := range [...]int64{e.ID, e.At.UnixMilli(), e.AccountID} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range [...]string{string(e.Event), e.Account, e.Actor, e.Device, e.Address, e.Detail} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Link is the place of a row in the chain. The zero Link comes before the first
// row.
type Link struct {
	ID   int64 // of the last row
	Hash Hash  // of the last row
}

// Ends are the two ends of the log. Without them, rows could go missing there
// unnoticed.
type Ends struct {
	// Anchor is the last row that was pruned; the first row follows it.
	Anchor Link
	// Head is the last row that was written.
	Head Link
}

// Evidence is what the rest of the database shows about the log: each account and each
// token was added in one transaction with a row of the same time. Both times are zero
// if there is neither.
type Evidence struct {
	// FirstAccount is when the oldest account was added, and Last when the newest
	// account or token was.
	FirstAccount, Last time.Time
}

// append writes the rows of a commit, each with the hash of the previous one, and
// moves the head. It runs once for each commit, however many events it holds.
func (l *Log) append(ctx context.Context, tx *db.Tx, entries []Entry) error {
	ends, err := l.rows.Ends(ctx, tx)
	if err != nil {
		return fmt.Errorf("finding the end of the audit log: %w", err)
	}
	for i := range entries {
		e := &entries[i]
		e.ID = ends.Head.ID + 1
		e.Hash = e.Sum(ends.Head.Hash)
		ends.Head = Link{e.ID, e.Hash}
	}
	if err := l.rows.Append(ctx, tx, entries); err != nil {
		return fmt.Errorf("writing to the audit log: %w", err)
	}
	if err := l.rows.SetEnds(ctx, tx, ends); err != nil {
		return fmt.Errorf("moving the end of the audit log: %w", err)
	}
	return nil
}

// BrokenChainError says where the log differs from what was written.
type BrokenChainError struct {
	// Row is the first row that was changed or is missing.
	Row int64
	// Problem is what is wrong with it.
	Problem string
}

func (e *BrokenChainError) Error() string {
	return fmt.Sprintf("row %d of the audit log %s", e.Row, e.Problem)
}

func broken(row int64, problem string) error { return &BrokenChainError{row, problem} }

// Verify reads the whole log and checks that each row follows from the one
// before, from the last that was pruned to the last that was written. It
// returns the number of rows. The error of a log that was altered is a
// *BrokenChainError.
func (l *Log) Verify(ctx context.Context) (rows int64, err error) {
	// One snapshot holds the rows and both ends of the same moment.
	err = l.db.Snapshot(ctx, func(ctx context.Context, q db.Querier) error {
		ends, err := l.rows.Ends(ctx, q)
		if err != nil {
			return err
		}
		known, err := l.rows.Evidence(ctx, q)
		if err != nil {
			return err
		}
		at := ends.Anchor
		var oldest, newest time.Time // of the rows, in whatever order the clock went
		err = l.rows.Each(ctx, q, func(e Entry) (err error) {
			if rows++; rows == 1 || e.At.Before(oldest) {
				oldest = e.At
			}
			if e.At.After(newest) {
				newest = e.At
			}
			at, err = at.next(e, ends.Head)
			return err
		})
		switch {
		case err != nil:
			return err
		case at.ID < ends.Head.ID:
			return broken(at.ID+1, "is missing")
		case at.Hash != ends.Head.Hash:
			return broken(at.ID, "was changed: it is not the last that was written")
		}
		return known.contradicts(ends, rows, oldest, newest)
	})
	if err != nil {
		return rows, fmt.Errorf("verifying the audit log: %w", err)
	}
	return rows, nil
}

// contradicts returns an error if rows are missing that the rest of the database
// says were written.
//
// Attack: someone empties the log, or cuts its end off, and moves its ends to match.
func (known Evidence) contradicts(ends Ends, rows int64, oldest, newest time.Time) error {
	switch {
	case known.Last.IsZero():
		return nil
	case ends.Head.ID == 0:
		return broken(1, "is missing: the log is empty, and there are accounts")
	case rows == 0:
		return nil // all of it was pruned
	case ends.Anchor.ID == 0 && known.FirstAccount.Before(oldest):
		return broken(1, "is not the first: there is an account from before it")
	case newest.Before(known.Last):
		return broken(ends.Head.ID+1, "is missing: an account or a token was added after the last row")
	}
	return nil
}

// next returns the place of a row, if it follows l in the chain.
func (l Link) next(e Entry, head Link) (Link, error) {
	switch {
	case e.ID <= l.ID:
		return l, broken(e.ID, "was pruned, and is there again")
	case e.ID != l.ID+1 && l.ID < head.ID:
		return l, broken(l.ID+1, "is missing")
	case e.ID > head.ID:
		return l, broken(e.ID, "is beyond the end of the log")
	case e.Hash != e.Sum(l.Hash):
		return l, broken(e.ID, "was changed, or the one before it was")
	}
	return Link{e.ID, e.Hash}, nil
}

// pruneBatch is how many rows are pruned in one transaction, so that no sign-in
// waits long for it.
const pruneBatch = 1000

// Prune removes the rows that are older than before, and the counts of before
// then. It stops at the first younger row, so that the chain has no gap. It
// returns how many rows it removed.
func (l *Log) Prune(ctx context.Context, before time.Time) (rows int64, err error) {
	for n := int64(pruneBatch); n == pruneBatch; rows += n {
		err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = l.prune(ctx, tx, before)
			return err
		})
		if err != nil {
			return rows, fmt.Errorf("pruning the audit log: %w", err)
		}
	}
	return rows, nil
}

// prune removes one batch of rows, and moves the anchor that the next row
// follows from.
func (l *Log) prune(ctx context.Context, tx *db.Tx, before time.Time) (int64, error) {
	if err := l.tallies.Prune(ctx, tx, before.Add(-Quarter)); err != nil {
		return 0, err
	}
	ends, err := l.rows.Ends(ctx, tx)
	if err != nil {
		return 0, err
	}
	oldest, err := l.rows.List(ctx, tx, Query{Limit: pruneBatch, OldestFirst: true})
	if err != nil {
		return 0, err
	}
	last := ends.Anchor
	for _, e := range oldest {
		if !e.At.Before(before) {
			break
		}
		if last, err = last.next(e, ends.Head); err != nil {
			return 0, err // pruning would hide it
		}
	}
	pruned := last.ID - ends.Anchor.ID
	if pruned == 0 {
		return 0, nil
	}
	if err := l.rows.Delete(ctx, tx, last.ID); err != nil {
		return 0, err
	}
	ends.Anchor = last
	return pruned, l.rows.SetEnds(ctx, tx, ends)
}

// pruneEvery is how often the log is pruned.
const pruneEvery = 10 * time.Minute

// Retain prunes the log every ten minutes, until ctx ends, so that it holds
// what happened within keep. Zero retains everything.
func (l *Log) Retain(ctx context.Context, keep time.Duration) {
	if keep <= 0 {
		return
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := l.Prune(ctx, l.now().Add(-keep)); err != nil && ctx.Err() == nil {
			l.logger.Error("cannot prune the audit log", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
