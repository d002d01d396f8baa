package web

import (
	"context"
	"net/http"
	"net/url"
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

// notice is the result of a form, at the top of a page for admins.
type notice struct {
	Done, Problem string
	// Form is the invalid form that was sent, so that the visitor can correct it.
	// It may hold a password, which no template shows.
	Form url.Values
}

// adminDone are the confirmations of a change, by the "done" in the address.
var adminDone = map[string]string{
	"added":    "Added.",
	"removed":  "Removed.",
	"disabled": "The account is disabled: nothing that is signed in with it works.",
	"enabled":  "The account works again.",
	"password": "The password is changed.",
	"email":    "The e-mail address is changed and confirmed.",
	"confirm":  "The e-mail address is confirmed.",
	"factor":   "The second factor is off.",
	"passkey":  "The passkey is removed.",
	"shared":   "Shared.",
	"unshared": "The share is taken back.",
	"revoked":  "The token is revoked.",
	"others":   "Everything of this account is signed out.",
}

// newNotice returns the notice of a visit. problem is what is wrong with the
// form that was sent; empty without one.
func newNotice(v *visit, problem string) notice {
	n := notice{Done: adminDone[v.URL.Query().Get("done")], Problem: problem, Form: v.PostForm}
	if problem != "" {
		n.Done = ""
	}
	return n
}

// page is the view of a template that shows the notice.
func (n notice) page(name string, data any) view {
	answer := view{name: name, data: data}
	if n.Problem != "" {
		answer.status = http.StatusBadRequest
	}
	return answer
}

// show shows a page for admins, with what is wrong with the form that was sent.
type show func(ctx context.Context, v *visit, problem string) (view, error)

// asHandler shows the page without a problem.
func (s show) asHandler(ctx context.Context, v *visit) (view, error) { return s(ctx, v, "") }

// adminChanged answers a form: with a redirect and the confirmation, or with the
// form's page and what is wrong.
func adminChanged(
	ctx context.Context, v *visit, to, done string, again show, err error,
) (view, error) {
	if text, ok := problem(err); ok {
		return again(ctx, v, text)
	}
	return view{to: to + "?done=" + done}, err
}
