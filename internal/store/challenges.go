package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/passkey"
)

// Challenges is the table of challenges to browsers. It implements
// passkey.ChallengeRows.
type Challenges struct{}

// Put implements passkey.ChallengeRows. No cache holds it.
func (Challenges) Put(
	ctx context.Context, tx *db.Tx, k passkey.ChallengeKey, value []byte, expires time.Time,
) error {
	err := tx.Exec(ctx, `INSERT INTO challenge (key, value, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
		k[:], value, millis(expires))
	return db.Wrap("storing a challenge", err)
}

// Take implements passkey.ChallengeRows.
func (Challenges) Take(ctx context.Context, tx *db.Tx, k passkey.ChallengeKey) (value []byte, err error) {
	err = tx.QueryRow(ctx, "DELETE FROM challenge WHERE key = $1 RETURNING value", k[:]).Scan(&value)
	return value, db.Wrap("taking a challenge", err)
}

// DeleteExpired implements passkey.ChallengeRows.
func (Challenges) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return db.Wrap("removing challenges", tx.Exec(ctx, "DELETE FROM challenge WHERE expires_at <= $1", millis(now)))
}
