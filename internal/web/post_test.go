package web_test

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/mail/mailtest"
	"github.com/usher-auth/usher/plexauth"
)

// withMail is a town whose server sends e-mails.
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

// Users who have lost the password get a link, if an admin has confirmed the address. The
// answer is the same for everybody.
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

	// Attack: somebody fills an inbox.
	for range 5 {
		ask("mia")
	}
	ask("olga")
	for inbox.Next().To != "olga@example.org" { // one worker sends in the order of the questions
	}
	if n := sender.Counts().Sent; n > 4 {
		t.Errorf("%d e-mails were sent", n)
	}
}

// Attack: somebody asks for very many addresses.
func TestForgotIsLimited(t *testing.T) {
	w, _, _ := withMail(t, func(cfg *config) { cfg.FailedTries = 3 })
	b := w.browser()
	for range 3 {
		b.wantTo(b.post("/forgot", url.Values{"login": {"nobody"}}), "/forgot?done=1")
	}
	b.wantPage(b.post("/forgot", url.Values{"login": {"nobody"}}), 429, "Too many links by e-mail")
}

// Without a mail server, there is no such page.
func TestNoMail(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantPage(b.get("/forgot"), 404)
	b.wantPage(b.post("/forgot", url.Values{"login": {"mia"}}), 404)
	b.wantNot(b.get("/auth"), "/forgot")
}
