package store

import (
	"context"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/passkey"
)

// Passkeys is the table of passkeys. It implements passkey.Rows.
type Passkeys struct{}

const selectPasskey = "SELECT id, account_id, credential_id, credential, name, created_at, last_used_at FROM passkey "

func scanPasskey(row scanner) (p passkey.Passkey, err error) {
	var created, used int64
	err = row.Scan(&p.ID, &p.AccountID, &p.CredentialID, &p.Credential, &p.Name, &created, &used)
	p.CreatedAt, p.LastUsedAt = fromMillis(created), fromMillis(used)
	return p, err
}

// List implements passkey.Rows.
func (Passkeys) List(ctx context.Context, q db.Querier, accountID int64) ([]passkey.Passkey, error) {
	rows, err := q.Query(ctx, selectPasskey+"WHERE account_id = $1 ORDER BY id", accountID)
	return collect(rows, err, scanPasskey)
}

// ByCredential implements passkey.Rows.
func (Passkeys) ByCredential(ctx context.Context, q db.Querier, credentialID []byte) (passkey.Passkey, error) {
	p, err := scanPasskey(q.QueryRow(ctx, selectPasskey+"WHERE credential_id = $1", credentialID))
	return p, db.Wrap("reading a passkey", err)
}

// Insert implements passkey.Rows.
func (Passkeys) Insert(ctx context.Context, tx *db.Tx, p passkey.Passkey) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO passkey
		(account_id, credential_id, credential, name, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, 0) RETURNING id`,
		p.AccountID, p.CredentialID, p.Credential, p.Name, millis(p.CreatedAt)).Scan(&id)
	return id, db.Wrap("adding a passkey", err)
}

// Delete implements passkey.Rows.
func (Passkeys) Delete(ctx context.Context, tx *db.Tx, accountID, id int64) (name string, err error) {
	err = tx.QueryRow(ctx, "DELETE FROM passkey WHERE id = $1 AND account_id = $2 RETURNING name", id, accountID).
		Scan(&name)
	return name, db.Wrap("removing a passkey", err)
}
