package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/tries"
)

// Tries is the table of failed attempts. It implements tries.Rows.
type Tries struct{}

// Until implements tries.Rows.
func (Tries) Until(ctx context.Context, q db.Querier, k tries.Key) (time.Time, error) {
	var until int64
	err := q.QueryRow(ctx, "SELECT until FROM failure WHERE key = $1", k[:]).Scan(&until)
	return fromMillis(until), db.Wrap("reading failures", err)
}

// SetUntil implements tries.Rows. No cache holds it.
func (Tries) SetUntil(ctx context.Context, tx *db.Tx, k tries.Key, until time.Time) error {
	err := tx.Exec(ctx, `INSERT INTO failure (key, until) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET until = excluded.until`, k[:], millis(until))
	return db.Wrap("counting failures", err)
}

// Delete implements tries.Rows.
func (Tries) Delete(ctx context.Context, tx *db.Tx, k tries.Key) error {
	return db.Wrap("clearing failures", tx.Exec(ctx, "DELETE FROM failure WHERE key = $1", k[:]))
}

// DeleteExpired implements tries.Rows.
func (Tries) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return db.Wrap("removing failures", tx.Exec(ctx, "DELETE FROM failure WHERE until <= $1", millis(now)))
}
