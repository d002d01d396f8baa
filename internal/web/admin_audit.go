package web

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
)

// adminAudit searches and verifies the audit log.
type adminAudit struct {
	log      *audit.Log
	accounts *account.Service
	now      func() time.Time
}

func (a *adminAudit) pages() []page {
	return []page{
		{"GET", "/admin/audit", admin, a.show},
		{"GET", "/admin/audit/verify", admin, a.verify},
	}
}

type auditData struct {
	// Account, Event and Text are the search.
	Account, Event, Text string
	Entries              []audit.Entry
	// Older and Newer are the pages with older and newer rows, or empty.
	Older, Newer string

	Events []audit.Meaning
	// Newest: these are the newest rows that match.
	Newest bool
	// Partly: a part of the log was searched, and the links lead to the rest.
	Partly bool
}

// maxEntries is how many rows of the audit log are on a page.
const maxEntries = 15

func (a *adminAudit) show(ctx context.Context, v *visit) (view, error) {
	q := v.URL.Query()
	data := auditData{
		Account: strings.TrimSpace(q.Get("account")), Event: q.Get("event"), Text: q.Get("text"),
		Events: audit.Meanings(),
	}
	query := audit.Query{
		Text: data.Text, Before: number(q.Get("before")), After: number(q.Get("after")), Limit: maxEntries + 1,
	}
	query.OldestFirst = query.After != 0 // the ones that follow the rows that were shown
	if data.Event != "" {
		query.Events = []audit.Kind{audit.Kind(data.Event)}
	}
	err := a.narrow(ctx, &query, data.Account)
	if err != nil {
		return view{}, err
	}
	found, err := a.log.Search(ctx, query)
	if err != nil {
		return view{}, err
	}
	data.Entries = found.Entries
	data.link(query)
	data.linkRest(query, found.Rest)
	return view{name: "admin-audit", data: data}, nil
}

// link cuts the entries to a page, in the order of the page, and sets the links to the
// neighbouring pages.
func (d *auditData) link(query audit.Query) {
	more := len(d.Entries) > maxEntries // in the direction of reading
	d.Entries = d.Entries[:min(len(d.Entries), maxEntries)]
	if query.OldestFirst {
		slices.Reverse(d.Entries)
	}
	d.Newest = query.Before == 0 && query.After == 0 || query.OldestFirst && !more
	if len(d.Entries) == 0 {
		return
	}
	if more || query.OldestFirst {
		d.Older = d.search(url.Values{"before": {decimal(d.Entries[len(d.Entries)-1].ID)}})
	}
	if !d.Newest {
		d.Newer = d.search(url.Values{"after": {decimal(d.Entries[0].ID)}})
	}
}

// linkRest sets the links of a page of which a part of the log was searched.
func (d *auditData) linkRest(query audit.Query, rest int64) {
	switch d.Partly = rest != 0; {
	case !d.Partly:
	case query.OldestFirst:
		d.Newest = false
		d.Newer = d.search(url.Values{"after": {decimal(rest)}})
	default:
		d.Older = d.search(url.Values{"before": {decimal(rest)}})
	}
}

// narrow limits a query to an account. The rows of a removed account are found
// by its username.
func (a *adminAudit) narrow(ctx context.Context, query *audit.Query, login string) error {
	if login == "" {
		return nil
	}
	found, err := a.accounts.Find(ctx, login)
	if errors.Is(err, account.ErrNotFound) {
		query.Username = login
		return nil
	}
	query.Account = found.ID
	return err
}

// First is the page with the newest rows of the same search.
func (d auditData) First() string { return d.search(url.Values{}) }

func (d auditData) search(q url.Values) string {
	for name, value := range map[string]string{
		"account": d.Account, "event": d.Event, "text": d.Text,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/admin/audit?" + q.Encode()
}

// verifiedData is the result of verifying the audit log.
type verifiedData struct {
	Rows   int64
	Broken *audit.BrokenChainError // nil: the log is intact
	At     time.Time
}

// Whole says how much of the log is intact.
func (d verifiedData) Whole() phrase {
	switch {
	case d.Rows == 1 && d.Broken == nil:
		return say("The only row of the audit log is as it was written.")
	case d.Broken == nil:
		return say("The %s rows of the audit log are unchanged.", amount(d.Rows))
	case d.Rows == 1:
		return say("The row before it is as it was written.")
	}
	return say("The %s rows before it are as they were written.", amount(d.Rows))
}

// Altered says what is wrong with the log.
func (d verifiedData) Altered() phrase {
	return say("Row %s of the audit log %s.", decimal(d.Broken.Row), say(d.Broken.Problem))
}

// verify reads the whole log. It changes nothing, so it is a GET.
func (a *adminAudit) verify(ctx context.Context, _ *visit) (view, error) {
	data := verifiedData{At: a.now()}
	var err error
	if data.Rows, err = a.log.Verify(ctx); errors.As(err, &data.Broken) {
		err = nil
	}
	return view{name: "admin-verify", data: data}, err
}
