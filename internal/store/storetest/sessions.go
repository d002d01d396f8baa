package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
)

var sessionTests = []test{
	{"Sessions/A session is read back whole", testSession},
	{"Sessions/Hashes are unique", testSessionConflict},
	{"Sessions/Missing sessions are not found", testNoSession},
	{"Sessions/The most recently used is the first of the list", testSessionOrder},
	{"Sessions/Complete ones that have not expired are counted", testCountSessions},
	{"Sessions/Replace completes a session once", testReplaceSession},
	{"Sessions/Replace succeeds once of many times", testReplaceAtOnce},
	{"Sessions/Delete takes one, or all others", testDeleteSessions},
	{"Sessions/Those that have expired are deleted", testExpiredSessions},
}

var sessions store.Sessions

// session adds a session whose hash is that of a name, and fills in its times.
func (w *fixture) session(s session.Session, name string) session.Session {
	w.t.Helper()
	s.CreatedAt = at(1)
	if s.LastUsedAt.IsZero() {
		s.LastUsedAt = at(2)
	}
	if s.ExpiresAt.IsZero() {
		s.ExpiresAt = at(30)
	}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		s.ID, err = sessions.Insert(ctx, tx, s, session.Hash(hash(name)))
		return err
	})
	return s
}

func testSession(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for _, complete := range []bool{false, true} {
		name := fmt.Sprint("complete ", complete)
		wanted := session.Stored{Session: w.session(session.Session{
			AccountID: mia.ID, Complete: complete, Revision: 3, UserAgent: "Firefox", Address: "192.0.2.1",
			ExpiresAt: at(1),
		}, name)}
		for revision, disabled := range []bool{false, true} {
			mia.Disabled, mia.Revision = disabled, int64(revision)
			w.change(mia)
			wanted.AccountDisabled, wanted.AccountRevision = disabled, int64(revision)
			for _, q := range []db.Querier{w, w.other()} {
				got, err := sessions.ByHash(t.Context(), q, session.Hash(hash(name)))
				must(t, err)
				same(t, name, got, wanted)
				list, err := paging.Rows(sessions.List(t.Context(), q, mia.ID, at(0), paging.Request{}))
				must(t, err)
				if complete {
					same(t, "the list", list, []session.Stored{wanted})
				} else {
					same(t, "the list without a complete session", list, nil)
				}
			}
		}
	}
}

func testSessionConflict(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		_, err := sessions.Insert(ctx, tx, session.Session{AccountID: mia.ID}, session.Hash{1})
		return err
	})
}

func testNoSession(t *testing.T, w *fixture) {
	mia := w.account("mia")
	_, err := sessions.ByHash(t.Context(), w, session.Hash{1})
	want(t, "ByHash", err, db.ErrNotFound)
	want(t, "Replace", w.try(func(ctx context.Context, tx *db.Tx) error {
		return sessions.Replace(ctx, tx, session.Session{ID: 99, AccountID: mia.ID}, session.Hash{1})
	}), db.ErrNotFound)
}

func testSessionOrder(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	for i, used := range []int{5, 7, 6, 7} {
		w.session(session.Session{AccountID: mia.ID, Complete: true, LastUsedAt: at(used), ExpiresAt: at(1)}, fmt.Sprint(i))
	}
	w.session(session.Session{AccountID: noa.ID, Complete: true, ExpiresAt: at(1)}, "noa")
	w.session(session.Session{AccountID: mia.ID, Complete: true, ExpiresAt: at(0)}, "expired")
	order := func() (ids []int64) {
		list, err := paging.Rows(sessions.List(t.Context(), w, mia.ID, at(0), paging.Request{}))
		must(t, err)
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	same(t, "the order", order(), []int64{4, 2, 3, 1})
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return sessions.SetLastUsed(ctx, tx, 1, at(8), "192.0.2.9")
	})
	same(t, "the order after another was used", order(), []int64{1, 4, 2, 3})
	got, err := sessions.ByHash(t.Context(), w, session.Hash(hash("0")))
	must(t, err)
	same(t, "when it was used", got.LastUsedAt, at(8))
	same(t, "where it was used", got.Address, "192.0.2.9")
	must(t, sessions.NoteUse(t.Context(), w.other(), 2, at(9)))
	must(t, sessions.NoteUse(t.Context(), w.DB, 2, at(7))) // too late
	same(t, "the order after the use of another was noted", order(), []int64{2, 1, 4, 3})
}

func testCountSessions(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for i, complete := range []bool{true, true, false, true} {
		w.session(session.Session{AccountID: mia.ID, Complete: complete, ExpiresAt: at(10 + i)}, fmt.Sprint(i))
	}
	for now, wanted := range map[int]int{9: 3, 10: 2, 11: 1, 12: 1, 13: 0} {
		n, err := sessions.Count(t.Context(), w, at(now))
		must(t, err)
		same(t, fmt.Sprint("at second ", now), n, wanted)
	}
}

func testReplaceSession(t *testing.T, w *fixture) {
	mia := w.account("mia")
	half := w.session(session.Session{AccountID: mia.ID, Revision: 1, UserAgent: "Firefox", Address: "192.0.2.1"}, "first")
	whole := half
	whole.Complete, whole.Revision, whole.UserAgent, whole.Address = true, 2, "Chrome", "192.0.2.2"
	whole.LastUsedAt, whole.ExpiresAt = at(40), at(50)
	replace := func() error {
		return w.try(func(ctx context.Context, tx *db.Tx) error {
			return sessions.Replace(ctx, tx, whole, session.Hash(hash("second")))
		})
	}
	want(t, "completing it", replace(), nil)
	_, err := sessions.ByHash(t.Context(), w, session.Hash(hash("first")))
	want(t, "attack: the first cookie", err, db.ErrNotFound)
	got, err := sessions.ByHash(t.Context(), w, session.Hash(hash("second")))
	must(t, err)
	same(t, "the session", got.Session, whole)
	want(t, "attack: completing it again", replace(), db.ErrNotFound)
}

func testReplaceAtOnce(t *testing.T, w *fixture) {
	mia := w.account("mia")
	half := w.session(session.Session{AccountID: mia.ID}, "half")
	half.Complete = true
	w.oneWins(func(ctx context.Context, tx *db.Tx, i int) error {
		return late(sessions.Replace(ctx, tx, half, session.Hash{byte(i)}))
	})
}

func testDeleteSessions(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	for i, accountID := range []int64{mia.ID, mia.ID, mia.ID, noa.ID} {
		w.session(session.Session{AccountID: accountID, Complete: true, ExpiresAt: at(1)}, fmt.Sprint(i+1))
	}
	for _, row := range []struct {
		what          string
		accountID, id int64
		only          bool
		want          int
		left          string
	}{
		{"attack: another account's session", noa.ID, 1, true, 0, "[3 2 1] [4]"},
		{"one", mia.ID, 1, true, 1, "[3 2] [4]"},
		{"one that is gone", mia.ID, 1, true, 0, "[3 2] [4]"},
		{"all but one", mia.ID, 2, false, 1, "[2] [4]"},
		{"all", mia.ID, 0, false, 1, "[] [4]"},
	} {
		var n int
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = sessions.Delete(ctx, tx, row.accountID, row.id, row.only)
			return err
		})
		same(t, row.what+": how many Delete says there were", n, row.want)
		left := make([][]int64, 2)
		for i, id := range []int64{mia.ID, noa.ID} {
			list, err := paging.Rows(sessions.List(t.Context(), w, id, at(0), paging.Request{}))
			must(t, err)
			for _, s := range list {
				left[i] = append(left[i], s.ID)
			}
		}
		same(t, row.what+": what is left", fmt.Sprint(left[0], " ", left[1]), row.left)
	}
}

func testExpiredSessions(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for i := range 3 {
		w.session(session.Session{AccountID: mia.ID, Complete: true, ExpiresAt: at(20 + i)}, fmt.Sprint(i))
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return sessions.DeleteExpired(ctx, tx, at(21)) })
	list, err := paging.Rows(sessions.List(t.Context(), w, mia.ID, at(0), paging.Request{}))
	must(t, err)
	if len(list) != 1 || list[0].ID != 3 {
		t.Errorf("what is left is %+v, want the third session", list)
	}
}
