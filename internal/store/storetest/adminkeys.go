package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
)

var adminKeyTests = []test{
	{"AdminKeys/A key is read back whole", testAdminKey},
	{"AdminKeys/Keys end with their maker", testAdminKeysOf},
}

var adminKeys store.AdminKeys

// adminKey adds a key that an account made; 0: the command line did.
func (w *fixture) adminKey(name string, makerID int64) (k adminkey.Key, h adminkey.Hash) {
	w.t.Helper()
	copy(h[:], name)
	k = adminkey.Key{
		Name: name, Scopes: []adminkey.Scope{adminkey.AccountsRead, adminkey.AuditRead}, MakerID: makerID, CreatedAt: at(1),
		ExpiresAt: at(9),
	}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		k.ID, err = adminKeys.Insert(ctx, tx, k, h)
		return err
	})
	return k, h
}

func testAdminKey(t *testing.T, w *fixture) {
	_, err := adminKeys.ByHash(t.Context(), w, adminkey.Hash{1})
	want(t, "a key that is not there", err, db.ErrNotFound)
	mia := w.account("mia")
	b, _ := w.adminKey("b", mia.ID)
	b.Maker = mia.Username
	a, hash := w.adminKey("a", 0)
	err = w.try(func(ctx context.Context, tx *db.Tx) error {
		_, err := adminKeys.Insert(ctx, tx, adminkey.Key{Name: "a"}, adminkey.Hash{7})
		return err
	})
	want(t, "a second key with the name", err, db.ErrConflict)
	w.take()
	must(t, adminKeys.NoteUse(t.Context(), w.other(), a.ID, at(5)))
	must(t, adminKeys.NoteUse(t.Context(), w.DB, a.ID, at(4))) // too late
	must(t, adminKeys.NoteUse(t.Context(), w.DB, 99, at(6)))   // is ignored
	same(t, "what a use announces", len(w.take()), 0)
	a.LastUsedAt = at(5)
	for _, q := range []db.Querier{w, w.other()} {
		for what, read := range map[string]func() (adminkey.Stored, error){
			"ByHash": func() (adminkey.Stored, error) { return adminKeys.ByHash(t.Context(), q, hash) },
			"ByName": func() (adminkey.Stored, error) { return adminKeys.ByName(t.Context(), q, "a") },
			"Get":    func() (adminkey.Stored, error) { return adminKeys.Get(t.Context(), q, a.ID) },
		} {
			got, err := read()
			must(t, err)
			same(t, what, got, adminkey.Stored{Key: a})
		}
		list, err := adminKeys.List(t.Context(), q, paging.Request{})
		must(t, err)
		same(t, "List", list.Rows, []adminkey.Stored{{Key: a}, {Key: b, MakerAdmin: mia.Admin}})
		n, err := adminKeys.Count(t.Context(), q)
		must(t, err)
		same(t, "Count", n, 2)
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return adminKeys.Delete(ctx, tx, a.ID) })
	same(t, "what Delete announces", w.take(), []db.Change{{Topic: adminkey.Topic, Key: db.IDKey(a.ID)}})
	err = w.try(func(ctx context.Context, tx *db.Tx) error { return adminKeys.Delete(ctx, tx, a.ID) })
	want(t, "Delete of a key that is gone", err, db.ErrNotFound)
}

func testAdminKeysOf(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	first, _ := w.adminKey("first", mia.ID)
	w.adminKey("of noa", noa.ID)
	w.adminKey("of the command line", 0)
	w.take()
	revoked := 0
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		revoked, err = accounts.RevokeAdminKeys(ctx, tx, mia.ID)
		return err
	})
	same(t, "RevokeAdminKeys", revoked, 1)
	same(t, "what it announces", w.take(), []db.Change{{Topic: adminkey.Topic, Key: db.IDKey(first.ID)}})
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	n, err := adminKeys.Count(t.Context(), w)
	must(t, err)
	same(t, "keys after their makers are gone", n, 1)
}
