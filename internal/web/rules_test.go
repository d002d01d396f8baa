package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/web"
)

// withRules returns mia's browser and passkey, after olga has set rules for how mia signs
// in.
func (w *fixture) withRules(rules url.Values) (mia *browser, phone *passkeytest.Key) {
	w.Helper()
	mia = w.browser().signIn("mia")
	phone = mia.addPasskey("phone")
	olga := w.browser().signIn("olga")
	const path = "/admin/accounts/2/rules"
	olga.wantPage(olga.post(path, rules), 200, "Change how mia signs in?")
	sure := url.Values{"sure": {"1"}, "current": {password}}
	for name, values := range rules {
		sure[name] = values
	}
	olga.wantTo(olga.post(path, sure), "/admin/accounts/2?done=rules")
	return mia, phone
}

// answered returns the form of a change with a passkey's response.
func (b *browser) answered(key *passkeytest.Key, form url.Values) url.Values {
	b.Helper()
	all := url.Values{"answer": {string(key.Sign(b, b.options("/account/confirm/challenge", nil)))}}
	for name, values := range form {
		all[name] = values
	}
	return all
}

// Attack: an attacker has the password of an account whose password is off, and tries it
// wherever the pages accept one.
func TestPasswordOffOnThePages(t *testing.T) {
	w := newTown(t)
	mia, phone := w.withRules(url.Values{"password-off": {"1"}})
	b := w.browser()
	form := url.Values{"login": {"mia"}, "password": {password}}
	off := b.post("/auth/sign-in", form)
	b.wantPage(off, 401, "The name or the password is not right.")
	wrong := b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {"wrong horse"}})
	if off.text != wrong.text {
		t.Errorf("the right password returns\n%s, and a wrong one\n%s", off.text, wrong.text)
	}
	b.wantAlone(phone, "")

	// Forms ask for the passkey instead, and no longer accept the password.
	mia.wantPage(mia.get("/account/security"), 200, "only passkeys sign you in", "data-alone")
	mia.wantNot(mia.get("/account/profile"), `name="current"`)
	rename := url.Values{"username": {"mira"}}
	asked := mia.post("/account/identity", url.Values{"username": {"mira"}, "current": {password}})
	mia.wantPage(asked, 200, "Confirm it with your passkey", `name="username" value="mira"`, `data-passkey="alone"`)
	mia.wantNot(asked, password, `name="current"`)
	noa := w.browser().signIn("noa")
	noas := noa.addPasskey("noa's")
	mia.wantPage(mia.post("/account/identity", mia.answered(noas, rename)), 400, "not accepted") // attack: another's passkey
	if w.account("mia").Username != "mia" {
		t.Fatal("mia was renamed")
	}
	mia.wantTo(mia.post("/account/identity", mia.answered(phone, rename)), "/account/profile?done=identity")
	mia.wantPage(mia.post("/account/passkeys/1/remove", mia.answered(phone, nil)), 400, "the only way to sign in")
	mia.wantScript("/account/passkeys/challenge", url.Values{"current": {password}}, "", "requires a passkey")
	options := mia.options("/account/passkeys/challenge", mia.answered(phone, nil))
	_, answer := passkeytest.Create(t, options, mia.base)
	mia.wantScript("/account/passkeys", url.Values{"name": {"tablet"}, "answer": {string(answer)}}, "/account/security?done=passkey", "")
	mia.wantTo(mia.post("/account/passkeys/1/remove", mia.answered(phone, nil)), "/account/security?done=passkey-removed")
}

// A code does not replace the passkey that an account requires.
func TestPasskeyRequiredOnThePages(t *testing.T) {
	w := newTown(t)
	_, phone := w.withRules(url.Values{"passkey-required": {"1"}})
	seed, backup := w.enrol("mia")
	b := w.browser()
	b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}}), "/auth/code?next=%2Faccount")
	b.wantTo(b.get("/account"), "/auth?next=%2Faccount")
	page := b.get("/auth/code")
	b.wantPage(page, 200, "Your account takes a passkey.", `data-passkey="second"`)
	b.wantNot(page, `name="code"`)
	for _, code := range []string{w.code(seed), string(backup[0])} { // attack
		b.wantPage(b.post("/auth/code", url.Values{"code": {code}}), 401, "not right")
	}
	answer := phone.Sign(t, b.options("/auth/code/passkey/challenge", nil))
	b.wantScript("/auth/code/passkey", url.Values{"answer": {string(answer)}}, "/account", "")
	b.wantPage(b.get("/account"), 200, "mia")
	w.browser().wantAlone(phone, "")
}

// A rule that would leave no way to sign in is rejected, and the error says what to do.
func TestRulesNeedAPasskey(t *testing.T) {
	w := newTown(t)
	olga := w.browser().signIn("olga")
	olga.wantPage(olga.get("/admin/accounts/2"), 200, "mia has none yet")
	form := url.Values{"password-off": {"1"}, "sure": {"1"}, "current": {password}}
	olga.wantPage(olga.post("/admin/accounts/2/rules", form), 400, "it needs one first")
	if w.account("mia").PasswordOff {
		t.Error("the password is off")
	}
}

// A reset link for an account that requires passkeys creates a passkey, which replaces the
// old ones.
func TestResetMakesAPasskey(t *testing.T) {
	w := newTown(t)
	_, lost := w.withRules(url.Values{"password-off": {"1"}})
	olga := w.browser().signIn("olga")
	reset := func(form url.Values) seen {
		form.Set("current", password)
		return olga.post("/admin/accounts/2/reset-link", form)
	}
	olga.wantPage(reset(url.Values{"factor": {"1"}}), 400, "signs in with passkeys")
	link := olga.shownLink(reset(url.Values{"password": {"1"}}))

	b := w.browser()
	b.wantTo(b.get(link), "/reset")
	b.wantPage(b.get("/reset"), 200, "Make a new one here", `data-passkey="reset"`)
	b.wantPage(b.post("/reset", url.Values{"new": {"a password of the thief"}}), 400, "the link makes a new one") // attack
	thief := w.browser()
	_, stolen := passkeytest.Create(t, b.options("/reset/passkey/challenge", nil), b.base)
	thief.wantScript("/reset/passkey", url.Values{"answer": {string(stolen)}}, "", "Open the link") // attack: without the link
	tablet, answer := passkeytest.Create(t, b.options("/reset/passkey/challenge", nil), b.base)
	b.wantScript("/reset/passkey", url.Values{"answer": {string(answer)}}, "/account", "")
	b.wantPage(b.get("/account/notices"), 200, "A passkey was added", "A passkey was removed", "with a link")
	w.browser().wantAlone(lost, "not accepted")
	w.browser().wantAlone(tablet, "")
	if !w.account("mia").PasswordOff {
		t.Error("the link removes the rule")
	}
	again := w.browser()
	again.get(link)
	again.wantScript("/reset/passkey/challenge", nil, "", "used already")
}

// Attack: an attacker who reads the e-mails of an account that requires a passkey requests
// a link for a new password.
func TestNoResetByMailForPasskeys(t *testing.T) {
	w, inbox, _ := withMail(t, func(cfg *config) { cfg.FailedTries = 20 })
	mia := w.browser().signIn("mia")
	options := mia.options("/account/passkeys/challenge", url.Values{"current": {password}})
	_, answer := passkeytest.Create(t, options, "http://localhost:8080")
	mia.wantScript("/account/passkeys", url.Values{"answer": {string(answer)}}, "/account/security?done=passkey", "")
	yes := true
	w.must(w.Accounts.SetRules(t.Context(), operator, w.account("mia").ID, nil, &yes, w.Passkeys))
	ask := w.browser()
	ask.wantTo(ask.post("/forgot", url.Values{"login": {"mia"}}), "/forgot?done=1")
	ask.wantTo(ask.post("/forgot", url.Values{"login": {"noa"}}), "/forgot?done=1")
	if m := inbox.Next(); m.To != "noa@example.org" {
		t.Errorf("an e-mail to %s", m.To)
	}
}

// Attack: an attacker has the password of an admin who needs a second factor and has none.
// The password opens only the page that sets one up.
func TestOverdueAdmin(t *testing.T) {
	w := newTown(t)
	olga := w.browser().signIn("olga")
	olga.wantNot(olga.get("/account"), "Admins of this server need")
	w.must(w.Accounts.SetAdminRule(t.Context(), operator, true, 7*24*time.Hour))
	olga.wantPage(olga.get("/account"), 200, "Admins of this server need a second factor.")
	mia := w.browser().signIn("mia")
	mia.wantNot(mia.get("/account"), "Admins of this server need")

	w.must(w.Accounts.SetAdminRule(t.Context(), operator, true, 0))
	late := w.browser().signIn("olga") // she can only set one up
	open := map[string]bool{"/account/second-factor": true, "/account/second-factor/challenge": true, "/account/second-factor/guesses": true}
	p := w.start(false)
	for _, b := range []*browser{olga, late} {
		for _, row := range web.Rows() {
			if !row.SignedIn || open[row.Path] {
				continue
			}
			s := b.do(row.Method, strings.NewReplacer("{id}", "2", "{passkey}", "1").Replace(row.Path),
				url.Values{"code": {p.Code}, "decision": {"allow"}, "sure": {"1"}, "current": {password}},
				map[string][]string{"Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"}})
			b.wantTo(s, "/account/second-factor")
		}
		b.wantTo(b.get("/auth?code="+p.Code), "/account/second-factor")
	}
	if tok, gone := w.token(p); tok != "" || gone {
		t.Error("a device was linked")
	}
	mia.wantPage(mia.get("/account"), 200, "mia")

	page := late.get("/account/second-factor")
	late.wantPage(page, 200, "Admins of this server need a second factor.")
	late.wantNot(page, "Not now")
	late.wantPage(late.post("/account/second-factor", url.Values{"code": {w.code(keyOn(page))}, "current": {password}}), 200, "backup codes")
	late.wantPage(late.get("/admin"), 200, "Overview")
}

// The rule for admins is changed on its own page, with the password.
func TestRuleForAdmins(t *testing.T) {
	w := newTown(t)
	olga := w.browser().signIn("olga")
	const path = "/admin/accounts/admin-factor"
	olga.wantPage(olga.get(path), 200, "Not required")
	require := url.Values{"required": {"1"}}
	olga.wantPage(olga.post(path, require), 200, "Require a second factor of admins?")
	olga.wantPage(olga.post(path, url.Values{"required": {"1"}, "sure": {"1"}, "current": {"wrong"}}), 400, "Your own password is not right")
	olga.wantPage(olga.get(path), 200, "Not required")
	olga.wantTo(olga.post(path, url.Values{"required": {"1"}, "sure": {"1"}, "current": {password}}), path+"?done=factor-rule")
	olga.wantPage(olga.get(path), 200, "Required since", "7 days")
	olga.wantPage(olga.post(path, nil), 200, "Let admins do without")
	olga.wantTo(olga.post(path, url.Values{"sure": {"1"}, "current": {password}}), path+"?done=factor-rule")
	mia := w.browser().signIn("mia")
	mia.wantPage(mia.post(path, url.Values{"sure": {"1"}, "current": {password}}), 403, "Only an admin")
}
