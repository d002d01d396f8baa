package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Origin is where people may be sent back to without being asked.
type Origin struct {
	// Origin is scheme://host, with a port where it is not the scheme's own.
	Origin    string
	CreatedAt time.Time
}

// Origins lists the allowed origins by name.
func (s *Store) Origins(ctx context.Context) ([]Origin, error) {
	rows, err := s.db.Query(ctx, "SELECT origin, created_at FROM origin ORDER BY origin")
	list, err := collect(rows, err, func(row scanner) (o Origin, err error) {
		var created int64
		err = row.Scan(&o.Origin, &created)
		o.CreatedAt = fromMillis(created)
		return o, err
	})
	return list, db.Wrap("listing origins", err)
}

// AddOrigin allows an origin. ErrConflict when it is allowed already.
func (s *Store) AddOrigin(ctx context.Context, origin string) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		err := tx.Exec(ctx, "INSERT INTO origin (origin, created_at) VALUES ($1, $2)", origin, millis(s.now()))
		if err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: EventOriginAllowed, Detail: origin})
	})
	return db.Wrap("allowing an origin", err)
}

// RemoveOrigin allows an origin no longer. ErrNotFound.
func (s *Store) RemoveOrigin(ctx context.Context, origin string) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.ExecOne(ctx, "DELETE FROM origin WHERE origin = $1", origin); err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: EventOriginRemoved, Detail: origin})
	})
	return db.Wrap("removing an origin", err)
}
