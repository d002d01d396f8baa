package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

// browse starts a session of mia, who has no second factor.
func (w *fixture) browse(t *testing.T) session.Session {
	t.Helper()
	v, err := w.VerifyPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	_, s, err := w.core.Sessions.Start(t.Context(), visitor, v.Proof, v.Complete, "Firefox")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *fixture) prove(t *testing.T, code plexauth.Secret) account.Verified {
	t.Helper()
	v, err := w.Verify(t.Context(), visitor, account.Credentials{Login: "mia", Password: password, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *fixture) pending(t *testing.T, s session.Session) account.Enrolment {
	t.Helper()
	e, err := w.Pending(t.Context(), "usher", w.mia, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The seed that a session sets up stays the same for a while, even after a restart. Another
// session has a different seed.
func TestPendingSeed(t *testing.T) {
	w := newFixture(t, core.Config{})
	one, two := w.browse(t), w.browse(t)
	e := w.pending(t, one)
	if w.pending(t, two).Secret == e.Secret {
		t.Error("two sessions set up one seed")
	}
	w.restart()
	if again := w.pending(t, one); again != e {
		t.Error("after a restart there is another seed")
	}
	w.core.Clock.Advance(59 * time.Minute)
	if err := w.CheckPending(t.Context(), w.mia, one.ID, code(t, e, w.now())); err != nil {
		t.Errorf("after 59 minutes: %v", err)
	}
	w.core.Clock.Advance(time.Minute)
	if err := w.CheckPending(t.Context(), w.mia, one.ID, code(t, e, w.now())); !errors.Is(err, account.ErrCode) {
		t.Errorf("after an hour: %v, want ErrCode", err)
	}
	if w.pending(t, one).Secret == e.Secret {
		t.Error("after an hour the seed is the same")
	}
}

// Enrolling spends the proof and the code of the new seed: neither works again.
func TestEnrolPending(t *testing.T) {
	w := newFixture(t, core.Config{})
	s := w.browse(t)
	e, c := w.pending(t, s), plexauth.Secret("")
	enrol := func(proof account.Verified, code plexauth.Secret) error {
		backup, err := w.EnrolPending(t.Context(), visitor, proof.Proof, s.ID, code)
		if (len(backup) == 10) != (err == nil) {
			t.Errorf("there are %d backup codes, error %v", len(backup), err)
		}
		return err
	}
	c = code(t, e, w.now())
	proof := w.prove(t, "")
	stale := w.prove(t, "")
	if err := enrol(w.prove(t, ""), "000000"); !errors.Is(err, account.ErrCode) {
		t.Errorf("a wrong code of the new seed: %v, want ErrCode", err)
	}
	if err := enrol(account.Verified{}, c); err == nil {
		t.Error("attack: a second factor is enrolled without a proof")
	}
	if err := enrol(proof, c); err != nil {
		t.Fatal(err)
	}
	if err := enrol(stale, c); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("attack: a proof of before the second factor: %v, want ErrCredentials", err)
	}
	if err := w.signIn(t, password, c); !errors.Is(err, account.ErrCode) {
		t.Errorf("attack: the code that enrolled signs in: %v, want ErrCode", err)
	}
	w.core.Clock.Advance(time.Minute)
	half, err := w.VerifyPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: password})
	if err != nil || half.Complete {
		t.Fatal(err)
	}
	w.pending(t, s)
	if err := w.TurnOffSecondFactor(t.Context(), visitor, half.Proof); err == nil {
		t.Error("attack: the password alone turns the second factor off")
	}
	if err := enrol(half, code(t, w.pending(t, s), w.now())); err == nil {
		t.Error("attack: the password alone replaces the second factor")
	}
	if err := w.Confirm(t.Context(), visitor, half.Proof); err == nil {
		t.Error("attack: the password alone confirms a change")
	}
	now := code(t, e, w.now())
	if err := w.Confirm(t.Context(), visitor, w.prove(t, now).Proof); err != nil {
		t.Error(err)
	}
	if _, err := w.verify("mia", password, now); !errors.Is(err, account.ErrCode) {
		t.Errorf("attack: the code that confirmed a change signs in: %v, want ErrCode", err)
	}
	w.core.Clock.Advance(time.Minute)
	if err := w.TurnOffSecondFactor(t.Context(), visitor, w.prove(t, code(t, e, w.now())).Proof); err != nil {
		t.Error(err)
	}
	if err := w.signIn(t, password, ""); err != nil {
		t.Errorf("after it was turned off: %v", err)
	}
}

// Two proofs turn the second factor off at the same time as one replaces it: a
// proof is about the factor that it was checked against.
func TestProofOfAnotherFactor(t *testing.T) {
	w := newFixture(t, core.Config{})
	_, backup := w.enrol(t)
	proof := w.prove(t, backup[0])
	w.enrol(t)
	if err := w.TurnOffSecondFactor(t.Context(), visitor, proof.Proof); !errors.Is(err, account.ErrCode) {
		t.Errorf("a backup code of the factor before: %v, want ErrCode", err)
	}
	if a, err := w.Get(t.Context(), w.mia.ID); err != nil || !a.HasSecondFactor() {
		t.Errorf("the second factor is off (%v)", err)
	}
}

// A link works once, for a day, and until the second factor changes in another way
// or there is a newer link.
func TestLinks(t *testing.T) {
	var olga account.Account // the admin who created the link
	for name, row := range map[string]struct {
		between func(ctx context.Context, w *fixture) error
		works   bool
	}{
		"nothing happened": {nil, true},
		"almost a day later": {func(_ context.Context, w *fixture) error {
			w.core.Clock.Advance(24*time.Hour - time.Minute)
			return nil
		}, true},
		"a day later": {func(_ context.Context, w *fixture) error {
			w.core.Clock.Advance(24 * time.Hour)
			return nil
		}, false},
		"a restart": {func(_ context.Context, w *fixture) error { w.restart(); return nil }, true},
		"a newer link": {func(ctx context.Context, w *fixture) error {
			_, _, err := w.NewLink(ctx, operator, w.mia.ID)
			return err
		}, false},
		"another second factor": {func(ctx context.Context, w *fixture) error {
			_, err := w.Enrol(ctx, operator, w.mia.ID, account.NewEnrolment("usher", "Mia"), "")
			return err
		}, false},
		"the account was removed": {func(ctx context.Context, w *fixture) error { return w.Remove(ctx, operator, w.mia.ID) }, false},
		"its maker was removed":   {func(ctx context.Context, w *fixture) error { return w.Remove(ctx, operator, olga.ID) }, false},
		"its maker became a member": {func(ctx context.Context, w *fixture) error {
			return w.Demote(ctx, operator, olga.ID, w.core.Sources)
		}, false},
		"its maker was disabled": {func(ctx context.Context, w *fixture) error { return w.Disable(ctx, operator, olga.ID) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			s := w.browse(t)
			w.core.AddAdmin("otto")
			olga = w.core.AddAdmin("olga")
			link, expires, err := w.NewLink(t.Context(), audit.Actor{AccountID: olga.ID}, w.mia.ID)
			if err != nil || !expires.Equal(w.now().Add(account.LinkLife)) {
				t.Fatal(expires, err)
			}
			if row.between != nil {
				if err := row.between(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			a, err := w.ByLink(t.Context(), link)
			if (err == nil) != row.works || !row.works && !errors.Is(err, account.ErrLink) || row.works && a.ID != w.mia.ID {
				t.Errorf("the link is of account %d, error %v", a.ID, err)
			}
			var c plexauth.Secret = "000000"
			if row.works {
				c = code(t, w.pending(t, s), w.now())
			}
			_, err = w.EnrolByLink(t.Context(), visitor, link, s.ID, c)
			if (err == nil) != row.works || !row.works && !errors.Is(err, account.ErrLink) {
				t.Errorf("enrolling: %v", err)
			}
			if _, err := w.EnrolByLink(t.Context(), visitor, link, s.ID, c); !errors.Is(err, account.ErrLink) {
				t.Errorf("attack: enrolling again: %v, want ErrLink", err)
			}
			for _, row := range w.rows(t) {
				if row == "second-factor.added|Mia|by an admin's link" {
					return
				}
			}
			if row.works {
				t.Error("the log does not have the link")
			}
		})
	}
}

// Attack: a key that may not change admins creates a link for one.
func TestLinkCreators(t *testing.T) {
	w := newFixture(t, core.Config{})
	olga := w.core.AddAdmin("olga")
	members := audit.Actor{Name: "admin key k of olga", MembersOnly: true, ForID: olga.ID}
	for what, row := range map[string]struct {
		by   audit.Actor
		id   int64
		want error
	}{
		"an admin, by the command line": {operator, olga.ID, nil},
		"an admin, by a key":            {members, olga.ID, account.ErrMembersOnly},
		"a member, by a key":            {members, w.mia.ID, nil},
		"nobody, by a key":              {members, 4711, account.ErrNotFound},
		"nobody, by the command line":   {operator, 4711, account.ErrNotFound},
	} {
		secret, _, err := w.NewLink(t.Context(), row.by, row.id)
		if !errors.Is(err, row.want) {
			t.Errorf("a link for %s: %v, want %v", what, err, row.want)
		}
		if a, err := w.ByLink(t.Context(), secret); (err == nil) != (row.want == nil) || a.ID != row.id && row.want == nil {
			t.Errorf("the link for %s is of account %d, %v", what, a.ID, err)
		}
	}
}

// Attack: many open one link at the same time. One of them enrols.
func TestConcurrentLinkWorksOnce(t *testing.T) {
	w := newFixture(t, core.Config{})
	s := w.browse(t)
	link, _, err := w.NewLink(t.Context(), operator, w.mia.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := code(t, w.pending(t, s), w.now())
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := w.EnrolByLink(w.ctx, visitor, link, s.ID, c)
			errs <- err
		}()
	}
	good := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			good++
		} else if !errors.Is(err, account.ErrLink) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d enrolled by one link", good)
	}
}

// Help from an operator also removes the lock.
func TestResetByAnAdminRemovesTheLock(t *testing.T) {
	for name, help := range map[string]func(w *fixture) (account.Enrolment, error){
		"another second factor": func(w *fixture) (account.Enrolment, error) {
			e := account.NewEnrolment("usher", "Mia")
			_, err := w.Enrol(w.ctx, operator, w.mia.ID, e, "")
			return e, err
		},
		"none, and then another": func(w *fixture) (account.Enrolment, error) {
			e := account.NewEnrolment("usher", "Mia")
			err := w.RemoveSecondFactor(w.ctx, operator, w.mia.ID)
			if err == nil {
				_, err = w.Enrol(w.ctx, operator, w.mia.ID, e, "")
			}
			return e, err
		},
	} {
		w := newFixture(t, core.Config{FailedTries: 2})
		w.enrol(t)
		thief := audit.Actor{Address: "198.51.100.9"}
		if got := tries(5, func(int) error { return w.signInAt(thief, "", "000000") }); got != "code 2, limited 3" {
			t.Fatalf("the outcomes of the attempts are %s", got)
		}
		e, err := help(w)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.signInAt(visitor, "", string(code(t, e, w.now()))); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}
