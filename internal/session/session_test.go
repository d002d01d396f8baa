package session_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// fixture is the services with one account.
type fixture struct {
	*coretest.Core
	mia account.Account
}

func newFixture(t *testing.T) fixture { return newFixtureAt(t, time.Now) }

func newFixtureAt(t *testing.T, now func() time.Time) fixture {
	t.Helper()
	c := coretest.New(t, core.Config{Now: now})
	return fixture{c, c.Add("mia")}
}

func (w fixture) proof() signin.Proof { return w.Prove(w.mia).Proof }

// home is the address of mia's browser, and by is mia as an actor there.
const home = "192.0.2.1"

func (w fixture) by() audit.Actor { return audit.Actor{AccountID: w.mia.ID, Address: home} }

func (w fixture) start(t *testing.T, complete bool) (plexauth.Secret, session.Session) {
	t.Helper()
	cookie, s, err := w.Sessions.Start(t.Context(), w.by(), w.proof(), complete, "Firefox")
	if err != nil {
		t.Fatal(err)
	}
	return cookie, s
}

func (w fixture) wantNone(t *testing.T, cookie plexauth.Secret, why string) {
	t.Helper()
	if _, err := w.Sessions.Find(t.Context(), cookie, home); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("%s: error %v, want ErrNotFound", why, err)
	}
}

func TestSessionLastsAMonth(t *testing.T) {
	// Not synctest: the database is polled four times a second, and a
	// month has ten million of those.
	now := time.Now().Truncate(time.Millisecond)
	w := newFixtureAt(t, func() time.Time { return now })
	cookie, _ := w.start(t, true)
	now = now.Add(session.Life - time.Second)
	s, err := w.Sessions.Find(t.Context(), cookie, "192.0.2.9")
	if err != nil || s.AccountID != w.mia.ID || !s.Complete {
		t.Fatalf("a second before the end: %+v, %v", s, err)
	}
	list, err := paging.Rows(w.Sessions.List(t.Context(), w.mia.ID, paging.Request{}))
	if err != nil || len(list) != 1 || list[0].Address != "192.0.2.9" || !list[0].LastUsedAt.Equal(now) {
		t.Errorf("the list is %+v, %v; want one, last used now from 192.0.2.9", list, err)
	}
	now = now.Add(time.Second)
	w.wantNone(t, cookie, "after a month")
}

// Attack: an attacker with only the password stays in front of the second factor
// indefinitely; or keeps the first cookie to use it later.
func TestHalfSignedInSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		cookie, _ := w.start(t, false)
		time.Sleep(10 * time.Minute)
		w.wantNone(t, cookie, "ten minutes later")

		first, half := w.start(t, false)
		if list, err := paging.Rows(w.Sessions.List(t.Context(), w.mia.ID, paging.Request{})); err != nil || len(list) != 0 {
			t.Errorf("half a session is listed: %v, %v", list, err)
		}
		second, err := w.Sessions.Complete(t.Context(), w.by(), half, w.proof())
		if err != nil {
			t.Fatal(err)
		}
		w.wantNone(t, first, "the first cookie after the second factor")
		if s, err := w.Sessions.Find(t.Context(), second, home); err != nil || !s.Complete {
			t.Errorf("the second cookie returned %+v, %v", s, err)
		}
		if _, err := w.Sessions.Complete(t.Context(), w.by(), half, w.proof()); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("completing twice returned %v, want ErrNotFound", err)
		}
	})
}

// Attack: the second factor of one account completes the session of another.
func TestAnotherAccountsFactor(t *testing.T) {
	w := newFixture(t)
	noa := w.Add("noa")
	_, half := w.start(t, false)
	_, err := w.Sessions.Complete(t.Context(), w.by(), half, w.Prove(noa).Proof)
	if !errors.Is(err, session.ErrNotFound) {
		t.Errorf("noa's proof for mia's session returned %v, want ErrNotFound", err)
	}
}

// A session becomes invalid with the account or the credentials that it depends on.
func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, fixture, session.Session) error{
		"sign-out": func(t *testing.T, w fixture, s session.Session) error {
			return w.Sessions.Revoke(t.Context(), w.by(), w.mia.ID, s.ID)
		},
		"account disabled": func(t *testing.T, w fixture, _ session.Session) error {
			return w.Accounts.Disable(t.Context(), w.by(), w.mia.ID)
		},
		"account removed": func(t *testing.T, w fixture, _ session.Session) error {
			return w.Accounts.Remove(t.Context(), w.by(), w.mia.ID)
		},
		"everything else": func(t *testing.T, w fixture, s session.Session) error {
			return w.Sessions.RevokeOthers(t.Context(), w.by(), w.mia.ID, s.ID+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			cookie, s := w.start(t, true)
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

// Attack: revoking sessions of other accounts by their numbers.
func TestEndAnothersSession(t *testing.T) {
	w := newFixture(t)
	cookie, s := w.start(t, true)
	if err := w.Sessions.Revoke(t.Context(), w.by(), w.mia.ID+1, s.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("ending it returned %v, want ErrNotFound", err)
	}
	if _, err := w.Sessions.Find(t.Context(), cookie, home); err != nil {
		t.Errorf("the session returned %v afterwards", err)
	}
}

// A proof of a password that has changed since starts no session.
func TestStaleProof(t *testing.T) {
	w := newFixture(t)
	proof := w.proof()
	if err := w.Accounts.SetPassword(t.Context(), w.by(), w.mia.ID, "another password"); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.Sessions.Start(t.Context(), w.by(), proof, true, "Firefox")
	if !errors.Is(err, account.ErrCredentials) {
		t.Errorf("starting returned %v, want ErrCredentials", err)
	}
}

func TestLongUserAgent(t *testing.T) {
	w := newFixture(t)
	_, s, err := w.Sessions.Start(t.Context(), w.by(), w.proof(), true, strings.Repeat("x", 10_000))
	if err != nil || len(s.UserAgent) > 255 {
		t.Errorf("%d bytes are kept, %v", len(s.UserAgent), err)
	}
}

// RevokeOthers revokes neither the calling session nor those of other accounts.
func TestRevokeOthers(t *testing.T) {
	w := newFixture(t)
	noa := w.Add("noa")
	here, own := w.start(t, true)
	there, _ := w.start(t, true)
	half, _ := w.start(t, false)
	tok, others := w.Token(w.mia, "tv"), w.Token(noa, "tv")
	if err := w.Sessions.RevokeOthers(t.Context(), w.by(), w.mia.ID, own.ID); err != nil {
		t.Fatal(err)
	}
	w.wantNone(t, there, "another browser")
	w.wantNone(t, half, "one that waits for the second factor")
	if _, err := w.Sessions.Find(t.Context(), here, home); err != nil {
		t.Errorf("the session that asks: %v", err)
	}
	if _, err := w.Tokens.Verify(t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("the account's token: error %v, want ErrInvalid", err)
	}
	if _, err := w.Tokens.Verify(t.Context(), others); err != nil {
		t.Errorf("another account's token: %v", err)
	}
	if n, err := w.Sessions.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d browsers are signed in, %v, want 1", n, err)
	}
}

// Attack: many concurrent requests complete the same half session. One succeeds, and
// the cookies of the others are invalid.
func TestCompletedOnce(t *testing.T) {
	w := newFixture(t)
	_, half := w.start(t, false)
	cookies, errs := make([]plexauth.Secret, 20), make([]error, 20)
	var wg sync.WaitGroup
	for i := range cookies {
		proof := w.proof()
		wg.Go(func() { cookies[i], errs[i] = w.Sessions.Complete(t.Context(), w.by(), half, proof) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if s, err := w.Sessions.Find(t.Context(), cookies[i], home); err != nil || !s.Complete {
				t.Errorf("the cookie returned %+v, %v", s, err)
			}
		} else if !errors.Is(err, session.ErrNotFound) || cookies[i] != "" {
			t.Errorf("completing too late returned %d letters, %v, want ErrNotFound", len(cookies[i]), err)
		}
	}
	if won != 1 {
		t.Errorf("%d completed it, want 1", won)
	}
}

// An account can have session.PerAccount browsers. One more replaces the one
// that was unused for longest. Attack: an attacker who has only the password starts
// half sessions until the others are signed out.
func TestAccountHasManyBrowsers(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newFixtureAt(t, func() time.Time { now = now.Add(time.Millisecond); return now })
	noa := fixture{w.Core, w.Add("noa")}
	other, _ := noa.start(t, true)
	cookies := make([]plexauth.Secret, session.PerAccount)
	for i := range cookies {
		cookies[i], _ = w.start(t, true)
	}
	there := func(cookie plexauth.Secret) bool {
		_, err := w.Sessions.Find(t.Context(), cookie, home)
		return err == nil
	}
	now = now.Add(2 * time.Minute)
	if !there(cookies[0]) { // used again
		t.Fatal("the first browser is signed out")
	}
	newest, _ := w.start(t, true)
	if there(cookies[1]) || !there(cookies[0]) || !there(cookies[2]) || !there(newest) || !there(other) {
		t.Error("another browser was signed out than the one that was not used for longest")
	}
	var half plexauth.Secret
	for range 50 {
		half, _ = w.start(t, false)
	}
	if !there(half) || !there(cookies[2]) || !there(newest) {
		t.Error("half sessions signed a browser out, or the newest of them is gone")
	}
	list, err := paging.Rows(w.Sessions.List(t.Context(), w.mia.ID, paging.Request{Limit: 1000}))
	if err != nil || len(list) != session.PerAccount {
		t.Errorf("%d browsers, %v, want %d", len(list), err, session.PerAccount)
	}
	if n, err := w.Sessions.CountOf(t.Context(), w.mia.ID); err != nil || n != session.PerAccount {
		t.Errorf("%d browsers are counted, %v, want %d: no half session, and no one else's", n, err, session.PerAccount)
	}
	var halves int
	err = w.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM session WHERE NOT complete").Scan(&halves)
	if err != nil || halves != 20 {
		t.Errorf("%d half sessions, %v, want 20", halves, err)
	}
	log, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SessionEnded}})
	if err != nil || len(log) != 1 || !strings.Contains(log[0].Detail, "to make room") {
		t.Errorf("the log says %+v, %v", log, err)
	}
}
