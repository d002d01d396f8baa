package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
)

// recorded returns the kind, the account and the detail of every event that was
// recorded while f ran, in this order.
func (w fixture) recorded(t *testing.T, f func()) []string {
	t.Helper()
	before := w.events(t)
	f()
	var list []string
	for _, e := range w.events(t)[len(before):] {
		list = append(list, fmt.Sprintf("%s %d %s", e.Event, e.AccountID, e.Detail))
	}
	return list
}

func (w fixture) events(t *testing.T) []audit.Entry {
	t.Helper()
	list, err := w.Audit.List(t.Context(), audit.Query{OldestFirst: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The audit log has the start and the end of every session, and sign-ins without their
// second factor.
func TestRecorded(t *testing.T) {
	w := newFixture(t)
	var half, whole session.Session
	got := w.recorded(t, func() {
		_, whole = w.start(t, true)
		_, half = w.start(t, false)
		if _, err := w.Sessions.Complete(t.Context(), w.by(), half, w.proof()); err != nil {
			t.Fatal(err)
		}
		if err := w.Sessions.Revoke(t.Context(), w.by(), w.mia.ID, whole.ID); err != nil {
			t.Fatal(err)
		}
	})
	event := func(kind audit.Kind, id int64) string {
		return fmt.Sprintf("%s %d session %d", kind, w.mia.ID, id)
	}
	want := []string{
		event(audit.SessionStarted, whole.ID), event(audit.SignInUnfinished, half.ID),
		event(audit.SessionStarted, half.ID), event(audit.SessionEnded, whole.ID),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// RevokeOthers records what it revoked, and nothing if there was nothing.
func TestRevokeOthersIsRecorded(t *testing.T) {
	for _, test := range []struct {
		name            string
		browsers, token bool
		stays           bool
		detail          string // of the event; empty: none
	}{
		{name: "nothing"},
		{"a browser", true, false, false, "all 0, and every browser"},
		{"a token", false, true, false, "all 1, and every browser"},
		{"all but this browser", true, true, true, "all 1, and every browser but one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newFixture(t)
			except := int64(0)
			if test.browsers {
				_, s := w.start(t, true)
				w.start(t, true)
				if test.stays {
					except = s.ID
				}
			}
			if test.token {
				w.Token(w.mia, "tv")
			}
			got := w.recorded(t, func() {
				if err := w.Sessions.RevokeOthers(t.Context(), w.by(), w.mia.ID, except); err != nil {
					t.Fatal(err)
				}
			})
			var want []string
			if test.detail != "" {
				want = []string{fmt.Sprintf("%s %d %s", audit.TokenRevoked, w.mia.ID, test.detail)}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// A session that is used often is written once a minute, or when it is used from
// another address.
func TestLastUseOfASession(t *testing.T) {
	begin := time.Now().Truncate(time.Millisecond)
	now := begin
	w := newFixtureAt(t, func() time.Time { return now })
	cookie, _ := w.start(t, true)
	const elsewhere = "192.0.2.7"
	for _, test := range []struct {
		after   time.Duration
		from    string
		want    time.Duration
		address string
	}{
		{59 * time.Second, home, 0, home},
		{time.Minute, home, time.Minute, home},
		{time.Minute + time.Second, elsewhere, time.Minute + time.Second, elsewhere},
		{time.Minute + 2*time.Second, elsewhere, time.Minute + time.Second, elsewhere},
	} {
		now = begin.Add(test.after)
		if _, err := w.Sessions.Find(t.Context(), cookie, test.from); err != nil {
			t.Fatal(err)
		}
		list, err := paging.Rows(w.Sessions.List(t.Context(), w.mia.ID, paging.Request{}))
		if err != nil || len(list) != 1 {
			t.Fatalf("the list is %+v, %v", list, err)
		}
		if got := list[0].LastUsedAt.Sub(begin); got != test.want || list[0].Address != test.address {
			t.Errorf("after a use at %v from %s, it was last used at %v from %s; want %v, %s",
				test.after, test.from, got, list[0].Address, test.want, test.address)
		}
	}
}

// A half session is valid, to ask for the second factor, as long as the
// account has not changed since the password was checked.
func TestHalfASessionIsFound(t *testing.T) {
	w := newFixture(t)
	cookie, half := w.start(t, false)
	s, err := w.Sessions.Find(t.Context(), cookie, home)
	if err != nil || s.Complete || s.ID != half.ID {
		t.Fatalf("the cookie returned %+v, %v; want the half session %d", s, err, half.ID)
	}
	if err := w.Accounts.SetPassword(t.Context(), w.by(), w.mia.ID, "another password"); err != nil {
		t.Fatal(err)
	}
	w.wantNone(t, cookie, "after the password has changed")
}
