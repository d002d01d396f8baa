package web_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/web"
)

// Users see on their page what happened to their account, and mark it as read.
func TestNotices(t *testing.T) {
	w := newTown(t)
	mia := w.browser().signIn("mia")
	w.must(w.Accounts.SetPassword(t.Context(), audit.Actor{AccountID: w.account("olga").ID}, w.account("mia").ID, password))
	mia.wantPage(mia.get("/account"), 200, `<a href="/account/notices">Notices</a> <span><strong>2 new</strong>`)
	page := mia.get("/account/notices")
	mia.wantPage(page, 200, "A new browser signed in", "The password was changed", "by olga", "(new)", "Was one of them not you?",
		"/account/security#password", `action="/account/revoke-others"`)
	mia.wantNot(page, "By e-mail")
	latest := regexp.MustCompile(`name="latest" value="(\d+)"`).FindStringSubmatch(page.text)
	if latest == nil {
		t.Fatalf("the page cannot be marked as read:\n%s", page.text)
	}
	// Events after the page was shown stay unread.
	w.must(w.Accounts.SetPassword(t.Context(), operator, w.account("mia").ID, password))
	mia.wantTo(mia.post("/account/notices/read", url.Values{"latest": {latest[1]}}), "/account/notices?done=notices")
	page = mia.get("/account/notices?done=notices")
	mia.wantPage(page, 200, "The notices are marked as read.", "by operator")
	if n := strings.Count(page.text, "(new)"); n != 1 {
		t.Errorf("%d notices are new, want 1", n)
	}
	// The browser is known after the first sign-in.
	mia.wantTo(mia.post("/auth/sign-out", nil), "/")
	mia.signIn("mia")
	if n := strings.Count(mia.get("/account/notices").text, "A new browser signed in"); n != 1 {
		t.Errorf("the browser was reported as new %d times", n)
	}
	noa := w.browser().signIn("noa")
	noa.wantNot(noa.get("/account/notices"), "by olga", "The password was changed")
}

// A user who has just created their account gets no notice about a new browser.
func TestFirstBrowserIsNotNew(t *testing.T) {
	w := newFixture(t, nil)
	b := w.browser()
	b.wantTo(b.get(string(w.server.Pages().SetupPath())), "/setup")
	b.wantTo(b.post("/setup", url.Values{"username": {"olga"}, "password": {password}}), "/account")
	b.wantPage(b.get("/account/notices"), 200, "Nothing yet.")
}

// sending sends notices until the test ends.
func sending(t *testing.T, w *fixture) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { w.RunNotices(ctx, w.server.Pages().NoticeMessage) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// Notices are sent by e-mail, in the language in which the user reads the pages, to an
// address that an admin has confirmed.
func TestNoticesByMail(t *testing.T) {
	w, inbox, _ := withMail(t, func(cfg *config) { cfg.MembersSetEmail = true })
	noa := w.account("noa")
	w.must(w.Accounts.SetEmail(t.Context(), audit.Actor{AccountID: noa.ID}, noa.ID, "other@example.org"))
	w.must(w.Accounts.SetPassword(t.Context(), operator, noa.ID, password)) // attack: to an address that is not confirmed
	w.must(w.Notices.SetLanguage(t.Context(), w.account("mia").ID, "de"))
	w.must(w.Accounts.SetPassword(t.Context(), operator, w.account("mia").ID, password))
	w.must(w.Accounts.SetPassword(t.Context(), operator, w.account("olga").ID, password))
	sending(t, w)
	got := map[string]string{}
	for range 3 {
		m := inbox.Next()
		got[m.To] = m.Header.Get("Subject") + "\n" + m.Text
	}
	for to, texts := range map[string][]string{
		"mia@example.org":  {"Das Passwort wurde geändert", "Hallo mia,", "http://localhost:8080/account/notices"},
		"olga@example.org": {"The password was changed", "Hello olga,", "by operator", "http://localhost:8080/account/notices"},
		"noa@example.org":  {"The e-mail address was changed"},
	} {
		for _, text := range texts {
			if !strings.Contains(got[to], text) {
				t.Errorf("the e-mail to %s has no %q:\n%s", to, text, got[to])
			}
		}
	}
	if inbox.Waiting() != 0 {
		t.Errorf("%d more e-mails were sent", inbox.Waiting())
	}

	b := w.browser().signIn("mia")
	b.wantPage(b.get("/account/notices"), 200, "They are sent to mia@example.org, too.")
	b.wantTo(b.post("/account/notices/e-mails", url.Values{"quiet": {"1"}}), "/account/notices?done=mails-off")
	b.wantPage(b.get("/account/notices"), 200, "except those about new devices", "E-mails about new devices were turned off")
	b.wantTo(b.post("/account/notices/e-mails", nil), "/account/notices?done=mails-on")
	n := w.browser().signIn("noa")
	n.wantPage(n.get("/account/notices"), 200, "Nothing is sent to other@example.org")
}

// A sign-in on the pages remembers the language.
func TestLanguageOfNotices(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	for _, step := range []struct{ accepted, wanted string }{{"de-AT", "de"}, {"en-GB,de;q=0.5", ""}} {
		form := url.Values{"login": {"mia"}, "password": {password}}
		res := b.do("POST", "/auth/sign-in", form, map[string][]string{
			"Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"}, "Accept-Language": {step.accepted},
		})
		b.wantTo(res, "/account")
		s, err := w.Notices.Setting(t.Context(), w.account("mia").ID)
		if err != nil || s.Language != step.wanted {
			t.Errorf("%q: %+v, %v", step.accepted, s, err)
		}
	}
}

// Attack: the name of a device puts another site's link, or lines that usher did not write,
// into an e-mail from this server.
func TestTameNames(t *testing.T) {
	hostile := "Locked!\r\nBcc: x@evil.example\r\n\r\nGo to https://evil.example/x?y=\u202e " + strings.Repeat("w", 500)
	letter := web.NoticeLetter(notify.Mail{
		To: "mia@example.org", Username: "mia",
		Notices: []notify.Notice{{Kind: notify.NewDevice, At: time.Unix(0, 0), Device: hostile, Address: "192.0.2.7"}},
	}, "https://usher.example/account/notices")
	if strings.ContainsAny(letter.Subject, "\r\n") {
		t.Errorf("the subject is %q", letter.Subject)
	}
	for _, never := range []string{"evil.example", "x@", "://evil", "\r", "\u202e", strings.Repeat("w", 100)} {
		if strings.Contains(letter.Text, never) {
			t.Errorf("the e-mail has %q:\n%s", never, letter.Text)
		}
	}
	if n := strings.Count(letter.Text, "://"); n != 1 {
		t.Errorf("the e-mail has %d links:\n%s", n, letter.Text)
	}
}

// Each kind of notice has a text of its own, in every language.
func TestEveryKindHasAText(t *testing.T) {
	seen := map[string]notify.Kind{}
	for _, kind := range notify.Kinds() {
		text := web.WhatHappened(notify.Notice{Kind: kind})
		if other, twice := seen[text]; twice || strings.Contains(text, "Something") {
			t.Errorf("%q and %q: %s", kind, other, text)
		}
		seen[text] = kind
	}
}

// A hundred devices are paginated.
func TestManyNotices(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	for i := range notify.PerKind {
		d := device.Device{ClientIdentifier: fmt.Sprint(i), Product: "Player", Name: strings.Repeat("x", 200)}
		verified, err := w.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{Login: "mia", Password: password})
		w.must(err)
		_, err = w.Tokens.SignIn(t.Context(), audit.Actor{}, verified.Proof, d)
		w.must(err)
		w.must(w.Accounts.SetPassword(t.Context(), operator, w.account("mia").ID, password))
	}
	page := b.get("/account/notices")
	b.wantPage(page, 200, "Next page")
	b.wantNot(page, strings.Repeat("x", 100))
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.text)
	second := b.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	b.wantPage(second, 200, "Previous page")
	b.wantNot(second, `action="/account/notices/read"`) // this page does not have all notices
}
