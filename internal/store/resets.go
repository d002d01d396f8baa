package store

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
)

// ResetLink implements account.ResetRows.
func (Accounts) ResetLink(ctx context.Context, q db.Querier, h account.LinkHash) (r account.StoredReset, err error) {
	var expires int64
	err = q.QueryRow(ctx, `SELECT account_id, COALESCE(maker_id, 0), password, second_factor, revision, expires_at
		FROM reset_link WHERE hash = $1`, h[:]).
		Scan(&r.AccountID, &r.MakerID, &r.Password, &r.SecondFactor, &r.Revision, &expires)
	r.ExpiresAt = fromMillis(expires)
	return r, db.Wrap("reading a reset link", err)
}

// SetReset implements account.ResetRows. No cache holds links.
func (Accounts) SetReset(ctx context.Context, tx *db.Tx, h account.LinkHash, r account.StoredReset) error {
	err := tx.Exec(ctx, `INSERT INTO reset_link (account_id, hash, maker_id, password, second_factor, revision, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, maker_id = excluded.maker_id,
		password = excluded.password, second_factor = excluded.second_factor, revision = excluded.revision,
		expires_at = excluded.expires_at`,
		r.AccountID, h[:], nullID(r.MakerID), r.Password, r.SecondFactor, r.Revision, millis(r.ExpiresAt))
	return db.Wrap("making a reset link", err)
}

// DeleteReset implements account.ResetRows.
func (Accounts) DeleteReset(ctx context.Context, tx *db.Tx, id int64) error {
	return db.Wrap("removing a reset link", tx.Exec(ctx, "DELETE FROM reset_link WHERE account_id = $1", id))
}
