package store

import (
	"context"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/signing"
)

// SigningKeys is the table of the keys that sign JWTs. It implements
// signing.Rows.
type SigningKeys struct{}

// List implements signing.Rows.
func (SigningKeys) List(ctx context.Context, q db.Querier) ([]signing.Key, error) {
	rows, err := q.Query(ctx, "SELECT id, public_key, sealed_key, signs_from FROM signing_key ORDER BY signs_from, id")
	return collect(rows, err, func(row scanner) (k signing.Key, err error) {
		var public []byte
		var from int64
		err = row.Scan(&k.ID, &public, &k.Sealed, &from)
		k.Public, k.SignsFrom = public, fromMillis(from)
		return k, err
	})
}

// Insert implements signing.Rows.
func (SigningKeys) Insert(ctx context.Context, tx *db.Tx, k signing.Key) error {
	tx.Touch(signing.Topic, k.ID)
	err := tx.Exec(ctx, "INSERT INTO signing_key (id, public_key, sealed_key, signs_from) VALUES ($1, $2, $3, $4)",
		k.ID, []byte(k.Public), k.Sealed, millis(k.SignsFrom))
	return db.Wrap("adding a signing key", err)
}

// Delete implements signing.Rows.
func (SigningKeys) Delete(ctx context.Context, tx *db.Tx, id string) error {
	tx.Touch(signing.Topic, id)
	return tx.ExecOne(ctx, "DELETE FROM signing_key WHERE id = $1", id)
}
