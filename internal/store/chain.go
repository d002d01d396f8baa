package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// sum is the row's hash: over the hash before it and all that the row says,
// each text with its length before it, so that no two rows read alike.
func (e *AuditEntry) sum(before Hash) Hash {
	b := append(make([]byte, 0, 512), before[:]...)
	for _, n := range [...]int64{e.ID, millis(e.At), e.AccountID} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range [...]string{string(e.Event), e.Account, e.Actor, e.Device, e.Address, e.Detail} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// link is the place of a row in the chain.
type link struct {
	id   int64
	hash Hash
}

// The settings that hold the chain's two ends: the last row, and the last that
// was pruned. Without them, rows could go missing there unseen.
const (
	headSetting   = "audit head"
	anchorSetting = "audit anchor"
)

const (
	findSetting = "SELECT value FROM setting WHERE name = $1"
	putSetting  = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

// scanLink reads one end of the chain. Before the first row, it is the zero
// link.
func scanLink(row scanner) (l link, err error) {
	var value []byte
	if err := row.Scan(&value); errors.Is(err, sql.ErrNoRows) {
		return l, nil
	} else if err != nil {
		return l, err
	}
	if len(value) != 8+len(l.hash) {
		return l, fmt.Errorf("the audit log's end has %d bytes", len(value))
	}
	l.id = int64(binary.BigEndian.Uint64(value))
	copy(l.hash[:], value[8:])
	return l, nil
}

// value is how a link is kept in a setting.
func (l link) value() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(l.id)), l.hash[:]...)
}

// chain writes the rows of a batch, each with the hash of the one before, and
// the new end of the chain. It runs once in a commit, whatever the commit
// holds.
func chain(ctx context.Context, tx *db.Tx, notes []AuditEntry) error {
	head, err := scanLink(tx.QueryRow(ctx, findSetting, headSetting))
	if err != nil {
		return fmt.Errorf("finding the end of the audit log: %w", err)
	}
	for i := range notes {
		e := &notes[i]
		e.ID = head.id + 1
		e.Hash = e.sum(head.hash)
		err := tx.Exec(ctx, `INSERT INTO audit (id, at, event, account_id, account, actor, device, address, detail, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, e.ID, millis(e.At), string(e.Event), e.AccountID, e.Account,
			e.Actor, e.Device, e.Address, e.Detail, e.Hash[:])
		if err != nil {
			return fmt.Errorf("writing to the audit log: %w", err)
		}
		head = link{e.ID, e.Hash}
	}
	if err := tx.Exec(ctx, putSetting, headSetting, head.value()); err != nil {
		return fmt.Errorf("moving the end of the audit log: %w", err)
	}
	return nil
}

// BrokenChainError says where the audit log is not as it was written.
type BrokenChainError struct {
	// Row is the first that was changed or is missing.
	Row int64
	// Problem is what is wrong with it.
	Problem string
}

func (e *BrokenChainError) Error() string {
	return fmt.Sprintf("row %d of the audit log %s", e.Row, e.Problem)
}

func broken(row int64, problem string) error { return &BrokenChainError{row, problem} }

// VerifyAudit reads the whole audit log and checks that each row follows from
// the one before, from the last that was pruned to the last that was written.
// It returns how many there are. *BrokenChainError.
func (s *Store) VerifyAudit(ctx context.Context) (rows int64, err error) {
	err = s.db.Snapshot(ctx, func(ctx context.Context, q db.Querier) (err error) {
		rows, err = verifyChain(ctx, q)
		return err
	})
	return rows, db.Wrap("verifying the audit log", err)
}

func verifyChain(ctx context.Context, q db.Querier) (n int64, err error) {
	at, err := scanLink(q.QueryRow(ctx, findSetting, anchorSetting))
	if err != nil {
		return 0, err
	}
	head, err := scanLink(q.QueryRow(ctx, findSetting, headSetting))
	if err != nil {
		return 0, err
	}
	rows, err := q.Query(ctx, selectAudit+"ORDER BY id")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		e, err := scanAudit(rows)
		if err != nil {
			return n, err
		}
		if at, err = at.next(e, head); err != nil {
			return n, err
		}
	}
	if err := rows.Err(); err != nil {
		return n, err
	}
	switch {
	case at.id < head.id:
		return n, broken(at.id+1, "is missing")
	case at.hash != head.hash:
		return n, broken(at.id, "was changed: it is not the last that was written")
	}
	return n, nil
}

// next is the place of a row that follows l in the chain, if it does.
func (l link) next(e AuditEntry, head link) (link, error) {
	switch {
	case e.ID <= l.id:
		return l, broken(e.ID, "was pruned, and is there again")
	case e.ID != l.id+1 && l.id < head.id:
		return l, broken(l.id+1, "is missing")
	case e.ID > head.id:
		return l, broken(e.ID, "is beyond the end of the log")
	case e.Hash != e.sum(l.hash):
		return l, broken(e.ID, "was changed, or the one before it was")
	}
	return link{e.ID, e.Hash}, nil
}

// pruneBatch is how many rows are pruned at a time, so that no sign-in waits
// long for it.
const pruneBatch = 1000

// PruneAudit removes the rows of the audit log that are older than before, and
// what was counted before then. The first row that is younger ends it, so that
// the chain has no gap. It returns how many rows it removed.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (rows int64, err error) {
	for n := int64(pruneBatch); n == pruneBatch && err == nil; rows += n {
		err = s.write(ctx, func(ctx context.Context, tx *tx) (err error) {
			n, err = tx.prune(ctx, before)
			return err
		})
		if err != nil {
			break
		}
	}
	return rows, db.Wrap("pruning the audit log", err)
}

// prune removes one batch of rows, and moves the anchor that the next row
// follows from.
func (t *tx) prune(ctx context.Context, before time.Time) (int64, error) {
	if err := t.Exec(ctx, "DELETE FROM tally WHERE quarter < $1", millis(before.Add(-quarter))); err != nil {
		return 0, err
	}
	anchor, err := scanLink(t.QueryRow(ctx, findSetting, anchorSetting))
	if err != nil {
		return 0, err
	}
	head, err := scanLink(t.QueryRow(ctx, findSetting, headSetting))
	if err != nil {
		return 0, err
	}
	rows, err := t.Query(ctx, selectAudit+"ORDER BY id LIMIT $1", pruneBatch)
	oldest, err := collect(rows, err, scanAudit)
	if err != nil {
		return 0, err
	}
	last := anchor
	for _, e := range oldest {
		if !e.At.Before(before) {
			break
		}
		if last, err = last.next(e, head); err != nil {
			return 0, err // pruning would hide it
		}
	}
	if last == anchor {
		return 0, nil
	}
	if err := t.Exec(ctx, "DELETE FROM audit WHERE id <= $1", last.id); err != nil {
		return 0, err
	}
	return last.id - anchor.id, t.Exec(ctx, putSetting, anchorSetting, last.value())
}

// pruneEvery is how often the audit log is pruned.
const pruneEvery = 10 * time.Minute

// KeepAudit prunes the audit log now and then, until ctx ends, so that it
// holds what happened within the time to keep. Zero: it holds everything.
func (s *Store) KeepAudit(ctx context.Context, keep time.Duration) {
	if keep <= 0 {
		return
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := s.PruneAudit(ctx, s.now().Add(-keep)); err != nil && ctx.Err() == nil {
			s.log.Error("cannot prune the audit log", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
