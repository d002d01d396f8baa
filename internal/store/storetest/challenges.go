package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/store"
)

var challengeTests = []test{
	{"Challenges/A challenge is taken once", testChallenges},
}

func testChallenges(t *testing.T, w *fixture) {
	rows := store.Challenges{}
	a, b := passkey.ChallengeKey{1}, passkey.ChallengeKey{2}
	put := func(k passkey.ChallengeKey, value string, seconds int) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return rows.Put(ctx, tx, k, []byte(value), at(seconds)) })
	}
	take := func(k passkey.ChallengeKey, wanted string) {
		t.Helper()
		var got []byte
		err := w.try(func(ctx context.Context, tx *db.Tx) (err error) {
			got, err = rows.Take(ctx, tx, k)
			return err
		})
		if wanted == "" {
			want(t, "a challenge that is not there", err, db.ErrNotFound)
			return
		}
		must(t, err)
		same(t, "the challenge", string(got), wanted)
	}
	put(a, "first", 1)
	put(a, "second", 9)
	put(b, "other", 5)
	w.do(func(ctx context.Context, tx *db.Tx) error { return rows.DeleteExpired(ctx, tx, at(5)) })
	take(b, "")
	take(a, "second")
	take(a, "")
}
