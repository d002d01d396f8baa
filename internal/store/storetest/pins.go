package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var pinTests = []test{
	{"PINs/A PIN is read back whole", testPIN},
	{"PINs/IDs and codes are unique", testPINConflicts},
	{"PINs/One of many inserts wins", testPINsAtOnce},
	{"PINs/Missing PINs are not found", testNoPIN},
	{"PINs/Those that wait are listed, the oldest first", testWaiting},
	{"PINs/A PIN whose token is gone is revoked", testRevokedPIN},
	{"PINs/Those that have expired are deleted", testExpiredPINs},
	{"PINs/Writers touch the PIN", testTouchPIN},
}

var pins store.PINs

func newPIN(id int64) pin.PIN {
	return pin.PIN{
		ID: id, Code: fmt.Sprint("code ", id), Nonce: [16]byte{byte(id), 2, 15: 3}, Device: newDevice("tv"),
		JWK: []byte("jwk"), CreatedAt: at(10), ExpiresAt: at(20),
	}
}

func (w *fixture) pin(p pin.PIN) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return pins.Insert(ctx, tx, p) })
}

func testPIN(t *testing.T, w *fixture) {
	mia := w.account("mia")
	wanted := newPIN(1<<31 - 1)
	wanted.Strong, wanted.Forward = true, "https://app.example.org/back?x=1"
	read := func(what string) {
		t.Helper()
		for _, q := range []db.Querier{w, w.other()} {
			got, err := pins.Get(t.Context(), q, wanted.ID)
			must(t, err)
			same(t, what+" by its ID", got, wanted)
			got, err = pins.ByCode(t.Context(), q, wanted.Code)
			must(t, err)
			same(t, what+" by its code", got, wanted)
		}
	}
	w.pin(wanted)
	read("the PIN")
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: w.device(mia.ID, "tv")})
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return pins.SetLinked(ctx, tx, wanted.ID, mia.ID, hash("token"))
	})
	wanted.AccountID, wanted.TokenHash = mia.ID, hash("token")
	read("the linked PIN")
}

func testPINConflicts(t *testing.T, w *fixture) {
	w.pin(newPIN(1))
	id, code := newPIN(1), newPIN(2)
	id.Code, code.Code = "another", newPIN(1).Code
	for what, p := range map[string]pin.PIN{"an ID": id, "a code": code} {
		want(t, "inserting "+what+" that is taken", w.try(func(ctx context.Context, tx *db.Tx) error {
			return pins.Insert(ctx, tx, p)
		}), db.ErrConflict)
	}
}

func testPINsAtOnce(t *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, i int) error {
		p := newPIN(int64(i + 1))
		p.Code = "same"
		return pins.Insert(ctx, tx, p)
	})
}

func testNoPIN(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.pin(newPIN(1))
	_, err := pins.Get(t.Context(), w, 2)
	want(t, "Get", err, db.ErrNotFound)
	for _, code := range []string{"", "CODE 1", "code"} {
		_, err = pins.ByCode(t.Context(), w, code)
		want(t, "ByCode of "+code, err, db.ErrNotFound)
	}
	want(t, "SetLinked", w.try(func(ctx context.Context, tx *db.Tx) error {
		return pins.SetLinked(ctx, tx, 2, mia.ID, hash("token"))
	}), db.ErrNotFound)
	want(t, "Delete", w.try(func(ctx context.Context, tx *db.Tx) error {
		return pins.Delete(ctx, tx, 2)
	}), db.ErrNotFound)
}

func testWaiting(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for id, created := range map[int64]int{1: 13, 2: 11, 3: 12, 4: 12, 5: 10} {
		p := newPIN(id)
		p.CreatedAt, p.Device.Address = at(created), fmt.Sprint("address ", id)
		w.pin(p)
	}
	strong := newPIN(6)
	strong.Strong = true
	w.pin(strong)
	w.do(func(ctx context.Context, tx *db.Tx) error { return pins.SetLinked(ctx, tx, 5, mia.ID, hash("x")) })
	for strong, wanted := range map[bool][]pin.Waiting{
		false: {
			{ID: 2, Address: "address 2"}, {ID: 3, Address: "address 3"},
			{ID: 4, Address: "address 4"}, {ID: 1, Address: "address 1"},
		},
		true: {{ID: 6, Address: "address"}},
	} {
		list, err := pins.Waiting(t.Context(), w, strong)
		must(t, err)
		same(t, fmt.Sprint("strong ", strong), list, wanted)
		n, err := pins.CountWaiting(t.Context(), w, strong)
		must(t, err)
		same(t, fmt.Sprint("how many are strong ", strong), n, len(wanted))
	}
}

func testRevokedPIN(t *testing.T, w *fixture) {
	mia := w.account("mia")
	deviceID := w.device(mia.ID, "tv")
	revoked := func(id int64) bool {
		t.Helper()
		byID, err := pins.Get(t.Context(), w, id)
		must(t, err)
		byCode, err := pins.ByCode(t.Context(), w, byID.Code)
		must(t, err)
		same(t, "by its code", byCode, byID)
		return byID.Revoked
	}
	for id := range int64(2) {
		w.pin(newPIN(id + 1))
		name := fmt.Sprint(id + 1)
		w.token(name, token.Row{AccountID: mia.ID, DeviceID: deviceID})
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return pins.SetLinked(ctx, tx, id+1, mia.ID, hash(name))
		})
	}
	w.pin(newPIN(3))
	same(t, "a PIN that waits is revoked", revoked(3), false)
	same(t, "a linked PIN is revoked", revoked(1), false)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := tokens.Delete(ctx, tx, token.Selection{ID: 1})
		return err
	})
	same(t, "a PIN whose token is gone is revoked", revoked(1), true)
	for _, disabled := range []bool{true, false} {
		mia.Disabled = disabled
		w.change(mia)
		same(t, fmt.Sprintf("a PIN whose account is disabled (%v) is revoked", disabled), revoked(2), disabled)
	}
}

func testExpiredPINs(t *testing.T, w *fixture) {
	for id := range int64(3) {
		p := newPIN(id + 1)
		p.ExpiresAt = at(20 + int(id))
		w.pin(p)
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return pins.DeleteExpired(ctx, tx, at(21)) })
	for id, wanted := range map[int64]error{1: db.ErrNotFound, 2: db.ErrNotFound, 3: nil} {
		_, err := pins.Get(t.Context(), w, id)
		want(t, fmt.Sprint("PIN ", id), err, wanted)
	}
}

func testTouchPIN(t *testing.T, w *fixture) {
	mia := w.account("mia")
	change := db.Change{Topic: pin.Topic, Key: "7"}
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error { return pins.Insert(ctx, tx, newPIN(7)) }, change)
	w.wantTouched("SetLinked", func(ctx context.Context, tx *db.Tx) error {
		return pins.SetLinked(ctx, tx, 7, mia.ID, hash("token"))
	}, change)
	w.wantTouched("Delete", func(ctx context.Context, tx *db.Tx) error { return pins.Delete(ctx, tx, 7) }, change)
}
