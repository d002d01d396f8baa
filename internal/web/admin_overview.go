package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/store"
)

// adminOverview is the first page for admins: a chart of the last day, and how
// many there are of each thing.
type adminOverview struct {
	statistics statistics
	now        func() time.Time
}

// statistics counts rows, and events by quarter of an hour.
type statistics interface {
	Counts(ctx context.Context) (store.Counts, error)
	// AuditCounts counts the audit log's events, Tallies everything else.
	AuditCounts(ctx context.Context, since time.Time) ([]store.Count, error)
	Tallies(ctx context.Context, since time.Time) ([]store.Count, error)
}

func (o *adminOverview) pages() []page {
	return []page{
		{"GET", "/admin", admin, o.show},
	}
}

type overviewData struct {
	store.Counts
	Chart chart
}

func (o *adminOverview) show(ctx context.Context, _ *visit) (view, error) {
	now := o.now()
	since := now.Add(-chartSpan)
	counts, err := o.statistics.Counts(ctx)
	if err != nil {
		return view{}, err
	}
	events, err := o.statistics.AuditCounts(ctx, since)
	if err != nil {
		return view{}, err
	}
	tallies, err := o.statistics.Tallies(ctx, since)
	if err != nil {
		return view{}, err
	}
	data := overviewData{counts, newChart(now, append(events, tallies...))}
	return view{name: "admin", data: data}, nil
}
