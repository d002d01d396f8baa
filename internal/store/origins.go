package store

import (
	"context"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/paging"
)

// Origins is the table of allowed origins. It implements origin.Rows.
type Origins struct{}

// origins are listed by name.
var origins = listing[origin.Origin]{
	query: "SELECT origin, created_at FROM origin ", order: []string{"origin"}, start: []any{""},
	scan: func(row scanner) (o origin.Origin, err error) {
		var created int64
		err = row.Scan(&o.Origin, &created)
		o.CreatedAt = fromMillis(created)
		return o, err
	},
	place: func(o origin.Origin) []any { return []any{o.Origin} },
}

// List implements origin.Rows.
func (Origins) List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[origin.Origin], error) {
	return origins.page(ctx, q, r, "")
}

// Has implements origin.Rows.
func (Origins) Has(ctx context.Context, q db.Querier, text string) (has bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM origin WHERE origin = $1)", text).Scan(&has)
	return has, err
}

// Count implements origin.Rows.
func (Origins) Count(ctx context.Context, q db.Querier) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT "+count("origin", "origin > ''")).Scan(&n)
	return n, err
}

// Insert implements origin.Rows.
func (Origins) Insert(ctx context.Context, tx *db.Tx, o origin.Origin) error {
	err := tx.Exec(ctx, "INSERT INTO origin (origin, created_at) VALUES ($1, $2)", o.Origin, millis(o.CreatedAt))
	return db.Wrap("allowing an origin", err)
}

// Delete implements origin.Rows.
func (Origins) Delete(ctx context.Context, tx *db.Tx, text string) error {
	return db.Wrap("removing an origin", tx.ExecOne(ctx, "DELETE FROM origin WHERE origin = $1", text))
}
