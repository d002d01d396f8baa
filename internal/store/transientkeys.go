package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/token"
)

// TransientKeys is the table of the keys of transient tokens. It implements
// token.KeyRows.
type TransientKeys struct{}

// List implements token.KeyRows.
func (TransientKeys) List(ctx context.Context, q db.Querier) ([]token.SealedKey, error) {
	rows, err := q.Query(ctx, "SELECT id, key, expires_at FROM transient_key ORDER BY id")
	list, err := collect(rows, err, func(row scanner) (k token.SealedKey, err error) {
		var expires int64
		err = row.Scan(&k.ID, &k.Sealed, &expires)
		k.ExpiresAt = fromMillis(expires)
		return k, err
	})
	return list, db.Wrap("reading the keys of transient tokens", err)
}

// Insert implements token.KeyRows.
func (TransientKeys) Insert(ctx context.Context, tx *db.Tx, k token.SealedKey) error {
	tx.Touch(token.KeyTopic, db.IDKey(k.ID))
	err := tx.Exec(ctx, "INSERT INTO transient_key (id, key, expires_at) VALUES ($1, $2, $3)",
		k.ID, k.Sealed, millis(k.ExpiresAt))
	return db.Wrap("adding the key of transient tokens", err)
}

// Renew implements token.KeyRows. No node relies on a cached expiry:
// it queries again once that is past.
func (TransientKeys) Renew(ctx context.Context, tx *db.Tx, k token.SealedKey) error {
	err := tx.ExecOne(ctx, "UPDATE transient_key SET expires_at = $3 WHERE id = $1 AND key = $2",
		k.ID, k.Sealed, millis(k.ExpiresAt))
	return db.Wrap("renewing the key of transient tokens", err)
}

// Delete implements token.KeyRows.
func (TransientKeys) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	tx.Touch(token.KeyTopic, db.IDKey(id))
	return db.Wrap("removing the key of transient tokens", tx.Exec(ctx, "DELETE FROM transient_key WHERE id = $1", id))
}

// DeleteExpired implements token.KeyRows. Nodes know when keys expire.
func (TransientKeys) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return db.Wrap("removing the keys of transient tokens",
		tx.Exec(ctx, "DELETE FROM transient_key WHERE expires_at <= $1", millis(now)))
}
