package store_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/store"
)

func addAdmin(t testing.TB, s *store.Store, name string) store.Account {
	t.Helper()
	a := newAccount(name, "")
	a.Admin = true
	a, err := s.AddAccount(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The only admin who can sign in is neither removed nor disabled: nobody could
// undo it. A disabled admin does not count as one.
func TestLastAdminStays(t *testing.T) {
	s := open(t, t.TempDir())
	ada, eve := addAdmin(t, s, "ada"), addAdmin(t, s, "eve")
	mia := addAccount(t, s, "mia", "")
	for _, err := range []error{
		s.SetDisabled(t.Context(), eve.ID, true), s.SetDisabled(t.Context(), eve.ID, true), s.SetDisabled(t.Context(), mia.ID, true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetDisabled(t.Context(), ada.ID, true); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("disabling: got %v, want ErrLastAdmin", err)
	}
	if err := s.RemoveAccount(t.Context(), ada.ID); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("removing: got %v, want ErrLastAdmin", err)
	}
	if err := s.SetDisabled(t.Context(), ada.ID, false); err != nil {
		t.Errorf("enabling: %v", err)
	}
	if err := s.RemoveAccount(t.Context(), eve.ID); err != nil {
		t.Errorf("removing an admin who is disabled: %v", err)
	}
	if err := s.RemoveAccount(t.Context(), mia.ID); err != nil {
		t.Errorf("removing a member: %v", err)
	}
}

// Attack: two admins remove each other at the same moment, and nobody is left.
func TestAdminsRemoveEachOther(t *testing.T) {
	s := open(t, t.TempDir())
	admins := [...]store.Account{addAdmin(t, s, "ada"), addAdmin(t, s, "eve")}
	var errs [len(admins)]error
	var wg sync.WaitGroup
	for i, a := range admins {
		wg.Go(func() { errs[i] = s.RemoveAccount(t.Context(), a.ID) })
	}
	wg.Wait()
	last := 0
	for _, err := range errs {
		if errors.Is(err, store.ErrLastAdmin) {
			last++
		} else if err != nil {
			t.Error(err)
		}
	}
	if list, err := s.Accounts(t.Context()); last != 1 || len(list) != 1 || err != nil {
		t.Errorf("%d were refused and %d are left (%v), want one each", last, len(list), err)
	}
}

func TestCounts(t *testing.T) {
	s := open(t, t.TempDir())
	ada, mia := addAdmin(t, s, "ada"), addAccount(t, s, "mia", "")
	den, err := s.AddSource(t.Context(), store.Source{Kind: store.ServerSource, Identifier: "den", Name: "Den"})
	if err == nil {
		err = s.AddShare(t.Context(), den.ID, mia.ID)
	}
	if err == nil {
		err = s.AddOrigin(t.Context(), "https://app.example.org")
	}
	if err == nil {
		err = s.SetDisabled(t.Context(), mia.ID, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, s, ada, "tv", "a token")
	want := store.Counts{Accounts: 2, Admins: 1, Disabled: 1, Servers: 1, Shares: 1, AccessTokens: 1, Origins: 1}
	if got, err := s.Counts(t.Context()); got != want || err != nil {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}
