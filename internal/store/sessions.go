package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
)

// Sessions is the table of sessions. It implements session.Rows.
type Sessions struct{}

const selectSession = `SELECT s.id, s.account_id, s.complete, s.revision, s.user_agent, s.address, s.created_at,
	s.last_used_at, s.expires_at, a.disabled, a.revision
	FROM session s JOIN account a ON a.id = s.account_id `

func scanSession(row scanner) (s session.Stored, err error) {
	var created, used, expires int64
	err = row.Scan(&s.ID, &s.AccountID, &s.Complete, &s.Revision, &s.UserAgent, &s.Address, &created,
		&used, &expires, &s.AccountDisabled, &s.AccountRevision)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return s, err
}

// ByHash implements session.Rows.
func (Sessions) ByHash(ctx context.Context, q db.Querier, h session.Hash) (session.Stored, error) {
	s, err := scanSession(q.QueryRow(ctx, selectSession+"WHERE s.hash = $1", h[:]))
	return s, db.Wrap("reading a session", err)
}

// sessions are listed with the last used first.
var sessions = listing[session.Stored]{
	query: selectSession, scan: scanSession, order: []string{"s.last_used_at", "s.id"},
	start: []any{highest, highest}, desc: true,
	place: func(s session.Stored) []any { return []any{millis(s.LastUsedAt), s.ID} },
}

// List implements session.Rows.
func (Sessions) List(
	ctx context.Context, q db.Querier, accountID int64, now time.Time, r paging.Request,
) (paging.List[session.Stored], error) {
	return sessions.page(ctx, q, r, "s.account_id = $1 AND s.complete AND s.expires_at > $2", accountID, millis(now))
}

// Count implements session.Rows.
func (Sessions) Count(ctx context.Context, q db.Querier, now time.Time) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT "+count("session", "complete AND expires_at > $1"), millis(now)).Scan(&n)
	return n, err
}

// CountOf implements session.Rows.
func (Sessions) CountOf(ctx context.Context, q db.Querier, accountID int64, now time.Time) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM session WHERE account_id = $1 AND complete AND expires_at > $2",
		accountID, millis(now)).Scan(&n)
	return n, err
}

// Insert implements session.Rows.
func (Sessions) Insert(ctx context.Context, tx *db.Tx, s session.Session, h session.Hash) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO session (hash, account_id, complete, revision, user_agent, address,
		created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
		h[:], s.AccountID, s.Complete, s.Revision, s.UserAgent, s.Address,
		millis(s.CreatedAt), millis(s.LastUsedAt), millis(s.ExpiresAt)).Scan(&id)
	return id, db.Wrap("adding a session", err)
}

// Replace implements session.Rows.
func (Sessions) Replace(ctx context.Context, tx *db.Tx, s session.Session, h session.Hash) error {
	return tx.ExecOne(ctx, `UPDATE session SET hash = $2, complete = $3, revision = $4, user_agent = $5,
		address = $6, last_used_at = $7, expires_at = $8 WHERE id = $1 AND NOT complete`,
		s.ID, h[:], s.Complete, s.Revision, s.UserAgent, s.Address, millis(s.LastUsedAt), millis(s.ExpiresAt))
}

// NoteUse implements session.Rows.
func (Sessions) NoteUse(ctx context.Context, d *db.DB, id int64, at time.Time) error {
	return d.Note(ctx, db.Notes{Table: "session", Column: "last_used_at", At: map[int64]time.Time{id: at}})
}

// SetLastUsed implements session.Rows.
func (Sessions) SetLastUsed(ctx context.Context, tx *db.Tx, id int64, at time.Time, address string) error {
	return tx.Exec(ctx, "UPDATE session SET last_used_at = $2, address = $3 WHERE id = $1", id, millis(at), address)
}

// Delete implements session.Rows.
func (Sessions) Delete(ctx context.Context, tx *db.Tx, accountID, id int64, only bool) (int, error) {
	condition := "id <> $2"
	if only {
		condition = "id = $2"
	}
	rows, err := tx.Query(ctx, "DELETE FROM session WHERE account_id = $1 AND "+condition+" RETURNING id", accountID, id)
	deleted, err := collect(rows, err, scanID)
	return len(deleted), err
}

// DeleteSurplus implements session.Rows. It counts first: most accounts have few.
func (Sessions) DeleteSurplus(
	ctx context.Context, tx *db.Tx, accountID int64, complete bool, except int,
) (int, error) {
	var n int
	err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM session WHERE account_id = $1 AND complete = $2",
		accountID, complete).Scan(&n)
	if err != nil || n <= except {
		return 0, err
	}
	err = tx.Exec(ctx, `DELETE FROM session WHERE id IN (SELECT id FROM session
		WHERE account_id = $1 AND complete = $2 ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET $3)`,
		accountID, complete, except)
	return n - except, err
}

// DeleteExpired implements session.Rows.
func (Sessions) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return tx.Exec(ctx, "DELETE FROM session WHERE expires_at <= $1", millis(now))
}
