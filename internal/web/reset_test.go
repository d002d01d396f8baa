package web_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/usher-auth/usher/internal/db"
)

// resetLink is a link that olga created for mia.
func (w *fixture) resetLink(form url.Values) string {
	w.Helper()
	olga := w.browser().signIn("olga")
	form.Set("current", password)
	return olga.shownLink(olga.post("/admin/accounts/2/reset-link", form))
}

func TestResetLink(t *testing.T) {
	w := newTown(t)
	before := w.browser().signIn("mia")
	link := w.resetLink(url.Values{"password": {"1"}})
	b := w.browser()
	b.wantTo(b.get(link), "/reset")
	b.wantPage(b.get("/reset"), 200, "Hello mia", "New password")
	b.do(http.MethodHead, link, nil, http.Header{})
	b.wantPage(b.post("/reset", url.Values{"new": {"short"}}), 400, "at least 8", "aria-invalid")
	const changed = "a password that is new"
	b.wantTo(b.post("/reset", url.Values{"new": {changed}}), "/account")
	b.wantPage(b.get("/account"), 200, "mia")
	before.wantTo(before.get("/account"), "/auth?next=%2Faccount") // the browser was signed in before
	again := w.browser()
	again.get(link)
	again.wantPage(again.get("/reset"), 403, "used already")
	again.wantPage(again.post("/reset", url.Values{"new": {"of somebody else"}}), 403, "used already")
	again.wantTo(again.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {changed}}), "/account")
}

func TestResetWithSecondFactor(t *testing.T) {
	w := newTown(t)
	seed, _ := w.enrol("mia")
	b := w.browser()
	b.get(w.resetLink(url.Values{"password": {"1"}}))
	b.wantPage(b.get("/reset"), 200, "still need your second factor")
	b.wantTo(b.post("/reset", url.Values{"new": {"a password that is new"}}), "/auth/code?next=%2Faccount")
	b.wantTo(b.get("/account"), "/auth?next=%2Faccount") // attack: the link alone is not enough
	b.wantTo(b.post("/auth/code", url.Values{"code": {w.code(seed)}}), "/account")

	w.enrol("mia")
	b = w.browser()
	b.get(w.resetLink(url.Values{"factor": {"1"}}))
	b.wantPage(b.get("/reset"), 200, "Give your password")
	b.wantPage(b.post("/reset", url.Values{"current": {"wrong"}}), 400, "Your own password is not right")
	b.wantTo(b.post("/reset", url.Values{"current": {"a password that is new"}}), "/account")

	w.enrol("mia")
	b = w.browser()
	b.get(w.resetLink(url.Values{"password": {"1"}, "factor": {"1"}}))
	b.wantTo(b.post("/reset", url.Values{"new": {password}}), "/account")
	if w.account("mia").HasSecondFactor() {
		t.Error("the second factor is on")
	}
}

func TestResetLinkCreators(t *testing.T) {
	w := newTown(t)
	olga, mia := w.browser().signIn("olga"), w.browser().signIn("mia")
	const path = "/admin/accounts/2/reset-link"
	olga.wantPage(olga.post(path, url.Values{"password": {"1"}, "current": {"wrong"}}), 400, "Your own password is not right")
	olga.wantPage(olga.post(path, url.Values{"current": {password}}), 400, "Choose what the link is for")
	olga.wantPage(olga.post("/admin/accounts/1/reset-link", url.Values{"password": {"1"}, "current": {password}}), 400, "your own account")
	mia.wantPage(mia.post(path, url.Values{"password": {"1"}, "current": {password}}), 403, "Only an admin")

	b := w.browser()
	b.wantPage(b.get("/reset"), 403, "Open the link")
	b.wantPage(b.post("/reset", url.Values{"new": {"a password of the thief"}}), 403, "Open the link")
	b.wantTo(b.get("/reset?key=guess"), "/reset")
	b.wantPage(b.get("/reset"), 403, "used already")
	b.wantPage(b.get("/auth"), 200, "Password lost?", "Ask an admin of this server")
}

// The page that shows a link says what the link changes in this account, and the page
// behind the link says the same.
func TestResetLinkSaysWhatHappens(t *testing.T) {
	for name, c := range map[string]struct {
		of                   func(w *fixture) // sets how mia signs in
		form                 url.Values
		admin, mia           []string
		adminNever, miaNever string
	}{
		"a password": {
			of: func(*fixture) {}, form: url.Values{"password": {"1"}},
			admin: []string{"sets a new password for mia."}, adminNever: "second factor", mia: []string{"Choose a new password."}, miaNever: "second factor",
		},
		"a password and a factor that stays": {
			of: func(w *fixture) { w.enrol("mia") }, form: url.Values{"password": {"1"}},
			admin: []string{"sets a new password for mia.", "The second factor stays"}, adminNever: "turned off",
			mia: []string{"Choose a new password.", "still need your second factor"}, miaNever: "turned off",
		},
		"a password and a factor": {
			of: func(w *fixture) { w.enrol("mia") }, form: url.Values{"password": {"1"}, "factor": {"1"}},
			admin: []string{"sets a new password for mia. The second factor is turned off."}, adminNever: "stays",
			mia: []string{"Choose a new password. Your second factor is turned off"}, miaNever: "still need",
		},
		"a factor": {
			of: func(w *fixture) { w.enrol("mia") }, form: url.Values{"factor": {"1"}},
			admin: []string{"and knows the password turns the second factor of mia off. The password stays."}, adminNever: "sets a",
			mia: []string{"Give your password, and your second factor is turned off"}, miaNever: "Choose",
		},
		"a factor that there is not": {
			of: func(*fixture) {}, form: url.Values{"password": {"1"}, "factor": {"1"}},
			admin: []string{"sets a new password for mia."}, adminNever: "second factor", mia: []string{"Choose a new password."}, miaNever: "second factor",
		},
		"passkeys only": {
			of: func(w *fixture) { w.onlyPasskeys("mia") }, form: url.Values{"password": {"1"}},
			admin: []string{"makes a new passkey for mia, in place of all"}, adminNever: "new password", mia: []string{"Make a new one here"}, miaNever: "password",
		},
		"passkeys only, and a factor": {
			of: func(w *fixture) { w.onlyPasskeys("mia"); w.enrol("mia") }, form: url.Values{"password": {"1"}, "factor": {"1"}},
			admin: []string{"makes a new passkey for mia", "The second factor is turned off."}, adminNever: "new password",
			mia: []string{"Make a new one here", "Your second factor is turned off."}, miaNever: "password",
		},
		"no password yet": {
			of: func(w *fixture) { w.withoutPassword("mia") }, form: url.Values{"password": {"1"}},
			admin: []string{"sets a password for mia, who has none"}, adminNever: "new password", mia: []string{"Choose a password: you have none yet."}, miaNever: "Choose a new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			c.of(w)
			olga := w.browser().signIn("olga")
			c.form.Set("current", password)
			page := olga.post("/admin/accounts/2/reset-link", c.form)
			olga.wantPage(page, 200, c.admin...)
			olga.wantNot(page, c.adminNever)
			b := w.browser()
			b.get(olga.shownLink(page))
			page = b.get("/reset")
			b.wantPage(page, 200, c.mia...)
			b.wantNot(page, c.miaNever)
		})
	}
}

// onlyPasskeys adds a passkey to an account, and turns its password off.
func (w *fixture) onlyPasskeys(name string) {
	w.Helper()
	id, yes := w.account(name).ID, true
	w.must(w.DB.Write(w.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, `INSERT INTO passkey (account_id, credential_id, credential, name, created_at, last_used_at)
			VALUES ($1, $2, $3, 'Den', 1, 0)`, id, []byte{1}, []byte("{}"))
	}))
	w.must(w.Accounts.SetRules(w.Context(), operator, id, &yes, nil, w.Passkeys))
}

// withoutPassword removes the password of an account, like that of an account created by a
// passkey.
func (w *fixture) withoutPassword(name string) {
	w.Helper()
	id := w.account(name).ID
	w.must(w.DB.Write(w.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "UPDATE account SET password_hash = '' WHERE id = $1", id)
	}))
}
