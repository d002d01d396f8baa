package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/store"
)

// adminTabs are the links between the pages for admins.
var adminTabs = []tab{
	{Path: "/admin", Name: "Overview"},
	{Path: "/admin/accounts", Name: "Accounts"},
	{Path: "/admin/servers", Name: "Servers"},
	{Path: "/admin/providers", Name: "Providers"},
	{Path: "/admin/tokens", Name: "Tokens"},
	{Path: "/admin/origins", Name: "Origins"},
	{Path: "/admin/audit", Name: "Audit log"},
}

// notice is what every page for admins may have to say.
type notice struct {
	Done, Problem string
	// Form is what was sent and is to be mended. It may hold a password, which
	// no template shows.
	Form url.Values
}

// adminDone is what a page for admins says after a change, by the name in its
// address.
var adminDone = map[string]string{
	"added":    "Added.",
	"removed":  "Removed.",
	"disabled": "The account is disabled: nothing that is signed in with it works.",
	"enabled":  "The account works again.",
	"password": "The password is changed.",
	"factor":   "The second factor is off.",
	"passkey":  "The passkey is removed.",
	"shared":   "Shared.",
	"unshared": "The share is taken back.",
	"revoked":  "The token is revoked.",
	"others":   "Everything of this account is signed out.",
}

func newNotice(v *visit, problem string) notice {
	n := notice{Done: adminDone[v.URL.Query().Get("done")], Problem: problem, Form: v.PostForm}
	if problem != "" {
		n.Done = ""
	}
	return n
}

// shown is a page for admins, with what was wrong with a form.
func (n notice) shown(name string, data any) view {
	answer := view{name: name, data: data}
	if n.Problem != "" {
		answer.status = http.StatusBadRequest
	}
	return answer
}

// show builds a page again, with what was wrong with its form.
type show func(ctx context.Context, v *visit, problem string) (view, error)

// adminChanged is where a form of a page for admins leads: to a path of ours
// with what was done, or back to the page with what was wrong.
func adminChanged(ctx context.Context, v *visit, to, done string, again show, err error) (view, error) {
	if text, ok := problem(err); ok {
		return again(ctx, v, text)
	}
	return view{to: to + "?done=" + done}, err
}

// errSelf says that admins do not change their own account as they change
// others': their own page asks for the password that they have.
var errSelf = fault.New(fault.Denied, "this is your own account: change it on your account's page")

// overviewData is the first page for admins.
type overviewData struct {
	store.Counts
	Chart chart
}

func (p *Pages) adminOverview(ctx context.Context, _ *visit) (view, error) {
	now := p.Now()
	since := now.Add(-chartSpan)
	var data overviewData
	var events, tallies []store.Count
	var err error
	if data.Counts, err = p.Store.Counts(ctx); err != nil {
		return view{}, err
	}
	if events, err = p.Store.AuditCounts(ctx, since); err != nil {
		return view{}, err
	}
	if tallies, err = p.Store.Tallies(ctx, since); err != nil {
		return view{}, err
	}
	data.Chart = newChart(now, append(events, tallies...))
	return view{name: "admin", data: data}, nil
}

// tokensData is the page of live tokens.
type tokensData struct {
	notice
	Tokens   []store.TokenInfo
	More     int // how many are not shown
	Accounts []store.Account
	Account  int64 // whose tokens are shown; 0: everybody's
}

// maxTokens is how many tokens are shown at a time.
const maxTokens = 200

func (p *Pages) adminTokens(ctx context.Context, v *visit) (view, error) {
	data := tokensData{notice: newNotice(v, ""), Account: number(v.URL.Query().Get("account"))}
	var err error
	if data.Accounts, err = p.Accounts.List(ctx); err != nil {
		return view{}, err
	}
	if data.Tokens, err = p.Store.Tokens(ctx, data.Account); err != nil {
		return view{}, err
	}
	if data.More = max(0, len(data.Tokens)-maxTokens); data.More > 0 {
		data.Tokens = data.Tokens[:maxTokens]
	}
	return view{name: "admin-tokens", data: data}, nil
}

// revokeToken ends a token, and goes back to the list that it stood in.
func (p *Pages) revokeToken(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = p.Tokens.Revoke(ctx, id)
	}
	to := "/admin/tokens?done=revoked"
	if account := v.PostFormValue("account"); account != "" {
		to += "&" + url.Values{"account": {account}}.Encode()
	}
	return view{to: to}, err
}

// originsData is the page of allowed origins.
type originsData struct {
	notice
	Origins []store.Origin
}

func (p *Pages) adminOrigins(ctx context.Context, v *visit) (view, error) {
	return p.showOrigins(ctx, v, "")
}

func (p *Pages) showOrigins(ctx context.Context, v *visit, problem string) (view, error) {
	data := originsData{notice: newNotice(v, problem)}
	var err error
	data.Origins, err = p.Origins.List(ctx)
	return data.shown("admin-origins", data), err
}

func (p *Pages) allowOrigin(ctx context.Context, v *visit) (view, error) {
	_, err := p.Origins.Allow(ctx, strings.TrimSpace(v.PostFormValue("origin")))
	return adminChanged(ctx, v, "/admin/origins", "added", p.showOrigins, err)
}

func (p *Pages) removeOrigin(ctx context.Context, v *visit) (view, error) {
	_, err := p.Origins.Remove(ctx, v.PostFormValue("origin"))
	return adminChanged(ctx, v, "/admin/origins", "removed", p.showOrigins, err)
}

// auditData is the page of the audit log.
type auditData struct {
	// Account, Event and Text are what is searched for.
	Account, Event, Text string
	Entries              []store.AuditEntry
	// Older is the page with the rows before these; empty: there are none.
	Older  string
	Events []store.EventMeaning
	// Newest: these are the newest rows of what is searched for.
	Newest bool
}

// maxEntries is how many rows of the audit log are shown at a time.
const maxEntries = 50

func (p *Pages) adminAudit(ctx context.Context, v *visit) (view, error) {
	q := v.URL.Query()
	data := auditData{
		Account: strings.TrimSpace(q.Get("account")), Event: q.Get("event"), Text: q.Get("text"), Events: store.EventMeanings(),
		Newest: q.Get("before") == "",
	}
	query := store.AuditQuery{
		Text: data.Text, Before: number(q.Get("before")), Limit: maxEntries + 1,
	}
	if data.Event != "" {
		query.Events = []store.EventKind{store.EventKind(data.Event)}
	}
	err := p.whoseEntries(ctx, &query, data.Account)
	if err != nil {
		return view{}, err
	}
	if data.Entries, err = p.Store.Audit(ctx, query); err != nil {
		return view{}, err
	}
	if len(data.Entries) > maxEntries {
		data.Entries = data.Entries[:maxEntries]
		data.Older = data.olderThan(data.Entries[maxEntries-1].ID)
	}
	return view{name: "admin-audit", data: data}, nil
}

// whoseEntries narrows a query to an account, also to one that is gone.
func (p *Pages) whoseEntries(ctx context.Context, query *store.AuditQuery, login string) error {
	if login == "" {
		return nil
	}
	a, err := p.Accounts.Find(ctx, login)
	if errors.Is(err, account.ErrNotFound) {
		query.Username = login
		return nil
	}
	query.Account = a.ID
	return err
}

// First is the page with the newest rows of the same search.
func (d auditData) First() string { return d.search(url.Values{}) }

// olderThan is the page of the same search before a row.
func (d auditData) olderThan(id int64) string { return d.search(url.Values{"before": {decimal(id)}}) }

func (d auditData) search(q url.Values) string {
	for name, value := range map[string]string{"account": d.Account, "event": d.Event, "text": d.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/admin/audit?" + q.Encode()
}

// verifiedData is what verifying the audit log found.
type verifiedData struct {
	Rows   int64
	Broken *store.BrokenChainError
	At     time.Time
}

// verifyAudit reads the whole log. It changes nothing, and so is a GET.
func (p *Pages) verifyAudit(ctx context.Context, _ *visit) (view, error) {
	data := verifiedData{At: p.Now()}
	var err error
	if data.Rows, err = p.Store.VerifyAudit(ctx); errors.As(err, &data.Broken) {
		err = nil
	}
	return view{name: "admin-verify", data: data}, err
}
