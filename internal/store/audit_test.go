package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/store"
)

// told reads the audit log as "event account by actor from device, address:
// detail", the oldest row first.
func told(t testing.TB, s *store.Store) (lines []string) {
	t.Helper()
	list, err := s.AuditForward(t.Context(), store.AuditQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%s", e.Event, e.Account, e.Actor, e.Device, e.Address, e.Detail))
	}
	return lines
}

// Each change has its row, and what was not made has none.
func TestChangesAreTold(t *testing.T) {
	s := open(t, t.TempDir())
	by := func(a store.Actor) context.Context { return store.WithActor(t.Context(), a) }
	operator := by(store.Actor{Name: "command line (olga)"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin, err := s.AddAccount(operator, store.Account{
		UUID: "1", Username: "olga", UsernameKey: "olga", Email: "olga@example.org", EmailKey: "olga@example.org", Admin: true,
	})
	must(err)
	mia, err := s.AddAccount(operator, newAccount("mia", "mia@example.org"))
	must(err)
	if _, err := s.AddAccount(operator, newAccount("mia", "")); err == nil {
		t.Error("two accounts have the same name")
	}
	tv := by(store.Actor{Device: "Player on Living room", Address: "192.0.2.7"})
	in := newSignIn(mia, "tv", "one")
	in.Device = store.Device{ClientIdentifier: "tv", Product: "Player", Name: "Living room"}
	must(s.SignIn(tv, in))
	in.PasswordHash = "another"
	if err := s.SignIn(tv, in); err == nil {
		t.Error("a sign-in by another password was carried out")
	}
	must(s.Note(tv, store.Event{Kind: store.EventSignInRefused, AccountID: mia.ID, Detail: "wrong password"}))
	must(s.Note(tv, store.Event{Kind: store.EventSignInRefused, Detail: "no such account"}))
	page := by(store.Actor{AccountID: admin.ID, Device: "Browser", Address: "192.0.2.8"})
	den, err := s.AddSource(page, store.Source{Kind: store.ServerSource, Identifier: "den", Name: "Den"})
	must(err)
	must(s.AddShare(page, den.ID, mia.ID))
	own := by(store.Actor{AccountID: mia.ID, Device: "Player on Living room", Address: "192.0.2.7"})
	must(s.AddServerToken(own, hash("for den"), 1, den.ID))
	must(s.AddServerToken(own, hash("for den"), 1, den.ID)) // it is there already
	must(s.RemoveShare(page, den.ID, mia.ID))
	must(s.SetSecondFactor(own, mia.ID, []byte("sealed"), 5, []store.Hash{hash("backup")}))
	in = newSignIn(mia, "tv", "two")
	in.UsedBackup, in.BackupCode = true, hash("backup")
	must(s.SignIn(tv, in))
	in = newSignIn(mia, "tv", "three")
	in.TOTPStep = 6
	must(s.SignIn(tv, in))
	must(s.SetSecondFactor(operator, mia.ID, nil, 0, nil))
	must(s.SetPasswordHash(own, mia.ID, "changed"))
	must(s.AddShare(page, den.ID, mia.ID))
	must(s.AddServerToken(own, hash("for den"), 1, den.ID))
	must(s.RevokeToken(page, 1))
	must(s.SignOut(own, 3))
	must(s.SetDisabled(page, mia.ID, true))
	must(s.SetDisabled(page, mia.ID, false))
	must(s.RemoveSource(page, den.ID))
	must(s.RemoveAccount(page, mia.ID))
	if err := s.RemoveAccount(page, mia.ID); err == nil {
		t.Error("an account was removed twice")
	}
	want := []string{
		"account.added|olga|command line (olga)|||admin",
		"account.added|mia|command line (olga)|||",
		"sign-in|mia||Player on Living room|192.0.2.7|token 1",
		"sign-in.refused|mia||Player on Living room|192.0.2.7|wrong password",
		"sign-in.refused|||Player on Living room|192.0.2.7|no such account",
		"server.added||olga|Browser|192.0.2.8|Den",
		"share.added|mia|olga|Browser|192.0.2.8|Den",
		"token.made|mia||Player on Living room|192.0.2.7|token 2 for Den",
		"share.removed|mia|olga|Browser|192.0.2.8|Den, and one token",
		"second-factor.added|mia||Player on Living room|192.0.2.7|",
		"backup-code.used|mia||Player on Living room|192.0.2.7|",
		"sign-in|mia||Player on Living room|192.0.2.7|token 3",
		"sign-in|mia||Player on Living room|192.0.2.7|token 4, with a verification code",
		"second-factor.removed|mia|command line (olga)|||",
		"password.changed|mia||Player on Living room|192.0.2.7|",
		"share.added|mia|olga|Browser|192.0.2.8|Den",
		"token.made|mia||Player on Living room|192.0.2.7|token 5 for Den",
		"token.revoked|mia|olga|Browser|192.0.2.8|token 1 of Test, and one token",
		"sign-out|mia||Player on Living room|192.0.2.7|token 3 of Test",
		"account.disabled|mia|olga|Browser|192.0.2.8|",
		"account.enabled|mia|olga|Browser|192.0.2.8|",
		"server.removed||olga|Browser|192.0.2.8|Den",
		"account.removed|mia|olga|Browser|192.0.2.8|",
	}
	if diff := cmp.Diff(want, told(t, s)); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// A change that leaves all as it was has no row: the log must not tell of what
// did not happen.
func TestNoChangeIsNotTold(t *testing.T) {
	s := open(t, t.TempDir())
	mia, err := s.AddAccount(t.Context(), newAccount("mia", "mia@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	changes := []struct {
		name string
		do   func() error
		want string // the event, once
	}{
		{"removing the second factor", func() error { return s.SetSecondFactor(t.Context(), mia.ID, nil, 0, nil) }, ""},
		{"enabling", func() error { return s.SetDisabled(t.Context(), mia.ID, false) }, ""},
		{"disabling", func() error { return s.SetDisabled(t.Context(), mia.ID, true) }, "account.disabled"},
		{"disabling again", func() error { return s.SetDisabled(t.Context(), mia.ID, true) }, ""},
		{"enabling what is disabled", func() error { return s.SetDisabled(t.Context(), mia.ID, false) }, "account.enabled"},
		{"the same name", func() error { return s.SetIdentity(t.Context(), mia) }, ""},
		{"the name in capitals", func() error { mia.Username = "MIA"; return s.SetIdentity(t.Context(), mia) }, "account.changed"},
		{"ending what is not there", func() error { return s.EndOthers(t.Context(), mia.ID, 0) }, ""},
		{"the same password", func() error { return s.SetPasswordHash(t.Context(), mia.ID, mia.PasswordHash) }, "password.changed"},
	}
	for _, c := range changes {
		before := len(told(t, s))
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got string
		for _, line := range told(t, s)[before:] {
			event, _, _ := strings.Cut(line, "|")
			got += event
		}
		if got != c.want {
			t.Errorf("%s is told as %q, want %q", c.name, got, c.want)
		}
	}
	for name, err := range map[string]error{
		"disabling": s.SetDisabled(t.Context(), 99, true), "renaming": s.SetIdentity(t.Context(), store.Account{ID: 99}),
		"removing the second factor": s.SetSecondFactor(t.Context(), 99, nil, 0, nil),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s nobody gives %v, want ErrNotFound", name, err)
		}
	}
}
