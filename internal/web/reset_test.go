package web_test

import (
	"net/http"
	"net/url"
	"testing"
)

// resetLink is a link that olga made for mia.
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
	before.wantTo(before.get("/account"), "/auth?next=%2Faccount") // the browser was signed in, and is no longer
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

func TestWhoMakesResetLinks(t *testing.T) {
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
