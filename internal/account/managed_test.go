package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// addManaged adds a managed account to mia's home.
func (w *fixture) addManaged(name string) (a account.Account, err error) {
	err = w.core.DB.Write(w.ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		a, err = w.AddManaged(ctx, tx, operator, w.mia.ID, name)
		return err
	})
	return a, err
}

// Which names a managed account can have.
func TestManagedNames(t *testing.T) {
	w := newFixture(t, core.Config{})
	for name, want := range map[string]string{
		"Kid": "Kid", " Little \t One ": "Little One", strings.Repeat("é", 64): strings.Repeat("é", 64), "E\u0301va": "Éva",
		"Аня Petrova": "Аня Petrova", // two scripts, but not in one word
		"Mia":         "Mia",         // it is not a login
		"":            "", " \t": "", strings.Repeat("é", 65): "", "a\x00b": "", "a\u200bb": "", "k\u0456d": "", "a\xffb": "",
	} {
		a, err := w.addManaged(name)
		if want == "" {
			if fault.KindOf(err) != fault.Invalid || fault.FieldOf(err) != account.Title {
				t.Errorf("%q: %v, want an error about the title", name, err)
			}
			continue
		}
		if err != nil || a.Title != want || a.OwnerID != w.mia.ID || !a.Managed() || a.CanSignIn() {
			t.Errorf("%q: %+v, %v; want a managed account %q", name, a, err, want)
		}
		for _, login := range []string{name, a.UsernameKey, a.UUID} {
			v, err := w.verify(login, "", "")
			if !errors.Is(err, account.ErrCredentials) || v.Account.ID != 0 {
				t.Errorf("Attack: signing in as %q: %v, want ErrCredentials", login, err)
			}
		}
	}
}

// A managed account is renamed and removed, and both are in the log.
func TestManagedAccountChanges(t *testing.T) {
	w := newFixture(t, core.Config{})
	kid, err := w.addManaged("Kid")
	if err != nil {
		t.Fatal(err)
	}
	rename := func(name string) func(context.Context, *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error {
			now, err := w.Get(ctx, kid.ID)
			if err != nil {
				return err
			}
			return w.RenameManaged(ctx, tx, operator, now, name)
		}
	}
	for _, test := range []struct {
		name  string
		do    func(context.Context, *db.Tx) error
		bad   bool
		title string // afterwards; empty: it is gone
		event string
	}{
		{"another name", rename(" Big  Kid"), false, "Big Kid", "account.changed|Kid|"},
		{"the same name", rename("Big Kid"), false, "Big Kid", ""},
		{"no name", rename(""), true, "Big Kid", ""},
		{"removed", func(ctx context.Context, tx *db.Tx) error {
			kid.Username = "Big Kid"
			return w.RemoveManaged(ctx, tx, operator, kid)
		}, false, "", "account.removed|Big Kid|"},
	} {
		before := w.rows(t)
		if err := w.core.DB.Write(t.Context(), test.do); (err != nil) != test.bad {
			t.Errorf("%s: %v", test.name, err)
		}
		got := strings.Join(w.rows(t)[len(before):], "\n")
		if got != test.event {
			t.Errorf("%s: the log got %q, want %q", test.name, got, test.event)
		}
		a, err := w.Get(t.Context(), kid.ID)
		if a.Title != test.title || errors.Is(err, account.ErrNotFound) != (test.title == "") {
			t.Errorf("%s: the account is called %q, %v; want %q", test.name, a.Title, err, test.title)
		}
	}
}

// A PIN matches for its account only, and with the server's key only.
func TestMatchPIN(t *testing.T) {
	w := newFixture(t, core.Config{})
	noa := account.Account{ID: 99, UUID: "another"}
	hash, err := w.HashPIN(t.Context(), visitor, w.mia, "1234")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		a         account.Account
		pin, hash plexauth.Secret
		want      bool
	}{
		{"the PIN", w.mia, "1234", hash, true},
		{"another PIN", w.mia, "1235", hash, false},
		{"no PIN", w.mia, "", hash, false},
		{"Attack: the hash of another account", noa, "1234", hash, false},
		{"Attack: a hash of the PIN alone", w.mia, "1234", account.HashPassword("1234", cheap), false},
		{"Attack: a hash that cannot be read", w.mia, "1234", "x", false},
		{"no hash", w.mia, "", "", false},
	} {
		if got, err := w.MatchPIN(t.Context(), visitor, test.a, test.pin, test.hash); got != test.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", test.name, got, err, test.want)
		}
	}
}

// After the free wrong codes, the wait is a minute; each further one doubles it, up to
// a day.
func TestLockAfter(t *testing.T) {
	got := make(map[int]time.Duration)
	want := map[int]time.Duration{
		0: 0, 1: 0, 4: 0, 5: time.Minute, 6: 2 * time.Minute, 7: 4 * time.Minute, 15: 1024 * time.Minute,
		16: 24 * time.Hour, 17: 24 * time.Hour, 1000: 24 * time.Hour,
	}
	for wrong := range want {
		got[wrong] = account.LockAfter(wrong, 5)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the waits after so many wrong codes, of which 5 are free (-want +got):\n%s", diff)
	}
}
