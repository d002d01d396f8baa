package store

import (
	"context"
	"fmt"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
)

// OptOuts implements account.Rows.
func (Accounts) OptOuts(ctx context.Context, q db.Querier, id int64) ([]account.OptOut, error) {
	rows, err := q.Query(ctx, "SELECT source, choice FROM opt_out WHERE account_id = $1 ORDER BY source", id)
	list, err := collect(rows, err, func(row scanner) (o account.OptOut, err error) {
		return o, row.Scan(&o.Source, &o.Choice)
	})
	if err != nil {
		return nil, fmt.Errorf("reading opt-outs: %w", err)
	}
	return list, nil
}

// SetOptOut implements account.Rows. No cache holds them.
func (Accounts) SetOptOut(ctx context.Context, tx *db.Tx, id int64, o account.OptOut) error {
	err := tx.Exec(ctx, `INSERT INTO opt_out (account_id, source, choice) VALUES ($1, $2, $3)
		ON CONFLICT (account_id, source) DO UPDATE SET choice = excluded.choice`, id, o.Source, o.Choice)
	return db.Wrap("storing an opt-out", err)
}
