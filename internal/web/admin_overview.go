package web

import (
	"context"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

// adminOverview is the first page for admins: warnings, a chart of the last day,
// the counts, and the unknown paths that clients requested.
type adminOverview struct {
	accounts *account.Service
	sources  *source.Service
	tokens   *token.Service
	sessions *session.Service
	origins  *origin.Service
	log      *audit.Log
	now      func() time.Time
	warnings warnings
	missed   *missed.Paths // nil: they are not listed
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
	// FactorRequired says that admins need a second factor.
	FactorRequired bool
	Chart          chart
	// Warnings are what an admin should look at.
	Warnings []phrase
	// Missed are the unknown paths that clients requested, those of most requests
	// first, and MoreMissed is how many others there are.
	Missed     []missed.Path
	MoreMissed int
}

// mostMissed is how many of the unknown paths are shown.
const mostMissed = 10

func (o *adminOverview) show(ctx context.Context, v *visit) (view, error) {
	data, err := o.counts(ctx)
	if err != nil {
		return view{}, err
	}
	now := o.now()
	span := dayChart
	if v.URL.Query().Get("span") == "week" {
		span = weekChart
	}
	since := now.Add(-span.span)
	events, err := o.log.Counts(ctx, since)
	if err != nil {
		return view{}, err
	}
	tallies, err := o.log.Tallies(ctx, since)
	if err != nil {
		return view{}, err
	}
	// The events have all other tallies in them already.
	checks := slices.DeleteFunc(tallies, func(c audit.Count) bool { return c.What != audit.TokenChecks })
	data.Chart = span.draw(now, slices.Concat(events, checks))
	if data.Warnings, err = o.warnings.list(ctx, v, events); err != nil {
		return view{}, err
	}
	if o.missed != nil {
		data.Missed = o.missed.List()
	}
	if n := len(data.Missed) - mostMissed; n > 0 {
		data.Missed, data.MoreMissed = data.Missed[:mostMissed], n
	}
	return view{name: "admin", data: data}, nil
}

// counts asks each noun how many there are.
func (o *adminOverview) counts(ctx context.Context) (data overviewData, err error) {
	if data.Counts, err = o.accounts.Count(ctx); err != nil {
		return data, err
	}
	rule, err := o.accounts.AdminRule(ctx)
	if err != nil {
		return data, err
	}
	data.FactorRequired = rule.On
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
