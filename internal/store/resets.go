package store

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
)

// ResetLink implements account.ResetRows.
func (Accounts) ResetLink(ctx context.Context, q db.Querier, h account.LinkHash) (r account.StoredReset, err error) {
	var expires int64
	err = q.QueryRow(ctx, `SELECT account_id, COALESCE(maker_id, 0), COALESCE(key_id, 0), password, second_factor, FALSE, sent, members_only, revision, expires_at
		FROM reset_link WHERE hash = $1 UNION ALL
		SELECT account_id, 0, 0, TRUE, FALSE, TRUE, FALSE, FALSE, revision, expires_at FROM mailed_reset_link WHERE hash = $1`, h[:]).
		Scan(&r.AccountID, &r.MakerID, &r.KeyID, &r.Password, &r.SecondFactor, &r.Mailed, &r.Sent, &r.MembersOnly, &r.Revision, &expires)
	r.ExpiresAt = fromMillis(expires)
	return r, db.Wrap("reading a reset link", err)
}

// SetReset implements account.ResetRows. No cache holds links.
func (a Accounts) SetReset(ctx context.Context, tx *db.Tx, h account.LinkHash, r account.StoredReset) error {
	if r.Mailed {
		return db.Wrap("making a reset link", a.addMailedReset(ctx, tx, h, r))
	}
	err := tx.Exec(ctx, `INSERT INTO reset_link
		(account_id, hash, maker_id, key_id, password, second_factor, sent, members_only, revision, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, maker_id = excluded.maker_id,
		key_id = excluded.key_id, password = excluded.password, second_factor = excluded.second_factor, sent = excluded.sent,
		members_only = excluded.members_only, revision = excluded.revision, expires_at = excluded.expires_at`,
		r.AccountID, h[:], nullID(r.MakerID), nullID(r.KeyID), r.Password, r.SecondFactor, r.Sent, r.MembersOnly, r.Revision, millis(r.ExpiresAt))
	return db.Wrap("making a reset link", err)
}

// addMailedReset adds a link, and removes the account's oldest ones beyond the bound.
func (Accounts) addMailedReset(ctx context.Context, tx *db.Tx, h account.LinkHash, r account.StoredReset) error {
	err := tx.Exec(ctx, "INSERT INTO mailed_reset_link (hash, account_id, revision, expires_at) VALUES ($1, $2, $3, $4)",
		h[:], r.AccountID, r.Revision, millis(r.ExpiresAt))
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `DELETE FROM mailed_reset_link WHERE account_id = $1 AND hash NOT IN
		(SELECT hash FROM mailed_reset_link WHERE account_id = $1 ORDER BY expires_at DESC LIMIT $2)`,
		r.AccountID, account.MaxMailedResets)
}

// DeleteResets implements account.ResetRows.
func (a Accounts) DeleteResets(ctx context.Context, tx *db.Tx, id int64) error {
	if err := tx.Exec(ctx, "DELETE FROM reset_link WHERE account_id = $1", id); err != nil {
		return db.Wrap("removing a reset link", err)
	}
	return a.DeleteMailedResets(ctx, tx, id)
}

// DeleteMailedResets implements account.ResetRows.
func (Accounts) DeleteMailedResets(ctx context.Context, tx *db.Tx, id int64) error {
	err := tx.Exec(ctx, "DELETE FROM reset_link WHERE account_id = $1 AND sent", id)
	if err == nil {
		err = tx.Exec(ctx, "DELETE FROM mailed_reset_link WHERE account_id = $1", id)
	}
	return db.Wrap("removing reset links", err)
}
