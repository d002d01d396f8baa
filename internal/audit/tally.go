package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Quarter is how finely things are counted: a quarter of an hour.
const Quarter = 15 * time.Minute

// quarterOf returns when the quarter of an hour began that t falls in.
func quarterOf(t time.Time) time.Time { return t.UTC().Truncate(Quarter) }

// TokenChecks counts the tokens that were presented.
const TokenChecks = "token.checks"

// Count is how often something happened in a quarter of an hour.
type Count struct {
	// Quarter is when the quarter began, in UTC.
	Quarter time.Time
	// What is a kind of event, or TokenChecks.
	What string
	N    int64 // how many
}

// Tally adds n to how often something happened in the current quarter of an
// hour.
func (l *Log) Tally(ctx context.Context, what string, n int64) error {
	err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return l.tallies.Add(ctx, tx, Count{quarterOf(l.now()), what, n})
	})
	if err != nil {
		return fmt.Errorf("counting %s: %w", what, err)
	}
	return nil
}

// Tallies returns what was counted since the quarter of an hour that since
// falls in, the oldest first.
func (l *Log) Tallies(ctx context.Context, since time.Time) ([]Count, error) {
	return l.tallies.List(ctx, l.db, quarterOf(since))
}

// Counts counts the events by quarter of an hour and kind, from the quarter
// that since falls in, the oldest first. It includes failed attempts that were
// only counted.
func (l *Log) Counts(ctx context.Context, since time.Time) ([]Count, error) {
	return l.tallies.Events(ctx, l.db, quarterOf(since))
}
