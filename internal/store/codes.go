package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/signin"
)

// CodeTries implements account.CodeRows.
func (Accounts) CodeTries(ctx context.Context, q db.Querier, id int64, device string) (t account.CodeTries, err error) {
	var until int64
	err = q.QueryRow(ctx, "SELECT wrong, locked_until FROM code_try WHERE account_id = $1 AND device = $2", id, device).
		Scan(&t.Wrong, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return account.CodeTries{}, nil
	}
	t.LockedUntil = fromMillis(until)
	return t, db.Wrap("reading wrong codes", err)
}

// SetCodeTries implements account.CodeRows.
func (Accounts) SetCodeTries(ctx context.Context, tx *db.Tx, id int64, device string, t account.CodeTries) error {
	return tx.Exec(ctx, `INSERT INTO code_try (account_id, device, wrong, locked_until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, device) DO UPDATE SET wrong = excluded.wrong, locked_until = excluded.locked_until`,
		id, device, t.Wrong, millis(t.LockedUntil))
}

// DeleteCodeTries implements account.CodeRows.
func (Accounts) DeleteCodeTries(ctx context.Context, tx *db.Tx, id int64, device string) error {
	return tx.Exec(ctx, "DELETE FROM code_try WHERE account_id = $1 AND device = $2", id, device)
}

// ClearCodeTries implements account.CodeRows.
func (Accounts) ClearCodeTries(ctx context.Context, tx *db.Tx, id int64) error {
	return tx.Exec(ctx, "DELETE FROM code_try WHERE account_id = $1", id)
}

// HasBackupCode implements account.CodeRows.
func (Accounts) HasBackupCode(ctx context.Context, q db.Querier, id int64, code signin.Hash) (has bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM backup_code WHERE account_id = $1 AND hash = $2)", id, code[:]).
		Scan(&has)
	return has, err
}

// Guesses implements account.CodeRows.
func (Accounts) Guesses(ctx context.Context, q db.Querier, id int64) (g account.Guesses, err error) {
	var first, last int64
	err = q.QueryRow(ctx, "SELECT wrong, first_at, last_at FROM code_notice WHERE account_id = $1", id).
		Scan(&g.Wrong, &first, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return account.Guesses{}, nil
	}
	g.First, g.Latest = fromMillis(first), fromMillis(last)
	return g, db.Wrap("reading a notice", err)
}

// SetGuesses implements account.CodeRows.
func (Accounts) SetGuesses(ctx context.Context, tx *db.Tx, id int64, g account.Guesses) error {
	return tx.Exec(ctx, `INSERT INTO code_notice (account_id, wrong, first_at, last_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET wrong = excluded.wrong, first_at = excluded.first_at,
		last_at = excluded.last_at`, id, g.Wrong, millis(g.First), millis(g.Latest))
}

// DeleteGuesses implements account.CodeRows.
func (Accounts) DeleteGuesses(ctx context.Context, tx *db.Tx, id int64) error {
	return tx.Exec(ctx, "DELETE FROM code_notice WHERE account_id = $1", id)
}

// PendingSeed implements account.EnrolmentRows.
func (Accounts) PendingSeed(ctx context.Context, q db.Querier, sessionID int64, since time.Time) (seed []byte, err error) {
	err = q.QueryRow(ctx, "SELECT seed FROM enrolment WHERE session_id = $1 AND created_at > $2", sessionID, millis(since)).
		Scan(&seed)
	return seed, db.Wrap("reading a seed that is not in force", err)
}

// SetPendingSeed implements account.EnrolmentRows.
func (Accounts) SetPendingSeed(ctx context.Context, tx *db.Tx, sessionID int64, seed []byte) error {
	return tx.Exec(ctx, `INSERT INTO enrolment (session_id, seed, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (session_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at`,
		sessionID, seed, millis(tx.Now()))
}

// DeletePendingSeeds implements account.EnrolmentRows.
func (Accounts) DeletePendingSeeds(ctx context.Context, tx *db.Tx, id int64) error {
	return tx.Exec(ctx, "DELETE FROM enrolment WHERE session_id IN (SELECT id FROM session WHERE account_id = $1)", id)
}

// LinkAccount implements account.EnrolmentRows.
func (Accounts) LinkAccount(ctx context.Context, q db.Querier, h account.LinkHash, now time.Time) (id, makerID int64, err error) {
	err = q.QueryRow(ctx, "SELECT account_id, COALESCE(maker_id, 0) FROM enrolment_link WHERE hash = $1 AND expires_at > $2",
		h[:], millis(now)).Scan(&id, &makerID)
	return id, makerID, db.Wrap("reading a link", err)
}

// SetLink implements account.EnrolmentRows.
func (Accounts) SetLink(ctx context.Context, tx *db.Tx, id int64, h account.LinkHash, makerID int64, expires time.Time) error {
	return tx.Exec(ctx, `INSERT INTO enrolment_link (account_id, hash, maker_id, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, maker_id = excluded.maker_id, expires_at = excluded.expires_at`,
		id, h[:], nullID(makerID), millis(expires))
}

// DeleteLink implements account.EnrolmentRows.
func (Accounts) DeleteLink(ctx context.Context, tx *db.Tx, id int64) error {
	return tx.Exec(ctx, "DELETE FROM enrolment_link WHERE account_id = $1", id)
}
