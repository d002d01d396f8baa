package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
)

// Attack: a proof of an earlier revision becomes valid again, because a later change
// restored that revision. Revisions only grow.
func TestRevisionsGrow(t *testing.T) {
	w := newFixture(t, core.Config{})
	last := w.mia.Revision
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"another password", func() error { return w.SetPassword(t.Context(), operator, w.mia.ID, "another horse") }},
		{"a second factor", func() error {
			_, err := w.Enrol(t.Context(), operator, w.mia.ID, account.NewEnrolment("usher", "Mia"), "")
			return err
		}},
		{"none", func() error { return w.RemoveSecondFactor(t.Context(), operator, w.mia.ID) }},
		{"the first password", func() error { return w.SetPassword(t.Context(), operator, w.mia.ID, password) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		a, err := w.Get(t.Context(), w.mia.ID)
		if err != nil || a.Revision != last+1 {
			t.Errorf("%s: revision %d after %d, %v", step.name, a.Revision, last, err)
		}
		last = a.Revision
	}
}

// A disabled or unknown account is not active.
func TestActive(t *testing.T) {
	w := newFixture(t, core.Config{})
	active := func(id int64) (account.Account, error) {
		return w.Active(context.WithoutCancel(t.Context()), w.core.DB, id)
	}
	if a, err := active(w.mia.ID); err != nil || a.ID != w.mia.ID {
		t.Errorf("mia: %+v, %v", a, err)
	}
	if _, err := active(99); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("nobody: %v, want ErrNotFound", err)
	}
	if err := w.Disable(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := active(w.mia.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("mia, who is disabled: %v, want ErrNotFound", err)
	}
	if err := w.Enable(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := active(w.mia.ID); err != nil {
		t.Errorf("mia, who is enabled again: %v", err)
	}
}

// From one network, ten times as many passwords may be wrong as for one account, and
// then one every six seconds.
func TestWrongPasswordsOfANetwork(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 2})
	try := func(i int) error {
		_, err := w.verify(fmt.Sprint("nobody", i), "wrong horse", "")
		return err
	}
	var err error
	n := 0
	for ; n < 50 && fault.KindOf(err) != fault.Limited; n++ {
		err = try(n)
	}
	if n-1 != 20 || fault.WaitOf(err) != 6*time.Second {
		t.Errorf("after %d: %v with a wait of %v; want 20 and 6s", n-1, err, fault.WaitOf(err))
	}
	w.core.Clock.Advance(6 * time.Second)
	if err := try(100); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("after that wait: %v, want ErrCredentials", err)
	}
	if err := try(101); fault.WaitOf(err) != 6*time.Second {
		t.Errorf("one more: %v with a wait of %v, want 6s", err, fault.WaitOf(err))
	}
}

// An unchanged name is not in the log.
func TestSameNamesAreNoChange(t *testing.T) {
	w := newFixture(t, core.Config{})
	for _, step := range []struct {
		name                    string
		do                      func() error
		username, email, logged string
	}{
		{"the same username", func() error { return w.Rename(t.Context(), operator, w.mia.ID, "Mia") }, "Mia", "Mia@Example.org", ""},
		{"the same address", func() error { return w.SetEmail(t.Context(), operator, w.mia.ID, "Mia@Example.org") }, "Mia", "Mia@Example.org", ""},
		{"another case", func() error { return w.Rename(t.Context(), operator, w.mia.ID, "MIA") }, "MIA", "Mia@Example.org", "account.changed"},
		{"another username", func() error { return w.Rename(t.Context(), operator, w.mia.ID, "Maria") }, "Maria", "Mia@Example.org", "account.changed"},
		{"another address", func() error { return w.SetEmail(t.Context(), operator, w.mia.ID, "m@example.org") }, "Maria", "m@example.org", "account.changed"},
	} {
		before := w.rows(t)
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		event, _, _ := strings.Cut(strings.Join(w.rows(t)[len(before):], "\n"), "|")
		if event != step.logged {
			t.Errorf("%s: the log has %q, want %q", step.name, event, step.logged)
		}
		a, err := w.Get(t.Context(), w.mia.ID)
		if err != nil || a.Username != step.username || a.Title != step.username || a.Email != step.email {
			t.Errorf("%s: %s (%s), %s, %v; want %s, %s", step.name, a.Username, a.Title, a.Email, err, step.username, step.email)
		}
	}
}
