package db

import (
	"context"
	"errors"
	"time"
)

// Tx is one write's view of its transaction. Touched keys are announced, and
// staged values are flushed, if and only if the write succeeds.
type Tx struct {
	conn    *statements
	now     time.Time
	touched []Change
	staged  []stagedValue
}

// Now returns the time of the write, in UTC and to the millisecond, as it is stored: the
// same one at every call.
func (t *Tx) Now() time.Time { return t.now }

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) error {
	_, err := t.conn.exec(ctx, query, args...)
	return err
}

// ExecOne is Exec for a statement that must change a row: ErrNotFound if it
// changes none.
func (t *Tx) ExecOne(ctx context.Context, query string, args ...any) error {
	res, err := t.conn.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// Query implements Querier.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	return t.conn.query(ctx, query, args...)
}

// QueryRow implements Querier.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) Row {
	return t.conn.queryRow(ctx, query, args...)
}

// Touch declares that cached entries for key are stale. Every writer that
// changes cached data calls it, in the transaction of the change.
func (t *Tx) Touch(topic Topic, key string) {
	t.touched = append(t.touched, Change{topic, key})
}
