package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/token"
)

// PINs is the table of PINs. It implements pin.Rows.
type PINs struct{}

const selectPIN = `SELECT id, code, strong, nonce, jwk, token_hash, COALESCE(account_id, 0), created_at, expires_at, forward,
	token_hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM token t JOIN account a ON a.id = t.account_id
		WHERE t.hash = pin.token_hash AND NOT a.disabled), ` + selfColumns + ` FROM pin `

func scanPIN(row scanner) (p pin.PIN, err error) {
	var nonce, h []byte
	var jwk string
	var created, expires int64
	dest := []any{
		&p.ID, &p.Code, &p.Strong, &nonce, &jwk, &h, &p.AccountID, &created, &expires, &p.Forward, &p.Revoked,
	}
	err = row.Scan(append(dest, selfDest(&p.Device)...)...)
	copy(p.Nonce[:], nonce)
	copy(p.TokenHash[:], h)
	if jwk != "" {
		p.JWK = []byte(jwk)
	}
	p.CreatedAt, p.ExpiresAt = fromMillis(created), fromMillis(expires)
	return p, err
}

// Get implements pin.Rows.
func (PINs) Get(ctx context.Context, q db.Querier, id int64) (pin.PIN, error) {
	p, err := scanPIN(q.QueryRow(ctx, selectPIN+"WHERE id = $1", id))
	return p, db.Wrap("reading a PIN", err)
}

// ByCode implements pin.Rows.
func (PINs) ByCode(ctx context.Context, q db.Querier, code string) (pin.PIN, error) {
	p, err := scanPIN(q.QueryRow(ctx, selectPIN+"WHERE code = $1", code))
	return p, db.Wrap("reading a PIN by its code", err)
}

// CountWaiting implements pin.Rows.
func (PINs) CountWaiting(ctx context.Context, q db.Querier, strong bool) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM pin WHERE strong = $1 AND account_id IS NULL", strong).Scan(&n)
	return n, err
}

// Waiting implements pin.Rows.
func (PINs) Waiting(ctx context.Context, q db.Querier, strong bool) ([]pin.Waiting, error) {
	rows, err := q.Query(ctx, `SELECT id, address FROM pin
		WHERE strong = $1 AND account_id IS NULL ORDER BY created_at, id`, strong)
	return collect(rows, err, func(row scanner) (w pin.Waiting, err error) {
		err = row.Scan(&w.ID, &w.Address)
		return w, err
	})
}

// Insert implements pin.Rows. The ID can have been another PIN's before.
func (PINs) Insert(ctx context.Context, tx *db.Tx, p pin.PIN) error {
	tx.Touch(pin.Topic, db.IDKey(p.ID))
	args := append([]any{p.ID, p.Code, p.Strong, p.Nonce[:], millis(p.CreatedAt), millis(p.ExpiresAt), p.Forward,
		string(p.JWK)}, self(p.Device)...)
	err := tx.Exec(ctx, "INSERT INTO pin (id, code, strong, nonce, created_at, expires_at, forward, jwk, "+selfColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`, args...)
	return db.Wrap("adding a PIN", err)
}

// SetLinked implements pin.Rows.
func (PINs) SetLinked(ctx context.Context, tx *db.Tx, id, accountID int64, h token.Hash) error {
	tx.Touch(pin.Topic, db.IDKey(id))
	return tx.ExecOne(ctx, "UPDATE pin SET account_id = $2, token_hash = $3 WHERE id = $1", id, accountID, h[:])
}

// Delete implements pin.Rows.
func (PINs) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	tx.Touch(pin.Topic, db.IDKey(id))
	return tx.ExecOne(ctx, "DELETE FROM pin WHERE id = $1", id)
}

// DeleteExpired implements pin.Rows. Caches know when their PINs expire.
func (PINs) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return tx.Exec(ctx, "DELETE FROM pin WHERE expires_at <= $1", millis(now))
}
