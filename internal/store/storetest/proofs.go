package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/store"
)

var proofTests = []test{
	{"Proofs/The account of a proof is read back", testProofAccount},
	{"Proofs/The password hash and the step are replaced", testProofWrites},
	{"Proofs/What is missing is not found", testNoProof},
	{"Proofs/A backup code is used once of many times", testBackupCodeAtOnce},
	{"Proofs/A credential is replaced once of many times", testCredentialAtOnce},
}

var passkeyTests = []test{
	{"Passkeys/A passkey is read back whole", testPasskey},
	{"Passkeys/Credentials are unique", testPasskeyConflict},
	{"Passkeys/Missing passkeys are not found", testNoPasskey},
	{"Passkeys/The list is in the order of adding", testPasskeyOrder},
	{"Passkeys/Delete returns the name", testDeletePasskey},
}

var (
	proofs   store.Proofs
	passkeys store.Passkeys
)

func testProofAccount(t *testing.T, w *fixture) {
	mia := whole("mia")
	mia.ID = w.account("mia").ID
	w.change(mia)
	for _, q := range []db.Querier{w, w.other()} {
		got, err := proofs.Account(t.Context(), q, mia.ID)
		must(t, err)
		same(t, "the account", got, signin.Account{
			ID: mia.ID, Username: mia.Username, Disabled: true, Revision: mia.Revision, TOTPStep: mia.TOTPStep,
		})
	}
}

func testProofWrites(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	changes := w.touched(func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(
			proofs.SetPasswordHash(ctx, tx, mia.ID, "stronger"), proofs.SetTOTPStep(ctx, tx, mia.ID, 99),
		)
	})
	same(t, "touched, although no cache holds them", changes, nil)
	mia.PasswordHash, mia.TOTPStep = "stronger", 99
	for _, wanted := range []string{"mia", "noa"} {
		got, err := accounts.ByLogin(t.Context(), w, wanted)
		must(t, err)
		if wanted == "mia" {
			same(t, "mia", got, mia)
		} else {
			same(t, "noa", got, noa)
		}
	}
}

func testNoProof(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	p := w.passkey(mia.ID, "phone")
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return accounts.SetBackupCodes(ctx, tx, mia.ID, []signin.Hash{{1}})
	})
	use := signin.PasskeyUse{ID: p.ID, Was: p.Credential, Is: []byte("is")}
	replace := func(accountID int64, use signin.PasskeyUse) func(context.Context, *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error {
			_, err := proofs.ReplaceCredential(ctx, tx, accountID, use)
			return err
		}
	}
	_, err := proofs.Account(t.Context(), w, 99)
	want(t, "Account", err, db.ErrNotFound)
	for what, fn := range map[string]func(context.Context, *db.Tx) error{
		"SetPasswordHash": func(ctx context.Context, tx *db.Tx) error { return proofs.SetPasswordHash(ctx, tx, 99, "x") },
		"SetTOTPStep":     func(ctx context.Context, tx *db.Tx) error { return proofs.SetTOTPStep(ctx, tx, 99, 1) },
		"an unknown backup code": func(ctx context.Context, tx *db.Tx) error {
			return proofs.DeleteBackupCode(ctx, tx, mia.ID, signin.Hash{2})
		},
		"attack: another account's backup code": func(ctx context.Context, tx *db.Tx) error {
			return proofs.DeleteBackupCode(ctx, tx, noa.ID, signin.Hash{1})
		},
		"an unknown passkey":                            replace(mia.ID, signin.PasskeyUse{ID: 99, Was: use.Was, Is: use.Is}),
		"attack: another account's passkey":             replace(noa.ID, use),
		"attack: a passkey as it was before":            replace(mia.ID, signin.PasskeyUse{ID: p.ID, Was: []byte("old"), Is: use.Is}),
		"attack: a passkey that never had a credential": replace(mia.ID, signin.PasskeyUse{ID: p.ID, Is: use.Is}),
	} {
		want(t, what, w.try(fn), db.ErrNotFound)
	}
	got, err := passkeys.List(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "mia's passkeys afterwards", got, []passkey.Passkey{p})
	a, err := accounts.Get(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "mia's backup codes afterwards", a.BackupCodes, 1)
}

// late gives a write that finds nothing left the error of a conflict.
func late(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return db.ErrConflict
	}
	return err
}

func testBackupCodeAtOnce(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return accounts.SetBackupCodes(ctx, tx, mia.ID, []signin.Hash{{1}, {2}})
	})
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return late(proofs.DeleteBackupCode(ctx, tx, mia.ID, signin.Hash{1}))
	})
}

func testCredentialAtOnce(t *testing.T, w *fixture) {
	mia := w.account("mia")
	p := w.passkey(mia.ID, "phone")
	w.oneWins(func(ctx context.Context, tx *db.Tx, i int) error {
		_, err := proofs.ReplaceCredential(ctx, tx, mia.ID, signin.PasskeyUse{
			ID: p.ID, Was: p.Credential, Is: []byte{byte(i)},
		})
		return late(err)
	})
}

// passkey adds a passkey with a name.
func (w *fixture) passkey(accountID int64, name string) passkey.Passkey {
	w.t.Helper()
	p := passkey.Passkey{
		AccountID: accountID, CredentialID: []byte("id of " + name), Credential: []byte("credential of " + name),
		Name: name, CreatedAt: at(3),
	}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		p.ID, err = passkeys.Insert(ctx, tx, p)
		return err
	})
	return p
}

func testPasskey(t *testing.T, w *fixture) {
	mia := w.account("mia")
	wanted := w.passkey(mia.ID, "phone")
	read := func() {
		t.Helper()
		for _, q := range []db.Querier{w, w.other()} {
			got, err := passkeys.ByCredential(t.Context(), q, wanted.CredentialID)
			must(t, err)
			same(t, "ByCredential", got, wanted)
			list, err := passkeys.List(t.Context(), q, mia.ID)
			must(t, err)
			same(t, "List", list, []passkey.Passkey{wanted})
		}
	}
	read()
	var used time.Time
	var name string
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		used = stored(tx.Now())
		name, err = proofs.ReplaceCredential(ctx, tx, mia.ID, signin.PasskeyUse{
			ID: wanted.ID, Was: wanted.Credential, Is: []byte("is"),
		})
		return err
	})
	same(t, "the name of what was used", name, wanted.Name)
	wanted.Credential, wanted.LastUsedAt = []byte("is"), used
	read()
}

func testPasskeyConflict(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	w.oneWins(func(ctx context.Context, tx *db.Tx, i int) error {
		_, err := passkeys.Insert(ctx, tx, passkey.Passkey{
			AccountID: []int64{mia.ID, noa.ID}[i%2], CredentialID: []byte("same"), Credential: []byte("x"),
		})
		return err
	})
}

func testNoPasskey(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	p := w.passkey(mia.ID, "phone")
	_, err := passkeys.ByCredential(t.Context(), w, []byte("unknown"))
	want(t, "ByCredential", err, db.ErrNotFound)
	for what, ids := range map[string][2]int64{
		"an unknown passkey": {mia.ID, 99}, "attack: another account's passkey": {noa.ID, p.ID},
	} {
		want(t, "deleting "+what, w.try(func(ctx context.Context, tx *db.Tx) error {
			_, err := passkeys.Delete(ctx, tx, ids[0], ids[1])
			return err
		}), db.ErrNotFound)
	}
}

func testPasskeyOrder(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	wanted := []passkey.Passkey{w.passkey(mia.ID, "z"), w.passkey(mia.ID, "a")}
	w.passkey(noa.ID, "b")
	wanted = append(wanted, w.passkey(mia.ID, "c"))
	list, err := passkeys.List(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "the list", list, wanted)
}

func testDeletePasskey(t *testing.T, w *fixture) {
	mia := w.account("mia")
	p, other := w.passkey(mia.ID, "phone"), w.passkey(mia.ID, "key")
	var name string
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		name, err = passkeys.Delete(ctx, tx, mia.ID, p.ID)
		return err
	})
	same(t, "the name", name, "phone")
	list, err := passkeys.List(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "what is left", list, []passkey.Passkey{other})
}
