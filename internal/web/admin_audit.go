package web

import (
	"context"
	"errors"
	"net/url"
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
	// Older is the page with older rows. Empty: these are the oldest.
	Older  string
	Events []audit.Meaning
	// Newest: these are the newest rows that match.
	Newest bool
}

// maxEntries is how many rows of the audit log are on a page.
const maxEntries = 50

func (a *adminAudit) show(ctx context.Context, v *visit) (view, error) {
	q := v.URL.Query()
	data := auditData{
		Account: strings.TrimSpace(q.Get("account")), Event: q.Get("event"), Text: q.Get("text"),
		Events: audit.Meanings(), Newest: q.Get("before") == "",
	}
	query := audit.Query{
		Text: data.Text, Before: number(q.Get("before")), Limit: maxEntries + 1,
	}
	if data.Event != "" {
		query.Events = []audit.Kind{audit.Kind(data.Event)}
	}
	err := a.narrow(ctx, &query, data.Account)
	if err != nil {
		return view{}, err
	}
	if data.Entries, err = a.log.List(ctx, query); err != nil {
		return view{}, err
	}
	if len(data.Entries) > maxEntries {
		data.Entries = data.Entries[:maxEntries]
		data.Older = data.olderThan(data.Entries[maxEntries-1].ID)
	}
	return view{name: "admin-audit", data: data}, nil
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

// olderThan is the page with the rows of the same search before a row.
func (d auditData) olderThan(id int64) string {
	return d.search(url.Values{"before": {decimal(id)}})
}

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

// verify reads the whole log. It changes nothing, so it is a GET.
func (a *adminAudit) verify(ctx context.Context, _ *visit) (view, error) {
	data := verifiedData{At: a.now()}
	var err error
	if data.Rows, err = a.log.Verify(ctx); errors.As(err, &data.Broken) {
		err = nil
	}
	return view{name: "admin-verify", data: data}, err
}
