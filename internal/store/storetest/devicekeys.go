package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var deviceKeyTests = []test{
	{"DeviceKeys/A key is read back whole", testDeviceKey},
	{"DeviceKeys/IDs and thumbprints are unique", testDeviceKeyConflicts},
	{"DeviceKeys/A key goes with its token row", testDeviceKeyGoes},
	{"DeviceKeys/A nonce is used once", testNonce},
	{"DeviceKeys/One of many uses of a nonce wins", testNonceAtOnce},
	{"SigningKeys/The first to sign is the first of the list", testSigningKeys},
}

var (
	deviceKeys  store.DeviceKeys
	signingKeys store.SigningKeys
)

// deviceKey adds the key of a device, under the token with replacesID.
func (w *fixture) deviceKey(name string, accountID, deviceID, replacesID int64) devicekey.Row {
	w.t.Helper()
	r := devicekey.Row{
		KID: "kid of " + name, JWK: []byte("jwk of " + name), Thumbprint: hash("thumbprint of " + name), ReplacesID: replacesID,
		TokenID: w.token(name, token.Row{
			Kind: token.DeviceKey, AccountID: accountID, DeviceID: deviceID, ParentID: replacesID, ExpiresAt: at(50),
		}),
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return deviceKeys.Insert(ctx, tx, r) })
	return r
}

func testDeviceKey(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv := w.device(mia.ID, "tv")
	legacy := w.token("legacy", token.Row{AccountID: mia.ID, DeviceID: tv})
	row := w.deviceKey("key", mia.ID, tv, legacy)
	made, err := tokens.Get(t.Context(), w, row.TokenID)
	must(t, err)
	wanted := devicekey.Key{
		TokenID: row.TokenID, Hash: hash("key"), JWK: row.JWK, KID: row.KID, ReplacesID: legacy, AccountID: mia.ID,
		DeviceID: tv, ClientIdentifier: "tv", CreatedAt: made.CreatedAt, ExpiresAt: at(50),
	}
	read := func(what string) {
		t.Helper()
		for _, q := range []db.Querier{w, w.other()} {
			for how, find := range map[string]func() (devicekey.Key, error){
				"ID":         func() (devicekey.Key, error) { return deviceKeys.ByKID(t.Context(), q, row.KID) },
				"thumbprint": func() (devicekey.Key, error) { return deviceKeys.ByThumbprint(t.Context(), q, row.Thumbprint) },
				"token":      func() (devicekey.Key, error) { return deviceKeys.ByToken(t.Context(), q, row.TokenID) },
			} {
				got, err := find()
				must(t, err)
				same(t, what+" by its "+how, got, wanted)
			}
		}
	}
	read("the key")
	w.do(func(ctx context.Context, tx *db.Tx) error { return deviceKeys.SetReplaced(ctx, tx, row.TokenID) })
	mia.Disabled = true
	w.change(mia)
	wanted.ReplacesID, wanted.Disabled = 0, true
	read("the key that replaces nothing any more")
}

func testDeviceKeyConflicts(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv := w.device(mia.ID, "tv")
	row := w.deviceKey("key", mia.ID, tv, 0)
	for what, change := range map[string]func(r *devicekey.Row){
		"an ID":        func(r *devicekey.Row) { r.Thumbprint = hash("another") },
		"a thumbprint": func(r *devicekey.Row) { r.KID = "another" },
	} {
		r := row
		change(&r)
		r.TokenID = w.token("for "+what, token.Row{Kind: token.DeviceKey, AccountID: mia.ID, DeviceID: tv})
		want(t, "inserting "+what+" that is taken", w.try(func(ctx context.Context, tx *db.Tx) error {
			return deviceKeys.Insert(ctx, tx, r)
		}), db.ErrConflict)
	}
}

func testDeviceKeyGoes(t *testing.T, w *fixture) {
	mia := w.account("mia")
	row := w.deviceKey("key", mia.ID, w.device(mia.ID, "tv"), 0)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := tokens.Delete(ctx, tx, token.Selection{ID: row.TokenID})
		return err
	})
	_, err := deviceKeys.ByKID(t.Context(), w, row.KID)
	want(t, "ByKID", err, db.ErrNotFound)
	_, err = deviceKeys.ByThumbprint(t.Context(), w, row.Thumbprint)
	want(t, "ByThumbprint", err, db.ErrNotFound)
	_, err = deviceKeys.ByToken(t.Context(), w, row.TokenID)
	want(t, "ByToken", err, db.ErrNotFound)
	want(t, "SetReplaced", w.try(func(ctx context.Context, tx *db.Tx) error {
		return deviceKeys.SetReplaced(ctx, tx, row.TokenID)
	}), db.ErrNotFound)
}

func testNonce(t *testing.T, w *fixture) {
	use := func(nonce string, now int) error {
		return w.try(func(ctx context.Context, tx *db.Tx) error {
			return deviceKeys.UseNonce(ctx, tx, nonce, at(20), at(now))
		})
	}
	want(t, "the first use", use("one", 10), nil)
	want(t, "another nonce", use("two", 10), nil)
	want(t, "the second use", use("one", 19), db.ErrConflict)
	want(t, "a use after it was forgotten", use("one", 20), nil)
}

func testNonceAtOnce(_ *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return deviceKeys.UseNonce(ctx, tx, "same", at(20), at(10))
	})
}

func testSigningKeys(t *testing.T, w *fixture) {
	key := func(id string, from int) signing.Key {
		return signing.Key{ID: id, Public: []byte("public " + id), Sealed: []byte("sealed " + id), SignsFrom: at(from)}
	}
	second, first := key("a", 20), key("b", 10)
	for _, k := range []signing.Key{second, first} {
		w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error {
			return signingKeys.Insert(ctx, tx, k)
		}, db.Change{Topic: signing.Topic, Key: k.ID})
	}
	for _, q := range []db.Querier{w, w.other()} {
		list, err := signingKeys.List(t.Context(), q)
		must(t, err)
		same(t, "the list", list, []signing.Key{first, second})
	}
	want(t, "inserting an ID that is taken", w.try(func(ctx context.Context, tx *db.Tx) error {
		return signingKeys.Insert(ctx, tx, first)
	}), db.ErrConflict)
	w.wantTouched("Delete", func(ctx context.Context, tx *db.Tx) error {
		return signingKeys.Delete(ctx, tx, first.ID)
	}, db.Change{Topic: signing.Topic, Key: first.ID})
	list, err := signingKeys.List(t.Context(), w)
	must(t, err)
	same(t, "the list without the first", list, []signing.Key{second})
	want(t, "deleting what is gone", w.try(func(ctx context.Context, tx *db.Tx) error {
		return signingKeys.Delete(ctx, tx, first.ID)
	}), db.ErrNotFound)
}
