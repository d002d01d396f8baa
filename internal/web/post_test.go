package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/mail/mailtest"
	"github.com/usher-auth/usher/plexauth"
)

// withMail returns a town whose server sends e-mails.
func withMail(t *testing.T, change func(*config)) (w *fixture, inbox *mailtest.Server, sender *mail.Sender) {
	t.Helper()
	inbox = mailtest.Start(t, "", "", nil, false)
	to, err := mail.ParseServer(plexauth.Secret("smtp://" + inbox.Addr + "?from=usher@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	w = newFixture(t, func(cfg *config) {
		cfg.Server.PublicURL = "http://localhost:8080"
		cfg.Mail = func(c *core.Core) *mail.Sender {
			sender = mail.New(mail.Config{Outbox: c.Outbox, Server: to, Workers: 1, Now: c.Now})
			return sender
		}
		if change != nil {
			change(cfg)
		}
	})
	w.people()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { sender.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w, inbox, sender
}

// mailed finds the link in an e-mail.
var mailed = regexp.MustCompile(`(?m)^http://localhost:8080(/\S+)$`)

func linkIn(t *testing.T, m mailtest.Message) string {
	t.Helper()
	found := mailed.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("no link in %q", m.Text)
	}
	return found[1]
}

func TestInvitationByMail(t *testing.T) {
	w, inbox, _ := withMail(t, nil)
	olga := w.browser().signIn("olga")
	s := olga.post("/admin/invitations", url.Values{"current": {password}, "email": {"kim@example.org"}})
	olga.wantPage(s, 200, "on its way to kim@example.org")
	m := inbox.Next()
	if m.To != "kim@example.org" || !strings.Contains(m.Text, "olga invites you") {
		t.Errorf("%+v", m)
	}
	b := w.browser()
	b.wantTo(b.get(linkIn(t, m)), "/invitation")
	b.wantTo(b.post("/invitation", url.Values{"username": {"kim"}, "password": {password}}), "/account")

	olga.wantNot(olga.post("/admin/invitations", url.Values{"current": {password}}), "on its way")
	olga.wantPage(olga.post("/admin/accounts/2/reset-link", url.Values{"current": {password}, "password": {"1"}}), 200, "on its way to mia@example.org")
	if m := inbox.Next(); m.To != "mia@example.org" || !strings.Contains(m.Text, "/reset?key=") {
		t.Errorf("%+v", m)
	}
}

// Users who have lost their password get a link if an admin has confirmed their address.
// The answer is the same for every address.
func TestForgot(t *testing.T) {
	w, inbox, sender := withMail(t, func(cfg *config) { cfg.MembersSetEmail, cfg.FailedTries = true, 20 })
	noa := w.account("noa")
	w.must(w.Accounts.SetEmail(t.Context(), audit.Actor{AccountID: noa.ID}, noa.ID, "other@example.org"))
	b := w.browser()
	b.wantPage(b.get("/auth"), 200, "/forgot")
	b.wantPage(b.get("/forgot"), 200, "Send me a link")
	ask := func(login string) { b.wantTo(b.post("/forgot", url.Values{"login": {login}}), "/forgot?done=1") }
	ask("nobody")
	ask("other@example.org") // attack: an address that a member has chosen is not confirmed
	ask("noa")
	ask("")
	ask("MIA")
	b.wantPage(b.get("/forgot?done=1"), 200, "If there is such an account")
	m := inbox.Next()
	if m.To != "mia@example.org" || inbox.Waiting() != 0 {
		t.Errorf("%+v, and %d more", m, inbox.Waiting())
	}
	b.wantTo(b.get(linkIn(t, m)), "/reset")
	b.wantTo(b.post("/reset", url.Values{"new": {"a password that is new"}}), "/account")

	// Attack: fill a user's inbox with e-mails.
	for range 5 {
		ask("mia")
	}
	ask("olga")
	for inbox.Next().To != "olga@example.org" { // one worker sends in the order of the requests
	}
	if n := sender.Counts().Sent; n > 4 {
		t.Errorf("%d e-mails were sent", n)
	}
}

// Attack: request e-mails for very many addresses.
func TestForgotIsLimited(t *testing.T) {
	w, _, _ := withMail(t, func(cfg *config) { cfg.FailedTries = 3 })
	b := w.browser()
	for range 3 {
		b.wantTo(b.post("/forgot", url.Values{"login": {"nobody"}}), "/forgot?done=1")
	}
	b.wantPage(b.post("/forgot", url.Values{"login": {"nobody"}}), 429, "Too many links by e-mail")
}

// Without a mail server, the page does not exist.
func TestNoMail(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantPage(b.get("/forgot"), 404)
	b.wantPage(b.post("/forgot", url.Values{"login": {"mia"}}), 404)
	b.wantNot(b.get("/auth"), "/forgot")
}

// adminAPI sends a request to the admin API with a key that an admin created.
func (w *fixture) adminAPI(maker account.Account, path, body string) (status int, text string) {
	w.Helper()
	key, _, err := w.AdminKeys.Make(w.Context(), audit.Actor{AccountID: maker.ID}, adminkey.NewKey{
		Name: fmt.Sprint("k", time.Now().UnixNano()), Scopes: []string{"accounts:write"}, MakerID: maker.ID,
	})
	w.must(err)
	req, err := http.NewRequestWithContext(w.Context(), "POST", w.base+"/admin/api/v1"+path, strings.NewReader(body))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+string(key))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, string(answer)
}

// The admin API sends the same e-mails as the pages, under the same conditions.
func TestAdminAPIByMail(t *testing.T) {
	w, inbox, _ := withMail(t, func(cfg *config) { cfg.MembersSetEmail = true })
	olga, mia, noa := w.account("olga"), w.account("mia"), w.account("noa")
	reset := func(a account.Account, body string) (int, string) {
		return w.adminAPI(olga, fmt.Sprintf("/accounts/%d/reset-link", a.ID), body)
	}
	status, text := w.adminAPI(olga, "/invitations", `{"email":"kim@example.org","mail":true}`)
	m := inbox.Next()
	if status != 201 || !strings.Contains(text, `"mailed":"kim@example.org"`) || m.To != "kim@example.org" || !strings.Contains(m.Text, "olga invites you") {
		t.Errorf("%d %s, and the e-mail %+v", status, text, m)
	}
	b := w.browser()
	b.wantTo(b.get(linkIn(t, m)), "/invitation")
	b.wantTo(b.post("/invitation", url.Values{"username": {"kim"}, "password": {password}}), "/account")
	status, text = reset(mia, `{"password":true,"mail":true}`)
	m = inbox.Next()
	if status != 201 || !strings.Contains(text, `"mailed":"mia@example.org"`) || m.To != "mia@example.org" || !strings.Contains(text, linkIn(t, m)) {
		t.Errorf("%d %s, and the e-mail %+v", status, text, m)
	}

	for what, c := range map[string]struct{ path, body, wanted string }{
		"an invitation unasked": {"/invitations", `{"email":"eve@example.org"}`, `"mailed":""`},
		"a reset link unasked":  {fmt.Sprintf("/accounts/%d/reset-link", mia.ID), `{"password":true}`, `"mailed":""`},
	} {
		if status, text := w.adminAPI(olga, c.path, c.body); status != 201 || !strings.Contains(text, c.wanted) {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	// Attack: an e-mail bypasses a factor, or goes to an address that is not confirmed.
	w.must(w.Accounts.SetEmail(t.Context(), audit.Actor{AccountID: noa.ID}, noa.ID, "thief@example.org"))
	_, err := w.Accounts.Enrol(t.Context(), operator, mia.ID, account.NewEnrolment("usher", "mia"), "")
	w.must(err)
	for what, c := range map[string]struct {
		of   account.Account
		body string
	}{
		"an address that is not confirmed": {noa, `{"password":true,"mail":true}`},
		"past the second factor":           {mia, `{"password":true,"secondFactor":true,"mail":true}`},
		"without a new password":           {mia, `{"secondFactor":true,"mail":true}`},
	} {
		if status, text := reset(c.of, c.body); status != 422 || !strings.Contains(text, `"field":"mail"`) || strings.Contains(text, "key=") {
			t.Errorf("attack: %s: %d %s", what, status, text)
		}
	}
	if status, text := w.adminAPI(olga, "/invitations", `{"mail":true}`); status != 422 || !strings.Contains(text, `"field":"mail"`) {
		t.Errorf("to an unknown account: %d %s", status, text)
	}
	if status, text := reset(olga, `{"password":true,"mail":true}`); status != 403 || !strings.Contains(text, `"code":"scope"`) {
		t.Errorf("attack: to an admin: %d %s", status, text)
	}
	if n := inbox.Waiting(); n != 0 {
		t.Errorf("%d more e-mails were sent", n)
	}
	rows, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.InvitationMade, audit.ResetLink}})
	if err != nil || len(rows) != 4 || !strings.HasPrefix(rows[0].Actor, "admin key ") || !strings.HasSuffix(rows[0].Actor, " of olga") {
		t.Errorf("the log has %+v, %v", rows, err)
	}
}
