package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var transientKeyTests = []test{
	{"Transient keys/A key is read back whole, renewed and removed", testTransientKeys},
}

func testTransientKeys(t *testing.T, w *fixture) {
	rows := store.TransientKeys{}
	first := token.SealedKey{ID: 1<<32 - 1, Sealed: []byte("\x00first"), ExpiresAt: at(1)}
	second := token.SealedKey{ID: 7, Sealed: []byte("second"), ExpiresAt: at(9)}
	insert := func(k token.SealedKey) func(context.Context, *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error { return rows.Insert(ctx, tx, k) }
	}
	renew := func(k token.SealedKey) func(context.Context, *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error { return rows.Renew(ctx, tx, k) }
	}
	list := func(wanted ...token.SealedKey) {
		t.Helper()
		got, err := rows.List(t.Context(), w)
		must(t, err)
		same(t, "the keys", got, wanted)
	}
	w.wantTouched("Insert", insert(first), db.Change{Topic: token.KeyTopic, Key: db.IDKey(first.ID)})
	w.do(insert(second))
	list(second, first)
	want(t, "a second key of the same ID", w.try(insert(token.SealedKey{ID: 7, Sealed: []byte("third")})), db.ErrConflict)

	first.ExpiresAt = at(5)
	w.wantTouched("Renew", renew(first))
	list(second, first)
	other := first
	other.Sealed = []byte("another node's")
	want(t, "renewing another node's key", w.try(renew(other)), db.ErrNotFound)

	w.do(func(ctx context.Context, tx *db.Tx) error { return rows.DeleteExpired(ctx, tx, at(5)) })
	list(second)
	want(t, "renewing a key that is gone", w.try(renew(first)), db.ErrNotFound)
	w.wantTouched("Delete", func(ctx context.Context, tx *db.Tx) error { return rows.Delete(ctx, tx, 7) },
		db.Change{Topic: token.KeyTopic, Key: "7"})
	list()
}
