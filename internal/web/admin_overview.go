package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// adminOverview is the first page for admins: a chart of the last day, and how
// many there are of each thing.
type adminOverview struct {
	accounts *account.Service
	sources  *source.Service
	tokens   *token.Service
	sessions *session.Service
	origins  *origin.Service
	log      *audit.Log
	now      func() time.Time
}

func (o *adminOverview) pages() []page {
	return []page{
		{"GET", "/admin", admin, o.show},
	}
}

type overviewData struct {
	account.Counts
	Sources source.Counts
	Tokens  token.Counts
	Open    int // browsers that are signed in
	Origins int
	Chart   chart
}

func (o *adminOverview) show(ctx context.Context, _ *visit) (view, error) {
	data, err := o.counts(ctx)
	if err != nil {
		return view{}, err
	}
	now := o.now()
	since := now.Add(-chartSpan)
	events, err := o.log.Counts(ctx, since)
	if err != nil {
		return view{}, err
	}
	tallies, err := o.log.Tallies(ctx, since)
	if err != nil {
		return view{}, err
	}
	data.Chart = newChart(now, append(events, tallies...))
	return view{name: "admin", data: data}, nil
}

// counts asks each noun how many there are.
func (o *adminOverview) counts(ctx context.Context) (data overviewData, err error) {
	if data.Counts, err = o.accounts.Count(ctx); err != nil {
		return data, err
	}
	if data.Sources, err = o.sources.Count(ctx); err != nil {
		return data, err
	}
	if data.Tokens, err = o.tokens.Count(ctx); err != nil {
		return data, err
	}
	if data.Open, err = o.sessions.Count(ctx); err != nil {
		return data, err
	}
	data.Origins, err = o.origins.Count(ctx)
	return data, err
}
