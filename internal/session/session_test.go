package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// world is the services with one account.
type world struct {
	*coretest.Core
	mia store.Account
}

func newWorld(t *testing.T) world { return newWorldAt(t, time.Now) }

func newWorldAt(t *testing.T, now func() time.Time) world {
	t.Helper()
	c := coretest.New(t, core.Config{Now: now})
	return world{c, c.Add("mia")}
}

func (w world) proof() store.SignIn {
	return store.SignIn{AccountID: w.mia.ID, PasswordHash: w.mia.PasswordHash}
}

var home = session.From{UserAgent: "Firefox", Address: "192.0.2.1"}

func (w world) begin(t *testing.T, complete bool) (plexauth.Secret, store.Session) {
	t.Helper()
	cookie, s, err := w.Sessions.Begin(t.Context(), w.proof(), complete, home)
	if err != nil {
		t.Fatal(err)
	}
	return cookie, s
}

func (w world) wantNone(t *testing.T, cookie plexauth.Secret, why string) {
	t.Helper()
	if _, err := w.Sessions.Find(t.Context(), cookie, home); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("%s: error %v, want ErrNotFound", why, err)
	}
}

func TestSessionLastsAMonth(t *testing.T) {
	// Not synctest: the store looks for changes four times a second, and a
	// month has ten million of those.
	now := time.Now().Truncate(time.Millisecond)
	w := newWorldAt(t, func() time.Time { return now })
	cookie, _ := w.begin(t, true)
	now = now.Add(session.Life - time.Second)
	s, err := w.Sessions.Find(t.Context(), cookie, session.From{Address: "192.0.2.9"})
	if err != nil || s.AccountID != w.mia.ID || !s.Complete {
		t.Fatalf("a second before the end: %+v, %v", s, err)
	}
	list, err := w.Sessions.List(t.Context(), w.mia.ID)
	if err != nil || len(list) != 1 || list[0].Address != "192.0.2.9" || !list[0].LastUsedAt.Equal(now) {
		t.Errorf("the list is %+v, %v; want one, last used now from 192.0.2.9", list, err)
	}
	now = now.Add(time.Second)
	w.wantNone(t, cookie, "after a month")
}

// Attack: someone with the password alone stays for as long as they like in
// front of the second factor; or keeps the first cookie to use it later.
func TestHalfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cookie, _ := w.begin(t, false)
		time.Sleep(10 * time.Minute)
		w.wantNone(t, cookie, "ten minutes later")

		first, half := w.begin(t, false)
		if list, err := w.Sessions.List(t.Context(), w.mia.ID); err != nil || len(list) != 0 {
			t.Errorf("half a session is listed: %v, %v", list, err)
		}
		second, err := w.Sessions.Complete(t.Context(), half, w.proof())
		if err != nil {
			t.Fatal(err)
		}
		w.wantNone(t, first, "the first cookie after the second factor")
		if s, err := w.Sessions.Find(t.Context(), second, home); err != nil || !s.Complete {
			t.Errorf("the second cookie gives %+v, %v", s, err)
		}
		if _, err := w.Sessions.Complete(t.Context(), half, w.proof()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("completing twice gives %v, want ErrConflict", err)
		}
	})
}

// Attack: the second factor of one account completes the session of another.
func TestAnotherAccountsFactor(t *testing.T) {
	w := newWorld(t)
	noa := w.Add("noa")
	_, half := w.begin(t, false)
	if _, err := w.Sessions.Complete(t.Context(), half, store.SignIn{AccountID: noa.ID, PasswordHash: noa.PasswordHash}); err == nil {
		t.Error("noa's proof completed mia's session")
	}
}

// A session ends with what it stands on.
func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, world, store.Session) error{
		"sign-out": func(t *testing.T, w world, s store.Session) error { return w.Sessions.End(t.Context(), w.mia.ID, s.ID) },
		"account disabled": func(t *testing.T, w world, _ store.Session) error {
			return w.Accounts.SetDisabled(t.Context(), w.mia.ID, true)
		},
		"account removed": func(t *testing.T, w world, _ store.Session) error { return w.Accounts.Remove(t.Context(), w.mia.ID) },
		"everything else": func(t *testing.T, w world, s store.Session) error {
			return w.Store.EndOthers(t.Context(), w.mia.ID, s.ID+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cookie, s := w.begin(t, true)
			if _, err := w.Sessions.Find(t.Context(), cookie, home); err != nil {
				t.Fatal(err)
			}
			if err := end(t, w, s); err != nil {
				t.Fatal(err)
			}
			w.wantNone(t, cookie, "afterwards")
		})
	}
}

// Attack: somebody ends the sessions of others by their numbers.
func TestEndAnothersSession(t *testing.T) {
	w := newWorld(t)
	cookie, s := w.begin(t, true)
	if err := w.Sessions.End(t.Context(), w.mia.ID+1, s.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("ending it gives %v, want ErrNotFound", err)
	}
	if _, err := w.Sessions.Find(t.Context(), cookie, home); err != nil {
		t.Errorf("the session gives %v afterwards", err)
	}
}

// A password that has changed since it was checked begins nothing.
func TestStaleProof(t *testing.T) {
	w := newWorld(t)
	if err := w.Accounts.SetPassword(t.Context(), w.mia.ID, "another password"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Sessions.Begin(t.Context(), w.proof(), true, home); !errors.Is(err, store.ErrConflict) {
		t.Errorf("beginning gives %v, want ErrConflict", err)
	}
}

func TestLongUserAgent(t *testing.T) {
	w := newWorld(t)
	_, s, err := w.Sessions.Begin(t.Context(), w.proof(), true, session.From{UserAgent: strings.Repeat("x", 10_000)})
	if err != nil || len(s.UserAgent) > 255 {
		t.Errorf("%d bytes are kept, %v", len(s.UserAgent), err)
	}
}
