package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ended signs a user in and revokes the session, like another device can.
func (w *fixture) ended(name string) *browser {
	w.Helper()
	b := w.browser().signIn(name)
	w.must(w.Sessions.RevokeOthers(w.Context(), operator, w.account(name).ID, 0))
	return b
}

// from submits a form like the browser on a page does.
func (b *browser) from(page, path string, form url.Values) seen {
	b.Helper()
	return b.do(http.MethodPost, path, form, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Referer": {page}})
}

// A form that is submitted after the session has ended changes nothing. The sign-in page
// says so, and leads back to the page with the form, with its search.
func TestUnsaved(t *testing.T) {
	w := newTown(t)
	for _, test := range []struct{ page, form, back string }{
		{"/admin/accounts?search=m&sort=new", "/admin/accounts", "/admin/accounts?done=unsaved&search=m&sort=new"},
		{"/admin/accounts/2", "/admin/accounts/2/rename", "/admin/accounts/2?done=unsaved"},
		{"/account/profile?done=identity", "/account/identity", "/account/profile?done=unsaved"},
		// The page that answered a form with a problem or a question has the address of the form.
		{"/admin/accounts/2/rename", "/admin/accounts/2/rename", "/admin/accounts/2?done=unsaved"},
		{"/admin/shares/remove", "/admin/shares/remove", "/admin/shares?done=unsaved"},
		{"/admin/servers/remove", "/admin/servers/remove", "/admin/servers?done=unsaved"},
		{"/account/identity", "/account/identity", "/account?done=unsaved"},
		// Attacks: the page is on another site, or is not a page. Only its path counts.
		{"https://evil.example/admin/keys", "/admin/keys", "/admin/keys?done=unsaved"},
		{"https://evil.example//evil.example/x", "/admin/keys", "/admin/keys?done=unsaved"},
		{"https://evil.example//evil.example/../admin/keys", "/admin/keys", "/admin/keys?done=unsaved"},
		{"/setup?key=secret", "/admin/keys", "/admin/keys?done=unsaved"},
		{"", "/account/webhooks/secret/renew", "/account/webhooks?done=unsaved"},
		{":", "/account/webhooks", "/account/webhooks?done=unsaved"},
	} {
		b := w.ended("olga")
		page := test.page
		if strings.HasPrefix(page, "/") {
			page = b.base + page
		}
		answer := b.from(page, test.form, url.Values{"username": {"ben"}})
		to := "/auth?next=" + url.QueryEscape(test.back)
		b.wantTo(answer, to)
		b.wantPage(b.get(to), 200, "You were signed out, so nothing was saved.")
		wrong := url.Values{"login": {"olga"}, "password": {"wrong"}, "next": {test.back}}
		b.wantPage(b.post("/auth/sign-in", wrong), 401, `value="`+test.back+`"`)
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"olga"}, "password": {password}, "next": {test.back}}), test.back)
		b.wantPage(b.get(test.back), 200, "so nothing was saved. Send it again.")
		b.wantNot(b.get(strings.ReplaceAll(test.back, "done=unsaved", "")), "nothing was saved")
	}
	if n := w.entries(); n == 0 {
		t.Error("the audit log is empty")
	}
	for _, name := range []string{"olga", "mia", "noa"} {
		w.account(name) // the name is unchanged
	}
}

// The text is only shown to users who have been signed out: a link cannot make the sign-in
// page show it.
func TestUnsavedIsNotShownElsewhere(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantNot(b.get("/auth?next=/account"), "nothing was saved")
	b.wantNot(b.get("/?done=unsaved"), "nothing was saved")
	b.signIn("mia")
	b.wantNot(b.get("/account"), "nothing was saved", "data-typed")
}

// A user who is signed in, or has no second step, is not redirected in a loop. A code that
// comes too late leads to the page that its form would have led to.
func TestNoSecondStep(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	b.wantTo(b.get("/auth/code?next=%2Flink"), "/auth?next=%2Flink")
	b.wantTo(b.get("/auth?next=%2Flink"), "/link")
	b.wantTo(b.get("/auth?next=%2Fauth%2Fcode"), "/auth/code")
	b.wantTo(b.get("/auth/code"), "/auth?next=%2Faccount")
	w.enrol("noa")
	half := w.browser()
	half.wantTo(half.post("/auth/sign-in", url.Values{"login": {"noa"}, "password": {password}, "next": {"/link"}}), "/auth/code?next=%2Flink")
	w.must(w.Sessions.RevokeOthers(t.Context(), operator, w.account("noa").ID, 0))
	to := "/auth?next=%2Flink&late=1"
	half.wantTo(half.post("/auth/code", url.Values{"code": {"123456"}, "next": {"/link"}}), to)
	half.wantPage(half.get(to), 200, "You are not signed in: the second step took too long")
}
