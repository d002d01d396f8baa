package web

import (
	"context"
	"slices"
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
	// backups and lastBackup are those of firstSteps.
	backups    func() bool
	lastBackup func(context.Context) (time.Time, error)
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
	// Warnings are what an admin should look at.
	Warnings []phrase
}

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
	if data.Warnings, err = o.warnings(ctx, v, events); err != nil {
		return view{}, err
	}
	return view{name: "admin", data: data}, nil
}

const (
	// oldBackup is how old a backup may be before there is a warning.
	oldBackup = 7 * 24 * time.Hour
	// manyRefusals is how many sign-ins may be refused in an hour before there is one.
	manyRefusals = 100
)

// warnings are what the admin should look at, from what happened lately.
func (o *adminOverview) warnings(ctx context.Context, v *visit, events []audit.Count) (list []phrase, err error) {
	if !v.account.HasSecondFactor() {
		list = append(list, say("Your account has no second factor: anyone who learns its password is an admin."))
	}
	refused, hourAgo := int64(0), o.now().Add(-time.Hour)
	for _, e := range events {
		if e.What == string(audit.SignInRefused) && !e.Quarter.Before(hourAgo) {
			refused += e.N
		}
	}
	if refused > manyRefusals {
		list = append(list, say("%s attempts to sign in were refused in the last hour. Look at them in the audit log.", grouped(refused)))
	}
	if !o.backups() {
		return list, nil
	}
	at, err := o.lastBackup(ctx)
	switch age := o.now().Sub(at); {
	case err != nil:
		return nil, err
	case at.IsZero():
		list = append(list, say("There is no backup yet. On the computer that usher runs on: usher backup FILE"))
	case age > oldBackup:
		list = append(list, say("The last backup is %d days old. On the computer that usher runs on: usher backup FILE", int(age.Hours()/24)))
	}
	return list, nil
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
