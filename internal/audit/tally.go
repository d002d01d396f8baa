package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Quarter is the interval for which events are counted: a quarter of an hour.
const Quarter = 15 * time.Minute

// quarterOf returns the start of the quarter of an hour that contains t.
func quarterOf(t time.Time) time.Time { return t.UTC().Truncate(Quarter) }

// TokenChecks counts the tokens that were presented.
const TokenChecks = "token.checks"

// Count is the number of events of a kind in a quarter of an hour.
type Count struct {
	// Quarter is when the quarter began, in UTC.
	Quarter time.Time
	// What is a kind of event, or TokenChecks.
	What string
	N    int64 // how many
}

// Tally adds n to a count of the current quarter of an hour.
func (l *Log) Tally(ctx context.Context, what string, n int64) error {
	err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return l.tallies.Add(ctx, tx, Count{quarterOf(l.now()), what, n})
	})
	if err != nil {
		return fmt.Errorf("counting %s: %w", what, err)
	}
	return nil
}

// Tallies returns the counts since the quarter of an hour that contains since, the
// oldest first.
func (l *Log) Tallies(ctx context.Context, since time.Time) ([]Count, error) {
	return l.tallies.List(ctx, l.db, quarterOf(since))
}

const (
	// countAfter is how long after its end a quarter is counted. An event that is
	// stored later than that, because a clock was set back, is in no count.
	countAfter = Quarter
	// countSince is how far back events are counted: one day more than the longest
	// chart.
	countSince = 8 * 24 * time.Hour
)

// CountEvents stores the number of events in each quarter of an hour that has ended, so
// that Counts need not read them.
func (l *Log) CountEvents(ctx context.Context) error {
	now := l.now()
	to := quarterOf(now.Add(-countAfter))
	from := func(q db.Querier) (time.Time, error) {
		counted, err := l.tallies.Counted(ctx, q)
		if oldest := quarterOf(now.Add(-countSince)); counted.Before(oldest) {
			counted = oldest
		}
		return counted, err
	}
	counted, err := from(l.db)
	if err == nil && counted.Before(to) {
		err = l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			counted, err := from(tx) // another node may have counted since
			if err != nil || !counted.Before(to) {
				return err
			}
			return l.tallies.CountEvents(ctx, tx, counted, to)
		})
	}
	if err != nil {
		return fmt.Errorf("counting events: %w", err)
	}
	return nil
}

// KeepCounting counts events immediately and then every quarter of an hour, until ctx
// ends.
func (l *Log) KeepCounting(ctx context.Context) {
	tick := time.NewTicker(Quarter)
	defer tick.Stop()
	for {
		if err := l.CountEvents(ctx); err != nil && !errors.Is(err, context.Canceled) {
			l.logger.Error("cannot count events", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Counts counts the events by quarter of an hour and kind, from the quarter that
// contains since, the oldest first. It includes failed attempts that were only counted.
func (l *Log) Counts(ctx context.Context, since time.Time) ([]Count, error) {
	return l.tallies.Events(ctx, l.db, quarterOf(since))
}
