package invite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// fixture is the services with two admins, olga and otto, and a server, den.
type fixture struct {
	*testing.T
	*coretest.Core
	olga account.Account
	by   audit.Actor // olga
	den  source.Source
}

var (
	operator = audit.Actor{Name: "operator"}
	visitor  = audit.Actor{Address: "192.0.2.1"}
)

func newFixture(t *testing.T) *fixture {
	t.Helper()
	w := &fixture{T: t, Core: coretest.New(t, core.Config{FailedTries: 3})}
	w.olga = w.AddAdmin("olga")
	w.AddAdmin("otto")
	w.by = audit.Actor{AccountID: w.olga.ID}
	w.den = w.AddSource(source.Source{Kind: source.Server, Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://10.0.0.1"}}})
	return w
}

func (w *fixture) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *fixture) make(n invite.New) (plexauth.Secret, invite.Invitation) {
	w.Helper()
	secret, i, err := w.Invites.Make(w.Context(), w.by, n)
	w.must(err)
	return secret, i
}

func (w *fixture) accept(secret plexauth.Secret, name string) (account.Verified, error) {
	return w.Invites.Accept(w.Context(), visitor, secret, invite.Chosen{Username: name, Password: coretest.Password})
}

// The account has the shares of the invitation, and the browser is signed in.
func TestAccept(t *testing.T) {
	w := newFixture(t)
	secret, made := w.make(invite.New{Name: "mia", Email: "mia@example.org", Servers: []source.Source{w.den, w.den}})
	if life := made.ExpiresAt.Sub(made.CreatedAt); life != invite.DefaultLife {
		t.Errorf("it works for %s", life)
	}
	found, err := w.Invites.Find(t.Context(), visitor, secret)
	w.must(err)
	if found.Maker != "olga" || found.Name != "mia" || len(found.Servers) != 1 || found.Servers[0].Name != "Den" {
		t.Errorf("the invitation is %+v", found)
	}
	v, err := w.accept(secret, " Mia ") // the name is a hint
	w.must(err)
	a := v.Account
	if !v.Complete || a.Username != "Mia" || a.Email != "mia@example.org" || !a.EmailConfirmed() || a.Admin {
		t.Errorf("the account is %+v", a)
	}
	if _, _, err := w.Sessions.Start(t.Context(), visitor, v.Proof, true, "browser"); err != nil {
		t.Error(err)
	}
	shares, err := paging.Rows(w.Sources.SharesWith(t.Context(), a.ID, paging.Request{}))
	if err != nil || len(shares) != 1 || shares[0].SourceName != "Den" {
		t.Errorf("the shares are %v, %v", shares, err)
	}
	if _, err := w.Accounts.Verify(t.Context(), visitor, account.Credentials{Login: "mia", Password: coretest.Password}); err != nil {
		t.Error(err)
	}
	if _, err := w.accept(secret, "noa"); !errors.Is(err, invite.ErrLink) {
		t.Errorf("attack: the link again: %v", err)
	}
	list, err := paging.Rows(w.Invites.List(t.Context(), paging.Request{}))
	if err != nil || len(list) != 0 {
		t.Errorf("a used invitation is listed: %v, %v", list, err)
	}
}

func TestAdminInvitation(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{Admin: true})
	v, err := w.accept(secret, "mia")
	if err != nil || !v.Account.Admin {
		t.Errorf("the account is %+v, %v", v.Account, err)
	}
}

// When an invitation works no longer.
func TestVoid(t *testing.T) {
	for name, row := range map[string]struct {
		between func(*fixture, invite.Invitation) error
		works   bool
	}{
		"nothing happened": {func(*fixture, invite.Invitation) error { return nil }, true},
		"almost a week later": {func(w *fixture, _ invite.Invitation) error {
			w.Clock.Advance(invite.DefaultLife - time.Millisecond)
			return nil
		}, true},
		"a week later": {func(w *fixture, _ invite.Invitation) error {
			w.Clock.Advance(invite.DefaultLife)
			return nil
		}, false},
		"it was revoked": {func(w *fixture, i invite.Invitation) error { return w.Invites.Revoke(w.Context(), w.by, i.ID) }, false},
		"its maker was removed": {func(w *fixture, _ invite.Invitation) error {
			return w.Accounts.Remove(w.Context(), operator, w.olga.ID)
		}, false},
		"its maker was disabled": {func(w *fixture, _ invite.Invitation) error {
			return w.Accounts.Disable(w.Context(), operator, w.olga.ID)
		}, false},
		"its maker became a member": {func(w *fixture, _ invite.Invitation) error {
			return w.Accounts.Demote(w.Context(), operator, w.olga.ID, w.Sources)
		}, false},
		"its server was removed": {func(w *fixture, _ invite.Invitation) error {
			return w.Sources.Remove(w.Context(), operator, source.Ref{Kind: source.Server, Identifier: "den"})
		}, true},
		"somebody else got another": {func(w *fixture, _ invite.Invitation) error { w.make(invite.New{}); return nil }, true},
		"its maker got another name": {func(w *fixture, _ invite.Invitation) error {
			return w.Accounts.Rename(w.Context(), operator, w.olga.ID, "helga")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			secret, i := w.make(invite.New{Servers: []source.Source{w.den}})
			w.must(row.between(w, i))
			_, find := w.Invites.Find(t.Context(), visitor, secret)
			_, err := w.accept(secret, "mia")
			for what, err := range map[string]error{"finding": find, "accepting": err} {
				if (err == nil) != row.works || !row.works && !errors.Is(err, invite.ErrLink) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := w.Accounts.Find(t.Context(), "mia"); (err == nil) != row.works {
				t.Errorf("the account: %v", err)
			}
		})
	}
}

// Invitations of the command line have no admin who may go.
func TestCommandLineInvites(t *testing.T) {
	w := newFixture(t)
	secret, i, err := w.Invites.Make(t.Context(), operator, invite.New{})
	if w.must(err); i.MakerID != 0 {
		t.Errorf("it is of account %d", i.MakerID)
	}
	_, err = w.accept(secret, "mia")
	w.must(err)
}

// Attack: many use one link at the same time. One of them gets an account.
func TestConcurrentUseOfALink(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{})
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { _, errs[n] = w.accept(secret, fmt.Sprint("mia", n)) })
	}
	wg.Wait()
	good := 0
	for _, err := range errs {
		switch {
		case err == nil:
			good++
		case !errors.Is(err, invite.ErrLink) && !errors.Is(err, invite.ErrRateLimited):
			t.Error(err)
		}
	}
	if c, err := w.Accounts.Count(t.Context()); good != 1 || err != nil || c.Accounts != 3 {
		t.Errorf("%d accepted, and there are %d accounts, %v", good, c.Accounts, err)
	}
}

// A failed attempt leaves the link valid: the user can retry.
func TestFailedAcceptKeepsTheLink(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{Servers: []source.Source{w.den}})
	for name, c := range map[string]struct {
		chosen invite.Chosen
		want   fault.Kind
	}{
		"a name that is taken":  {invite.Chosen{Username: "OLGA", Password: coretest.Password}, fault.Exists},
		"a name that looks so":  {invite.Chosen{Username: "0lga", Password: coretest.Password}, fault.Exists},
		"no name":               {invite.Chosen{Password: coretest.Password}, fault.Invalid},
		"a short password":      {invite.Chosen{Username: "mia", Password: "short"}, fault.Invalid},
		"attack: no password":   {invite.Chosen{Username: "mia"}, fault.Invalid},
		"a well-known password": {invite.Chosen{Username: "mia", Password: "password"}, fault.Invalid},
	} {
		if _, err := w.Invites.Accept(t.Context(), visitor, secret, c.chosen); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.accept(secret, "mia"); err != nil {
		t.Error(err)
	}
}

// Another account got the invitation's e-mail address after the invitation was created. The
// user cannot change it, and the error says what to do.
func TestEmailTakenInTheMeantime(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{Email: "mia@example.org"})
	w.Add("mia")
	if _, err := w.accept(secret, "other"); !errors.Is(err, invite.ErrEmailTaken) {
		t.Error(err)
	}
}

func TestInvalidInvitations(t *testing.T) {
	w := newFixture(t)
	mia := w.Add("mia")
	for name, c := range map[string]struct {
		by   audit.Actor
		n    invite.New
		want fault.Kind
	}{
		"too short":               {w.by, invite.New{Life: time.Second}, fault.Invalid},
		"negative":                {w.by, invite.New{Life: -time.Hour}, fault.Invalid},
		"too long":                {w.by, invite.New{Life: 31 * 24 * time.Hour}, fault.Invalid},
		"too many servers":        {w.by, invite.New{Servers: make([]source.Source, invite.MaxServers+1)}, fault.Invalid},
		"a name that is taken":    {w.by, invite.New{Name: "mia"}, fault.Exists},
		"an address that is":      {w.by, invite.New{Email: "MIA@example.org"}, fault.Exists},
		"no address":              {w.by, invite.New{Email: "mia"}, fault.Invalid},
		"attack: another header":  {w.by, invite.New{Email: "mia@example.org\r\nBcc: eve@example.org"}, fault.Invalid},
		"attack: a member":        {audit.Actor{AccountID: mia.ID}, invite.New{}, fault.Denied},
		"attack: nobody's number": {audit.Actor{AccountID: 99}, invite.New{}, fault.Denied},
	} {
		if _, _, err := w.Invites.Make(t.Context(), c.by, c.n); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.Invites.Revoke(t.Context(), w.by, 7); !errors.Is(err, invite.ErrNotFound) {
		t.Errorf("revoking an unknown invitation: %v", err)
	}
}

// The number of open invitations is limited. Revoked, used and expired ones do not count.
func TestMaxOpen(t *testing.T) {
	w := newFixture(t)
	w.make(invite.New{Life: time.Minute})
	_, last := w.make(invite.New{})
	for range invite.MaxOpen - 2 {
		w.make(invite.New{})
	}
	full := func(when string) {
		t.Helper()
		if _, _, err := w.Invites.Make(t.Context(), operator, invite.New{}); !errors.Is(err, invite.ErrTooMany) {
			t.Errorf("%s: %v", when, err)
		}
	}
	full("at the bound")
	w.must(w.Invites.Revoke(t.Context(), operator, last.ID))
	secret, _ := w.make(invite.New{})
	full("after one was revoked")
	_, err := w.accept(secret, "mia")
	w.must(err)
	w.make(invite.New{})
	full("after one was used")
	w.Clock.Advance(time.Minute)
	w.make(invite.New{})
	full("after one has expired")
}

// The e-mail with a link is queued only if the invitation is created. The invitation is
// created even if no more e-mails can be queued.
func TestLetter(t *testing.T) {
	w := newFixture(t)
	letter := func(i invite.Invitation, secret plexauth.Secret) mail.Message {
		return mail.Message{To: i.Email, Text: string(secret), Until: i.ExpiresAt}
	}
	waiting := func() (n int) {
		t.Helper()
		w.must(w.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&n))
		return n
	}
	if _, i := w.make(invite.New{Letter: letter}); i.Queued || waiting() != 0 {
		t.Error("an e-mail without an address is queued")
	}
	if _, i := w.make(invite.New{Letter: letter, Email: "mia@example.org"}); !i.Queued || waiting() != 1 {
		t.Error("no e-mail waits")
	}
	if _, _, err := w.Invites.Make(t.Context(), w.by, invite.New{Letter: letter, Email: "olga@example.org"}); err == nil || waiting() != 1 {
		t.Errorf("an invitation that is not created: %v, and %d are queued", err, waiting())
	}
	w.must(w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		for err == nil {
			err = w.Outbox.Add(ctx, tx, mail.Message{To: "noa@example.org"})
		}
		if errors.Is(err, mail.ErrFull) {
			return nil
		}
		return err
	}))
	if secret, i := w.make(invite.New{Letter: letter, Email: "kim@example.org"}); i.Queued {
		t.Error("one more e-mail is queued")
	} else if _, err := w.accept(secret, "kim"); err != nil {
		t.Error(err)
	}
}

// Attack: an attacker guesses links and is rate-limited. Other networks, and users with a
// link, are not.
func TestGuessing(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{})
	for range 10 {
		_, err := w.Invites.Find(t.Context(), visitor, secret)
		w.must(err)
	}
	for range 3 {
		if _, err := w.Invites.Find(t.Context(), visitor, "guess"); !errors.Is(err, invite.ErrLink) {
			t.Error(err)
		}
	}
	if _, err := w.accept(secret, "mia"); !errors.Is(err, invite.ErrRateLimited) || fault.WaitOf(err) <= 0 {
		t.Errorf("after three guesses: %v", err)
	}
	if _, err := w.Invites.Find(t.Context(), audit.Actor{Address: "198.51.100.1"}, secret); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
	w.Clock.Advance(time.Minute)
	_, err := w.accept(secret, "mia")
	w.must(err)
}

var here = passkey.Party{ID: "localhost", Origins: []string{"http://localhost"}}

// A passkey instead of a password: it signs in, and nothing else does.
func TestPasskey(t *testing.T) {
	w := newFixture(t)
	secret, _ := w.make(invite.New{})
	options, err := w.Passkeys.BeginJoin(t.Context(), here, "mia", "browser")
	w.must(err)
	key, answer := passkeytest.Create(t, options, here.Origins[0])
	if _, err := w.Passkeys.FinishJoin(t.Context(), here, "another browser", "phone", answer); !errors.Is(err, passkey.ErrChallenge) {
		t.Errorf("attack: the answer in another browser: %v", err)
	}
	joining, err := w.Passkeys.FinishJoin(t.Context(), here, "browser", "phone", answer)
	w.must(err)
	v, err := w.Invites.Accept(t.Context(), visitor, secret, invite.Chosen{Username: "mia", Passkey: &joining})
	w.must(err)
	if v.Account.PasswordHash != "" {
		t.Error("the account has a password")
	}
	options, err = w.Passkeys.BeginSignIn(t.Context(), here, "browser", "192.0.2.1")
	w.must(err)
	in, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", key.Sign(t, options))
	if err != nil || in.Account.ID != v.Account.ID {
		t.Errorf("signing in: account %d, %v", in.Account.ID, err)
	}
	if _, err := w.Accounts.Verify(t.Context(), visitor, account.Credentials{Login: "mia"}); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("attack: the empty password: %v", err)
	}

	// The passkey belongs to an account now: it cannot create a second one, and the second
	// invitation stays.
	second, _ := w.make(invite.New{})
	if _, err := w.Invites.Accept(t.Context(), visitor, second, invite.Chosen{Username: "noa", Passkey: &joining}); err == nil {
		t.Error("attack: one passkey for two accounts")
	}
	if _, err := w.accept(second, "noa"); err != nil {
		t.Error(err)
	}
}
