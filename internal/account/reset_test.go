package account_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

const newPassword = "a password that is new"

var both = account.Reset{Password: true, SecondFactor: true}

func (w *fixture) reset(t *testing.T, by audit.Actor, what account.Reset) plexauth.Secret {
	t.Helper()
	secret, _, err := w.NewReset(t.Context(), by, w.mia.ID, what, 0)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (w *fixture) useReset(secret plexauth.Secret, with account.ResetWith) (account.Verified, error) {
	return w.UseReset(w.ctx, visitor, secret, with, w.core.Sessions)
}

// The effect of each link, and what a sign-in still needs afterwards.
func TestReset(t *testing.T) {
	for name, c := range map[string]struct {
		what      account.Reset
		with      account.ResetWith
		password  plexauth.Secret // afterwards
		hasFactor bool
	}{
		"a new password": {account.Reset{Password: true}, account.ResetWith{New: newPassword}, newPassword, true},
		"both":           {both, account.ResetWith{New: newPassword}, newPassword, false},
		"the factor":     {account.Reset{SecondFactor: true}, account.ResetWith{Current: password}, password, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			w.enrol(t)
			secret := w.reset(t, operator, c.what)
			a, what, err := w.ByReset(t.Context(), visitor, secret)
			if err != nil || a.ID != w.mia.ID || what != c.what {
				t.Fatalf("the link is of account %d, %+v, %v", a.ID, what, err)
			}
			v, err := w.useReset(secret, c.with)
			if err != nil || v.Complete == c.hasFactor || v.Account.HasSecondFactor() != c.hasFactor {
				t.Fatalf("%+v, %v", v, err)
			}
			if _, _, err := w.core.Sessions.Start(t.Context(), visitor, v.Proof, v.Complete, "browser"); err != nil {
				t.Error(err)
			}
			again, err := w.VerifyPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: c.password})
			if err != nil || again.Complete == c.hasFactor {
				t.Errorf("signing in: %+v, %v", again, err)
			}
			if _, err := w.useReset(secret, c.with); !errors.Is(err, account.ErrReset) {
				t.Errorf("attack: again: %v", err)
			}
			rows := w.rows(t)
			if c.what.Password && !slices.Contains(rows, "password.changed|Mia|by a reset link") ||
				c.what.SecondFactor && !slices.Contains(rows, "second-factor.removed|Mia|by a reset link") {
				t.Errorf("the log is %q", rows)
			}
		})
	}
}

// Everything that was signed in is signed out, on every device.
func TestResetSignsOut(t *testing.T) {
	w := newFixture(t, core.Config{})
	v, err := w.VerifyPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := w.core.Sessions.Start(t.Context(), visitor, v.Proof, true, "thief")
	if err != nil {
		t.Fatal(err)
	}
	token := w.core.Token(w.mia, "tv")
	if _, err := w.useReset(w.reset(t, operator, account.Reset{Password: true}), account.ResetWith{New: newPassword}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.core.Sessions.Find(t.Context(), cookie, ""); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the session: %v", err)
	}
	if _, err := w.core.Tokens.Verify(t.Context(), token); err == nil {
		t.Error("the token works")
	}
}

// When a link no longer works.
func TestVoidReset(t *testing.T) {
	for name, row := range map[string]struct {
		between func(ctx context.Context, w *fixture, admin account.Account) error
		works   bool
	}{
		"nothing happened": {func(context.Context, *fixture, account.Account) error { return nil }, true},
		"almost an hour later": {func(_ context.Context, w *fixture, _ account.Account) error {
			w.core.Clock.Advance(time.Hour - time.Millisecond)
			return nil
		}, true},
		"an hour later": {func(_ context.Context, w *fixture, _ account.Account) error {
			w.core.Clock.Advance(time.Hour)
			return nil
		}, false},
		"a newer link": {func(ctx context.Context, w *fixture, _ account.Account) error {
			_, _, err := w.NewReset(ctx, operator, w.mia.ID, both, 0)
			return err
		}, false},
		"somebody asks for one by e-mail": {func(ctx context.Context, w *fixture, _ account.Account) error {
			_, err := w.mailed(ctx)
			return err
		}, true},
		"another password": {func(ctx context.Context, w *fixture, _ account.Account) error {
			return w.SetPassword(ctx, operator, w.mia.ID, newPassword)
		}, false},
		"another second factor": {func(ctx context.Context, w *fixture, _ account.Account) error {
			_, err := w.Enrol(ctx, operator, w.mia.ID, account.NewEnrolment("usher", "Mia"), "")
			return err
		}, false},
		"another name": {func(ctx context.Context, w *fixture, _ account.Account) error {
			return w.Rename(ctx, operator, w.mia.ID, "maja")
		}, true},
		"the account was disabled": {func(ctx context.Context, w *fixture, _ account.Account) error {
			return w.Disable(ctx, operator, w.mia.ID)
		}, false},
		"the account was removed": {func(ctx context.Context, w *fixture, _ account.Account) error {
			return w.Remove(ctx, operator, w.mia.ID)
		}, false},
		"its maker was removed": {func(ctx context.Context, w *fixture, admin account.Account) error {
			return w.Remove(ctx, operator, admin.ID)
		}, false},
		"its maker became a member": {func(ctx context.Context, w *fixture, admin account.Account) error {
			return w.Demote(ctx, operator, admin.ID, w.core.Sources)
		}, false},
		"its maker was disabled": {func(ctx context.Context, w *fixture, admin account.Account) error {
			return w.Disable(ctx, operator, admin.ID)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			admin := w.core.AddAdmin("olga")
			w.core.AddAdmin("otto")
			secret := w.reset(t, audit.Actor{AccountID: admin.ID}, both)
			if err := row.between(t.Context(), w, admin); err != nil {
				t.Fatal(err)
			}
			_, _, find := w.ByReset(t.Context(), visitor, secret)
			_, err := w.useReset(secret, account.ResetWith{New: "another new password"})
			for what, err := range map[string]error{"finding": find, "using": err} {
				if (err == nil) != row.works || !row.works && !errors.Is(err, account.ErrReset) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// Attack: many use one link at the same time. One of them sets the password.
func TestConcurrentResetWorksOnce(t *testing.T) {
	w := newFixture(t, core.Config{})
	secret := w.reset(t, operator, both)
	errs := make(chan error, 10)
	for range cap(errs) {
		go func() {
			_, err := w.useReset(secret, account.ResetWith{New: newPassword})
			errs <- err
		}()
	}
	good := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			good++
		} else if !errors.Is(err, account.ErrReset) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d used one link", good)
	}
}

// A failed reset leaves the account and the link as they were.
func TestFailedReset(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	w.enrol(t)
	secret := w.reset(t, operator, both)
	if _, err := w.useReset(secret, account.ResetWith{New: "short"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a short password: %v", err)
	}
	if _, err := w.useReset(secret, account.ResetWith{New: newPassword}); err != nil {
		t.Errorf("and then a good one: %v", err)
	}

	// Attack: using a link for the factor alone requires the password.
	w.enrol(t)
	secret = w.reset(t, operator, account.Reset{SecondFactor: true})
	for _, with := range []account.ResetWith{{}, {Current: "wrong password"}, {New: "a password of the thief"}} {
		if _, err := w.useReset(secret, with); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%+v: %v", with, err)
		}
	}
	a, err := w.Get(t.Context(), w.mia.ID)
	if err != nil || !a.HasSecondFactor() {
		t.Errorf("the factor is gone: %v", err)
	}
}

func TestImpossibleReset(t *testing.T) {
	w := newFixture(t, core.Config{})
	for name, c := range map[string]struct {
		what account.Reset
		life time.Duration
	}{
		"for nothing": {account.Reset{}, 0}, "too short": {both, time.Second}, "too long": {both, 25 * time.Hour}, "negative": {both, -time.Hour},
	} {
		if _, _, err := w.NewReset(t.Context(), operator, w.mia.ID, c.what, c.life); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := w.NewReset(t.Context(), operator, 99, both, 0); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
	kid, err := w.core.Homes.AddManaged(t.Context(), operator, w.mia.ID, "kid", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.NewReset(t.Context(), operator, kid.Account.ID, both, 0); !errors.Is(err, account.ErrManaged) {
		t.Errorf("attack: a managed account gets a password: %v", err)
	}
	if err := w.Disable(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.NewReset(t.Context(), operator, w.mia.ID, both, 0); !errors.Is(err, account.ErrDisabled) {
		t.Error(err)
	}
}

// Attack: an attacker guesses links.
func TestGuessedResets(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	secret := w.reset(t, operator, both)
	for range 3 {
		if _, _, err := w.ByReset(t.Context(), visitor, "guess"); !errors.Is(err, account.ErrReset) {
			t.Error(err)
		}
	}
	if _, err := w.useReset(secret, account.ResetWith{New: newPassword}); !errors.Is(err, account.ErrResetTries) || fault.WaitOf(err) <= 0 {
		t.Errorf("after three guesses: %v", err)
	}
	w.core.Clock.Advance(time.Minute)
	if _, err := w.useReset(secret, account.ResetWith{New: newPassword}); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// mailed requests a link by e-mail with mia's name.
func (w *fixture) mailed(ctx context.Context) (secret plexauth.Secret, err error) {
	err = w.ResetByEmail(ctx, visitor, "mia", func(made account.MadeReset) mail.Message {
		secret = made.Secret
		return mail.Message{To: made.Account.Email, Until: made.ExpiresAt}
	}, w.core.Outbox)
	return secret, err
}

// Attack: requesting links by e-mail revokes earlier ones, from an admin or by e-mail. An
// attacker who takes over a former mailbox uses a link in it.
func TestMailedResets(t *testing.T) {
	w := newFixture(t, core.Config{})
	var links []plexauth.Secret
	ask := func() {
		t.Helper()
		link, err := w.mailed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, link)
	}
	works := func(link plexauth.Secret) bool {
		t.Helper()
		_, what, err := w.ByReset(t.Context(), visitor, link)
		if err != nil && !errors.Is(err, account.ErrReset) {
			t.Fatal(err)
		}
		return err == nil && what == account.Reset{Password: true}
	}
	ask()
	admins := w.reset(t, operator, account.Reset{Password: true})
	for range account.MaxMailedResets - 1 {
		w.core.Clock.Advance(time.Second)
		ask()
	}
	for i, link := range append(links, admins) {
		if !works(link) {
			t.Errorf("link %d does not work", i)
		}
	}
	w.core.Clock.Advance(time.Second)
	ask()
	if works(links[0]) || !works(links[1]) || !works(admins) {
		t.Error("the oldest one by e-mail works, or another one does not")
	}
	if err := w.SetEmail(t.Context(), operator, w.mia.ID, "mia@example.net"); err != nil {
		t.Fatal(err)
	}
	for i, link := range links {
		if works(link) {
			t.Errorf("link %d of the address that was given up works", i)
		}
	}
	ask()
	if _, err := w.useReset(admins, account.ResetWith{New: newPassword}); err != nil {
		t.Fatal(err)
	}
	if works(links[len(links)-1]) {
		t.Error("a link by e-mail works after another one was used")
	}
}

// Attack: an admin's link was e-mailed, and the new owner of an abandoned mailbox uses it.
// A link that the admin passed on stays valid.
func TestMailedLinksEndWithTheAddress(t *testing.T) {
	mails := func(made account.MadeReset) mail.Message {
		return mail.Message{To: made.Account.Email, Until: made.ExpiresAt}
	}
	for name, c := range map[string]struct {
		what   account.Reset
		letter account.ResetLetter
		factor bool // mia has one
		email  string
		works  bool
	}{
		"another address":                      {account.Reset{Password: true}, mails, false, "mia@example.net", false},
		"another address, and a factor stays":  {account.Reset{Password: true}, mails, true, "mia@example.net", false},
		"no address":                           {account.Reset{Password: true}, mails, false, "", false},
		"the same address":                     {account.Reset{Password: true}, mails, false, "Mia@Example.org", true},
		"one that was handed over":             {account.Reset{Password: true}, nil, false, "mia@example.net", true},
		"one that is not mailed for its power": {both, mails, true, "mia@example.net", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			if c.factor {
				w.enrol(t)
			}
			made, err := w.MailReset(t.Context(), operator, w.mia.ID, c.what, 0, c.letter)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.SetEmail(t.Context(), operator, w.mia.ID, c.email); err != nil {
				t.Fatal(err)
			}
			if _, err := w.useReset(made.Secret, account.ResetWith{New: newPassword}); (err == nil) != c.works || err != nil && !errors.Is(err, account.ErrReset) {
				t.Errorf("the link: %v", err)
			}
		})
	}
}

// Attack: a key that may not change admins creates a link for a member, who is promoted
// before the link is used.
func TestPromotionEndsLinksOfMembersKeys(t *testing.T) {
	for name, by := range map[string]audit.Actor{
		"a key that may not change admins": {Name: "admin key k of olga", MembersOnly: true},
		"a key that may":                   {Name: "admin key k of olga"},
		"the command line":                 operator,
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			olga := w.core.AddAdmin("olga")
			if by.Name != operator.Name {
				by.ForID = olga.ID
			}
			secret := w.reset(t, by, account.Reset{Password: true})
			if _, _, err := w.ByReset(t.Context(), visitor, secret); err != nil {
				t.Fatal(err)
			}
			if err := w.Promote(t.Context(), operator, w.mia.ID); err != nil {
				t.Fatal(err)
			}
			_, _, err := w.ByReset(t.Context(), visitor, secret)
			_, used := w.useReset(secret, account.ResetWith{New: newPassword})
			for _, err := range []error{err, used} {
				if by.MembersOnly != errors.Is(err, account.ErrReset) || !by.MembersOnly && err != nil {
					t.Errorf("the link: %v", err)
				}
			}
		})
	}
}
