package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/tries"
)

var triesTests = []test{
	{"Tries/Failures are set, replaced, cleared and expire", testTries},
}

func testTries(t *testing.T, w *fixture) {
	rows := store.Tries{}
	a, b := tries.Key{1}, tries.Key{2}
	set := func(k tries.Key, until time.Time) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return rows.SetUntil(ctx, tx, k, until) })
	}
	until := func(k tries.Key, wanted time.Time) {
		t.Helper()
		got, err := rows.Until(t.Context(), w, k)
		if wanted.IsZero() {
			want(t, "failures that are not there", err, db.ErrNotFound)
			return
		}
		must(t, err)
		same(t, "until", got, wanted)
	}
	until(a, time.Time{})
	set(a, at(1))
	set(a, at(5))
	set(b, at(9))
	until(a, at(5))
	w.do(func(ctx context.Context, tx *db.Tx) error { return rows.DeleteExpired(ctx, tx, at(5)) })
	until(a, time.Time{})
	until(b, at(9))
	w.do(func(ctx context.Context, tx *db.Tx) error { return rows.Delete(ctx, tx, b) })
	until(b, time.Time{})
}
