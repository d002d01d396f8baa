package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/session"
)

// noon is a time in whole milliseconds, as they are stored.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func testCodeTries(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	set := func(id int64, device string, tries account.CodeTries) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetCodeTries(ctx, tx, id, device, tries) })
	}
	wantTries := func(what string, id int64, device string, wanted account.CodeTries) {
		t.Helper()
		for name, q := range map[string]db.Querier{"this process": w, "the other process": w.other()} {
			got, err := accounts.CodeTries(t.Context(), q, id, device)
			must(t, err)
			same(t, what+", in "+name, got, wanted)
		}
	}
	none, one, two := account.CodeTries{}, account.CodeTries{Wrong: 1}, account.CodeTries{Wrong: 2, LockedUntil: noon}
	wantTries("without a row", mia.ID, "", none)
	set(mia.ID, "", one)
	set(mia.ID, "phone", two)
	set(noa.ID, "", two)
	set(mia.ID, "", two)
	set(mia.ID, "phone", one)
	wantTries("replaced", mia.ID, "", two)
	wantTries("unlocked", mia.ID, "phone", one)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteCodeTries(ctx, tx, mia.ID, "phone") })
	wantTries("removed", mia.ID, "phone", none)
	wantTries("another device's", mia.ID, "", two)
	set(mia.ID, "phone", one)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.ClearCodeTries(ctx, tx, mia.ID) })
	wantTries("cleared", mia.ID, "phone", none)
	wantTries("cleared as well", mia.ID, "", none)
	wantTries("another account's", noa.ID, "", two)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	wantTries("of an account that is gone", noa.ID, "", none)
}

func testGuesses(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	set := func(id int64, g account.Guesses) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetGuesses(ctx, tx, id, g) })
	}
	wantGuesses := func(what string, id int64, wanted account.Guesses) {
		t.Helper()
		got, err := accounts.Guesses(t.Context(), w.other(), id)
		must(t, err)
		same(t, what, got, wanted)
	}
	first := account.Guesses{Wrong: 10, First: noon, Latest: noon}
	more := account.Guesses{Wrong: 11, First: noon.Add(-time.Hour), Latest: noon.Add(time.Hour)}
	wantGuesses("without a row", mia.ID, account.Guesses{})
	set(mia.ID, first)
	wantGuesses("the first", mia.ID, first)
	set(mia.ID, more)
	set(noa.ID, first)
	wantGuesses("more", mia.ID, more)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteGuesses(ctx, tx, mia.ID) })
	wantGuesses("read", mia.ID, account.Guesses{})
	wantGuesses("another account's", noa.ID, first)
}

func testPendingSeed(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	one := w.session(session.Session{AccountID: mia.ID}, "one")
	two := w.session(session.Session{AccountID: noa.ID}, "two")
	set := func(s session.Session, seed string) (at time.Time) {
		w.do(func(ctx context.Context, tx *db.Tx) error {
			at = tx.Now()
			return accounts.SetPendingSeed(ctx, tx, s.ID, []byte(seed))
		})
		return at
	}
	wantSeed := func(what string, s session.Session, since time.Time, wanted string) {
		t.Helper()
		got, err := accounts.PendingSeed(t.Context(), w.other(), s.ID, since)
		if wanted == "" {
			want(t, what, err, db.ErrNotFound)
			return
		}
		must(t, err)
		same(t, what, string(got), wanted)
	}
	wantSeed("without a row", one, time.Time{}, "")
	set(one, "first\x00")
	set(two, "of two")
	at := set(one, "second\x00")
	wantSeed("the latest", one, at.Add(-time.Second), "second\x00")
	wantSeed("too old", one, at.Add(time.Second), "")
	wantSeed("another session's", two, time.Time{}, "of two")
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeletePendingSeeds(ctx, tx, mia.ID) })
	wantSeed("removed", one, time.Time{}, "")
	wantSeed("another account's", two, time.Time{}, "of two")
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	wantSeed("of a session that is gone", two, time.Time{}, "")
}

func testLink(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	set := func(id int64, h account.LinkHash) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetLink(ctx, tx, id, h, 0, noon) })
	}
	wantAccount := func(what string, h account.LinkHash, at time.Time, wanted int64) {
		t.Helper()
		id, _, err := accounts.LinkAccount(t.Context(), w.other(), h, at)
		if wanted == 0 {
			want(t, what, err, db.ErrNotFound)
			return
		}
		must(t, err)
		same(t, what, id, wanted)
	}
	early := noon.Add(-time.Second)
	wantAccount("without a row", account.LinkHash{1}, early, 0)
	set(mia.ID, account.LinkHash{1})
	set(noa.ID, account.LinkHash{2})
	wantAccount("mia's", account.LinkHash{1}, early, mia.ID)
	wantAccount("noa's", account.LinkHash{2}, early, noa.ID)
	wantAccount("expired", account.LinkHash{1}, noon, 0)
	set(mia.ID, account.LinkHash{3})
	wantAccount("replaced", account.LinkHash{1}, early, 0)
	wantAccount("the newer one", account.LinkHash{3}, early, mia.ID)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteLink(ctx, tx, mia.ID) })
	wantAccount("removed", account.LinkHash{3}, early, 0)
	wantAccount("another account's", account.LinkHash{2}, early, noa.ID)

	w.do(func(ctx context.Context, tx *db.Tx) error {
		return accounts.SetLink(ctx, tx, mia.ID, account.LinkHash{4}, noa.ID, noon)
	})
	_, maker, err := accounts.LinkAccount(t.Context(), w, account.LinkHash{4}, early)
	must(t, err)
	same(t, "its maker", maker, noa.ID)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	wantAccount("of a maker who is gone", account.LinkHash{4}, early, 0)
}
