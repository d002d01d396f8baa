package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/mail"
)

// Outbox is the table of e-mails that wait to be sent. It implements mail.Rows.
type Outbox struct{}

// Insert implements mail.Rows.
func (Outbox) Insert(ctx context.Context, tx *db.Tx, e mail.Entry) error {
	err := tx.Exec(ctx, "INSERT INTO outbox (task, sealed, tries, due_at, ends_at) VALUES ($1, $2, 0, $3, $4)",
		e.Task, e.Sealed, millis(tx.Now()), millis(e.EndsAt))
	if err != nil {
		return db.Wrap("queuing an e-mail", err)
	}
	tx.Touch(mail.Topic, "")
	return nil
}

// Waiting implements mail.Rows.
func (Outbox) Waiting(ctx context.Context, q db.Querier, tasks bool, limit int) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE (task <> '') = $1 LIMIT $2) AS few", tasks, limit).Scan(&n)
	return n, db.Wrap("counting the e-mails that wait", err)
}

// Due implements mail.Rows.
func (Outbox) Due(ctx context.Context, q db.Querier, at time.Time, limit int) ([]mail.Entry, error) {
	rows, err := q.Query(ctx, `SELECT id, task, sealed, tries, due_at, ends_at FROM outbox
		WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2`, millis(at), limit)
	list, err := collect(rows, err, func(row scanner) (e mail.Entry, err error) {
		var due, ends int64
		err = row.Scan(&e.ID, &e.Task, &e.Sealed, &e.Tries, &due, &ends)
		e.DueAt, e.EndsAt = fromMillis(due), fromMillis(ends)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the e-mails that are due: %w", err)
	}
	return list, nil
}

// NextDue implements mail.Rows.
func (Outbox) NextDue(ctx context.Context, q db.Querier) (time.Time, error) {
	var due int64
	err := q.QueryRow(ctx, "SELECT due_at FROM outbox ORDER BY due_at, id LIMIT 1").Scan(&due)
	return fromMillis(due), db.Wrap("reading when an e-mail is due", err)
}

// PutOff implements mail.Rows.
func (Outbox) PutOff(ctx context.Context, tx *db.Tx, e mail.Entry, tries int, due time.Time) error {
	err := tx.ExecOne(ctx, "UPDATE outbox SET tries = $3, due_at = $4 WHERE id = $1 AND due_at = $2",
		e.ID, millis(e.DueAt), tries, millis(due))
	return db.Wrap("putting off an e-mail", err)
}

// Write implements mail.Rows.
func (Outbox) Write(ctx context.Context, tx *db.Tx, e mail.Entry, sealed []byte, ends time.Time) error {
	err := tx.ExecOne(ctx, "UPDATE outbox SET task = '', sealed = $3, ends_at = $4 WHERE id = $1 AND due_at = $2",
		e.ID, millis(e.DueAt), sealed, millis(ends))
	return db.Wrap("writing an e-mail", err)
}

// Forget implements mail.Rows.
func (Outbox) Forget(ctx context.Context, tx *db.Tx, e mail.Entry) error {
	err := tx.ExecOne(ctx, "DELETE FROM outbox WHERE id = $1 AND due_at = $2", e.ID, millis(e.DueAt))
	return db.Wrap("forgetting an e-mail", err)
}

// Hurry implements mail.Rows.
func (Outbox) Hurry(ctx context.Context, tx *db.Tx) error {
	return db.Wrap("making e-mails due", tx.Exec(ctx, "UPDATE outbox SET due_at = $1 WHERE due_at > $1", millis(tx.Now())))
}

// DeleteOld implements mail.Rows.
func (Outbox) DeleteOld(ctx context.Context, tx *db.Tx) error {
	return db.Wrap("removing old e-mails", tx.Exec(ctx, "DELETE FROM outbox WHERE ends_at <= $1", millis(tx.Now())))
}
