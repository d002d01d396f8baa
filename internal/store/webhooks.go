package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/webhook"
)

// Webhooks is the tables of the addresses that events are sent to, and of queued
// requests. It implements webhook.Rows.
type Webhooks struct{}

// Subscriber implements webhook.Rows.
func (Webhooks) Subscriber(ctx context.Context, q db.Querier, accountID int64) (a webhook.Subscriber, err error) {
	err = q.QueryRow(ctx, `SELECT id, uuid, title, admin,
		COALESCE((SELECT generation FROM webhook_secret WHERE account_id = account.id), 0)
		FROM account WHERE id = $1`, accountID).Scan(&a.ID, &a.UUID, &a.Title, &a.Admin, &a.Generation)
	return a, db.Wrap("reading an account with webhooks", err)
}

// SetGeneration implements webhook.Rows.
func (Webhooks) SetGeneration(ctx context.Context, tx *db.Tx, accountID, generation int64) error {
	err := tx.Exec(ctx, `INSERT INTO webhook_secret (account_id, generation) VALUES ($1, $2)
		ON CONFLICT (account_id) DO UPDATE SET generation = excluded.generation`, accountID, generation)
	return db.Wrap("renewing the secret of webhooks", err)
}

// Hooks implements webhook.Rows.
func (Webhooks) Hooks(ctx context.Context, q db.Querier, accountID int64) ([]webhook.Hook, error) {
	rows, err := q.Query(ctx, "SELECT id, url FROM webhook WHERE account_id = $1 ORDER BY id", accountID)
	list, err := collect(rows, err, func(row scanner) (h webhook.Hook, err error) {
		return h, row.Scan(&h.ID, &h.URL)
	})
	if err != nil {
		return nil, fmt.Errorf("reading webhooks: %w", err)
	}
	return list, nil
}

// Insert implements webhook.Rows.
func (Webhooks) Insert(ctx context.Context, tx *db.Tx, accountID int64, url string) error {
	err := tx.Exec(ctx, "INSERT INTO webhook (account_id, url, created_at) VALUES ($1, $2, $3)", accountID, url, millis(tx.Now()))
	return db.Wrap("adding a webhook", err)
}

// Delete implements webhook.Rows.
func (Webhooks) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	return db.Wrap("removing a webhook", tx.ExecOne(ctx, "DELETE FROM webhook WHERE id = $1", id))
}

// Waiting implements webhook.Rows.
func (Webhooks) Waiting(ctx context.Context, q db.Querier, accountID int64) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM webhook_delivery WHERE account_id = $1", accountID).Scan(&n)
	return n, db.Wrap("counting what waits to be sent", err)
}

// Queue implements webhook.Rows.
func (Webhooks) Queue(ctx context.Context, tx *db.Tx, accountID, hookID int64, payload []byte) error {
	err := tx.Exec(ctx, `INSERT INTO webhook_delivery (account_id, webhook_id, payload, tries, due_at)
		VALUES ($1, $2, $3, 0, $4)`, accountID, hookID, payload, millis(tx.Now()))
	if err != nil {
		return db.Wrap("queuing a webhook", err)
	}
	tx.Touch(webhook.Topic, "")
	return nil
}

// Due implements webhook.Rows.
func (Webhooks) Due(ctx context.Context, q db.Querier, at time.Time, limit int) ([]webhook.Delivery, error) {
	rows, err := q.Query(ctx, `SELECT d.id, w.url, a.id, a.uuid, a.title, a.admin,
		COALESCE((SELECT generation FROM webhook_secret WHERE account_id = a.id), 0), d.payload, d.tries, d.due_at
		FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id JOIN account a ON a.id = d.account_id
		WHERE d.due_at <= $1 ORDER BY d.due_at, d.id LIMIT $2`, millis(at), limit)
	list, err := collect(rows, err, func(row scanner) (d webhook.Delivery, err error) {
		var due int64
		err = row.Scan(&d.ID, &d.URL, &d.Account.ID, &d.Account.UUID, &d.Account.Title, &d.Account.Admin, &d.Account.Generation,
			&d.Payload, &d.Tries, &due)
		d.DueAt = fromMillis(due)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading queued requests: %w", err)
	}
	return list, nil
}

// NextDue implements webhook.Rows.
func (Webhooks) NextDue(ctx context.Context, q db.Querier, at time.Time) (time.Time, error) {
	var due int64
	err := q.QueryRow(ctx, "SELECT due_at FROM webhook_delivery WHERE due_at > $1 ORDER BY due_at, id LIMIT 1", millis(at)).
		Scan(&due)
	return fromMillis(due), db.Wrap("reading when something is to be sent", err)
}

// PutOff implements webhook.Rows.
func (Webhooks) PutOff(ctx context.Context, tx *db.Tx, id int64, was time.Time, tries int, due time.Time) error {
	err := tx.ExecOne(ctx, "UPDATE webhook_delivery SET tries = $3, due_at = $4 WHERE id = $1 AND due_at = $2",
		id, millis(was), tries, millis(due))
	return db.Wrap("putting off a webhook", err)
}

// Forget implements webhook.Rows.
func (Webhooks) Forget(ctx context.Context, tx *db.Tx, id int64, was time.Time) error {
	err := tx.ExecOne(ctx, "DELETE FROM webhook_delivery WHERE id = $1 AND due_at = $2", id, millis(was))
	return db.Wrap("forgetting a webhook", err)
}
