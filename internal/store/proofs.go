package store

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Proofs makes the changes of spending a sign-in proof, in several tables. It
// implements signin.Rows.
type Proofs struct{}

// Account implements signin.Rows.
func (Proofs) Account(ctx context.Context, q db.Querier, id int64) (a signin.Account, err error) {
	err = q.QueryRow(ctx, "SELECT id, username, disabled OR owner_id IS NOT NULL, revision, totp_step FROM account WHERE id = $1", id).
		Scan(&a.ID, &a.Username, &a.Disabled, &a.Revision, &a.TOTPStep)
	return a, db.Wrap("reading the account of a proof", err)
}

// SetPasswordHash implements signin.Rows. No cache holds the hash.
func (Proofs) SetPasswordHash(ctx context.Context, tx *db.Tx, id int64, hash plexauth.Secret) error {
	return tx.ExecOne(ctx, "UPDATE account SET password_hash = $2 WHERE id = $1", id, hash)
}

// SetTOTPStep implements signin.Rows. No cache holds the step.
func (Proofs) SetTOTPStep(ctx context.Context, tx *db.Tx, id, step int64) error {
	return tx.ExecOne(ctx, "UPDATE account SET totp_step = $2 WHERE id = $1", id, step)
}

// DeleteBackupCode implements signin.Rows. An account stores whether codes are
// left.
func (Proofs) DeleteBackupCode(ctx context.Context, tx *db.Tx, id int64, code signin.Hash) error {
	tx.Touch(account.Topic, db.IDKey(id))
	return tx.ExecOne(ctx, "DELETE FROM backup_code WHERE account_id = $1 AND hash = $2", id, code[:])
}

// ReplaceCredential implements signin.Rows.
func (Proofs) ReplaceCredential(
	ctx context.Context, tx *db.Tx, id int64, use signin.PasskeyUse,
) (name string, err error) {
	err = tx.QueryRow(ctx, `UPDATE passkey SET credential = $4, last_used_at = $5
		WHERE id = $1 AND account_id = $2 AND credential = $3 RETURNING name`,
		use.ID, id, use.Was, use.Is, millis(tx.Now())).Scan(&name)
	return name, db.Wrap("using a passkey", err)
}
