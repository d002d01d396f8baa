package api

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signing"
)

// adminSettings manages the settings of the server in the admin API.
type adminSettings struct {
	origins  *origin.Service
	signing  *signing.Service
	accounts *account.Service
}

func (f adminSettings) routes() []adminRoute {
	const origins, keys, factor = "/admin/api/v1/origins", "/admin/api/v1/signing-keys", "/admin/api/v1/admin-factor"
	return []adminRoute{
		{"GET", origins, adminkey.SettingsRead, paged, false, f.listOrigins},
		{"POST", origins, adminkey.SettingsWrite, "", true, f.allow},
		{"DELETE", origins, adminkey.SettingsWrite, "origin", false, f.removeOrigin},
		{"GET", keys, adminkey.SettingsRead, "", false, f.listKeys},
		{"POST", keys, adminkey.SettingsWrite, "", true, f.replaceKey},
		{"GET", factor, adminkey.SettingsRead, "", false, f.showAdminFactor},
		{"PUT", factor, adminkey.AdminsWrite, "", true, f.setAdminFactor},
	}
}

// originJSON is an allowed origin.
type originJSON struct {
	Origin    string    `json:"origin"`    // such as https://app.example.org
	CreatedAt time.Time `json:"createdAt"` // in UTC
}

func (f adminSettings) listOrigins(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	l, err := f.origins.List(ctx, part)
	return listed(l, err, func(o origin.Origin) originJSON { return originJSON(o) })
}

func (f adminSettings) allow(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Origin string }
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	o, err := f.origins.Allow(ctx, c.actor(), in.Origin)
	return http.StatusCreated, struct {
		Origin string `json:"origin"`
	}{o}, err
}

func (f adminSettings) removeOrigin(ctx context.Context, c *adminCall) (int, any, error) {
	_, err := f.origins.Remove(ctx, c.actor(), c.query.Get("origin"))
	return gone(err)
}

// signingKeyJSON is the public side of a key that signs JWTs.
type signingKeyJSON struct {
	ID        string    `json:"id"`        // key ID in the JWKS
	SignsFrom time.Time `json:"signsFrom"` // in UTC
	Signs     bool      `json:"signs"`     // currently signs JWTs
}

func (f adminSettings) listKeys(ctx context.Context, _ *adminCall) (int, any, error) {
	keys, err := f.signing.List(ctx)
	return listed(paging.List[signing.State]{Rows: keys}, err, func(k signing.State) signingKeyJSON {
		return signingKeyJSON{k.ID, k.SignsFrom, k.Signs}
	})
}

func (f adminSettings) replaceKey(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ AtOnce bool }
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if err := f.signing.Replace(ctx, c.actor(), in.AtOnce); err != nil {
		return 0, nil, err
	}
	return f.listKeys(ctx, c)
}

// adminAudit reads the audit log for the admin API.
type adminAudit struct{ log *audit.Log }

func (f adminAudit) routes() []adminRoute {
	const path = "/admin/api/v1/audit"
	return []adminRoute{
		{"GET", path, adminkey.AuditRead, "limit before after account username event text since", false, f.list},
		{"GET", path + "/verify", adminkey.AuditRead, "", false, f.verify},
	}
}

// auditJSON is a row of the log.
type auditJSON struct {
	ID        int64      `json:"id"`        // number of the row
	At        time.Time  `json:"at"`        // in UTC
	Event     audit.Kind `json:"event"`     // kind of event
	AccountID int64      `json:"accountId"` // account that it happened to; 0 for none
	Account   string     `json:"account"`   // its name at that time
	Actor     string     `json:"actor"`     // who did it
	Device    string     `json:"device"`    // that it was done with
	Address   string     `json:"address"`   // network address of the actor
	Detail    string     `json:"detail"`    // depends on the event
	Chain     string     `json:"chain"`     // hash of the row and the previous one
}

// auditPage is a page of the log, the newest rows first. Before is the parameter for
// the next page, or 0 if there are no more rows.
type auditPage struct {
	Items  []auditJSON `json:"items"`  // the newest first; fewer than the limit if few match in the part that was searched
	Before int64       `json:"before"` // for the next page; 0 on the last
}

func (f adminAudit) list(ctx context.Context, c *adminCall) (int, any, error) {
	q, err := c.auditQuery()
	if err != nil {
		return 0, nil, err
	}
	limit := q.Limit
	q.Limit++
	found, err := f.log.Search(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	rows := found.Entries
	page := auditPage{Items: make([]auditJSON, 0, len(rows)), Before: found.Rest}
	for _, e := range rows[:min(limit, len(rows))] {
		page.Items = append(page.Items, auditJSON{
			e.ID, e.At, e.Event, e.AccountID, e.Account, e.Actor, e.Device, e.Address, e.Detail, hex.EncodeToString(e.Hash[:]),
		})
	}
	if len(rows) > limit {
		page.Before = rows[limit-1].ID
	}
	return http.StatusOK, page, nil
}

// auditQuery returns the query of the log.
func (c *adminCall) auditQuery() (q audit.Query, err error) {
	q = audit.Query{Username: c.query.Get("username"), Text: c.query.Get("text"), Limit: paging.DefaultLimit}
	for name, number := range map[string]*int64{"account": &q.Account, "before": &q.Before, "after": &q.After} {
		if *number, err = c.number(name); err != nil {
			return q, err
		}
	}
	limit, err := c.number("limit")
	if err != nil || limit > maxLimit {
		return q, fault.WithField(errMalformed, "limit", "limit is a number from 1 to 500")
	}
	if limit > 0 {
		q.Limit = int(limit)
	}
	if c.query.Has("since") {
		if q.Since, err = time.Parse(time.RFC3339, c.query.Get("since")); err != nil {
			return q, fault.WithField(errMalformed, "since", "since is not a time such as 2026-01-31T00:00:00Z")
		}
	}
	for _, name := range c.query["event"] {
		if !slices.ContainsFunc(audit.Meanings(), func(m audit.Meaning) bool { return string(m.Kind) == name }) {
			return q, fault.WithField(errMalformed, "event", "there is no event of this name")
		}
		q.Events = append(q.Events, audit.Kind(name))
	}
	return q, nil
}

// verifiedJSON is the result of a verification.
type verifiedJSON struct {
	Good    bool   `json:"good"`    // the chain is unbroken
	Rows    int64  `json:"rows"`    // rows that were read
	Row     int64  `json:"row"`     // first row that was altered; 0 if valid
	Problem string `json:"problem"` // the reason; empty if valid
}

func (f adminAudit) verify(ctx context.Context, _ *adminCall) (int, any, error) {
	rows, err := f.log.Verify(ctx)
	if broken := (*audit.BrokenChainError)(nil); errors.As(err, &broken) {
		return http.StatusOK, verifiedJSON{false, rows, broken.Row, broken.Problem}, nil
	}
	return http.StatusOK, verifiedJSON{Good: true, Rows: rows}, err
}

// adminFactorJSON is the rule whether admins need a second factor.
type adminFactorJSON struct {
	Required     bool       `json:"required"`     // admins need one
	Since        *time.Time `json:"since"`        // in UTC; null if they need none
	GraceSeconds int64      `json:"graceSeconds"` // to set one up, from then on or as an admin
}

func (f adminSettings) showAdminFactor(ctx context.Context, _ *adminCall) (int, any, error) {
	r, err := f.accounts.AdminRule(ctx)
	return http.StatusOK, adminFactorJSON{r.On, orNull(r.Since), int64(r.Grace / time.Second)}, err
}

func (f adminSettings) setAdminFactor(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Required     *bool
		GraceSeconds *int64
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if in.Required == nil {
		return 0, nil, lacks("required")
	}
	grace := account.DefaultGrace
	if in.GraceSeconds != nil {
		grace = -1
		if s := *in.GraceSeconds; s >= 0 && s <= int64(account.MaxGrace/time.Second) {
			grace = time.Duration(s) * time.Second
		}
	}
	err := f.accounts.SetAdminRule(ctx, c.actor(), *in.Required, grace)
	if fault.FieldOf(err) == "grace" {
		err = fault.WithField(err, "graceSeconds", "")
	}
	if err != nil {
		return 0, nil, err
	}
	return f.showAdminFactor(ctx, c)
}
