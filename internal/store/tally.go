package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// quarter is how finely things are counted.
const quarter = 15 * time.Minute

// quarterOf is when the quarter of an hour began that t falls in.
func quarterOf(t time.Time) time.Time { return t.UTC().Truncate(quarter) }

// TallyTokenChecks is what is counted of tokens that were presented.
const TallyTokenChecks = "token.checks"

// Count is how often something happened in a quarter of an hour.
type Count struct {
	// Quarter is when the quarter began, in UTC.
	Quarter time.Time
	What    string
	N       int64
}

func scanCount(row scanner) (c Count, err error) {
	var at int64
	err = row.Scan(&at, &c.What, &c.N)
	c.Quarter = fromMillis(at)
	return c, err
}

// Tally adds n to how often something happened in the current quarter of an
// hour.
func (s *Store) Tally(ctx context.Context, what string, n int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		return tx.Exec(ctx, `INSERT INTO tally (quarter, what, count) VALUES ($1, $2, $3)
			ON CONFLICT (quarter, what) DO UPDATE SET count = tally.count + excluded.count`,
			millis(quarterOf(s.now())), what, n)
	})
	return db.Wrap("counting "+what, err)
}

// Tallies returns what was counted since the quarter of an hour that since
// falls in, the oldest first.
func (s *Store) Tallies(ctx context.Context, since time.Time) ([]Count, error) {
	rows, err := s.db.Query(ctx, "SELECT quarter, what, count FROM tally WHERE quarter >= $1 ORDER BY quarter, what",
		millis(quarterOf(since)))
	list, err := collect(rows, err, scanCount)
	return list, db.Wrap("reading what was counted", err)
}

// AuditCounts counts the rows of the audit log by quarter of an hour and
// event, from the quarter that since falls in, the oldest first. Refusals that
// were only counted are in it.
func (s *Store) AuditCounts(ctx context.Context, since time.Time) ([]Count, error) {
	rows, err := s.db.Query(ctx, `SELECT quarter, what, SUM(count) FROM (
			SELECT at - at % 900000 AS quarter, event AS what, 1 AS count FROM audit WHERE at >= $1
			UNION ALL
			SELECT quarter, what, count FROM tally WHERE quarter >= $1 AND what <> $2
		) AS every GROUP BY quarter, what ORDER BY quarter, what`, millis(quarterOf(since)), TallyTokenChecks)
	list, err := collect(rows, err, scanCount)
	return list, db.Wrap("counting the audit log", err)
}
