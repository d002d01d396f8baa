package web

import (
	"context"
	"net/http"
)

// adminTabs are the links between the pages for admins.
var adminTabs = tabs{
	Label: "Pages for admins", Admin: true,
	Tabs: []tab{
		{Path: "/admin", Name: "Overview"},
		{Path: "/admin/accounts", Name: "Accounts"},
		{Path: "/admin/invitations", Name: "Invitations"},
		{Path: "/admin/servers", Name: "Servers"},
		{Path: "/admin/providers", Name: "Providers"},
		{Path: "/admin/tokens", Name: "Tokens"},
		{Path: "/admin/origins", Name: "Origins"},
		{Path: "/admin/keys", Name: "Keys"},
		{Path: "/admin/audit", Name: "Audit log"},
	},
}

// notice is the result of a form, at the top of a page for admins.
type notice struct {
	sent
	Done string
}

// adminDone are the confirmations of a change, by the "done" in the address.
var adminDone = map[string]string{
	"added":       "Added.",
	"removed":     "Removed.",
	"disabled":    "The account is disabled: nothing that is signed in with it works.",
	"enabled":     "The account works again.",
	"password":    "The password is changed.",
	"renamed":     "The account is renamed.",
	"rules":       "The rules are changed.",
	"factor-rule": "The rule for admins is changed.",
	"promoted":    "The account is an admin’s now.",
	"demoted":     "The account is a member’s now.",
	"email":       "The e-mail address is changed and confirmed.",
	"confirm":     "The e-mail address is confirmed.",
	"factor":      "The second factor is off.",
	"passkey":     "The passkey is removed.",
	"shared":      "Shared.",
	"unshared":    "The share is taken back.",
	"revoked":     "The token is revoked.",
	"merged":      "The two are one device now.",
	"key":         "The key is revoked.",

	"uninvited": "The invitation is revoked: its link does not work any more.",

	"others": "Everything of this account is signed out.",
}

// newNotice returns the notice of a visit, with the form that the page answers.
func newNotice(v *visit, s sent) notice {
	n := notice{sent: s}
	if s.problem.empty() {
		n.Done = adminDone[v.URL.Query().Get("done")]
	}
	return n
}

// page is the view of a template that shows the notice.
func (n notice) page(name string, data any) view {
	answer := view{name: name, data: data}
	if !n.problem.empty() {
		answer.status = http.StatusBadRequest
	}
	return answer
}

// adminChanged answers a form: with a redirect and the confirmation, or with the
// form's page and what is wrong.
func adminChanged(
	ctx context.Context, v *visit, to, confirmation string, again section, err error,
) (view, error) {
	if form, ok := rejected(v, err); ok {
		return again(ctx, v, form)
	}
	return view{to: done(v.back(to), confirmation)}, err
}
