package storetest

import (
	"context"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

var accountTests = []test{
	{"Accounts/An account is read back whole", testAccount},
	{"Accounts/Update replaces what may change", testUpdateAccount},
	{"Accounts/Opt-outs are an account's own", testOptOuts},
	{"Accounts/Names and addresses are unique", testAccountConflicts},
	{"Accounts/Taken compares names with addresses", testTaken},
	{"Accounts/Names that look alike are found by an index", testSkeletons},
	{"Accounts/One of many inserts wins", testAccountsAtOnce},
	{"Accounts/Missing accounts are not found", testNoAccount},
	{"Accounts/Admins and accounts are counted", testCountAccounts},
	{"Accounts/Backup codes are replaced", testBackupCodes},
	{"Accounts/Delete takes all that is the account's", testDeleteAccount},
	{"Accounts/An ID is not used again", testAccountIDs},
	{"Accounts/Writers touch the account", testTouchAccount},
	{"Accounts/Wrong codes are counted by device", testCodeTries},
	{"Accounts/Guesses are told until they are read", testGuesses},
	{"Accounts/A seed belongs to a session, for a time", testPendingSeed},
	{"Accounts/An account has one link, for a time", testLink},
	{"Accounts/The rule for admins is read back", testAdminRule},
}

var accounts store.Accounts

// plain is a secret of a test.
func plain(text string) plexauth.Secret { return plexauth.Secret(text) }

// whole is an account with every field that is stored.
func whole(name string) account.Account {
	a := newAccount(name)
	a.Username, a.Email = "As "+name+" Typed It", "As "+name+" Typed It@example.org"
	a.ConfirmedEmail = a.Email
	a.Admin, a.Disabled = true, true
	a.TOTPSeed, a.TOTPStep, a.Revision = []byte("sealed\x00"), 7, 3
	a.Rules, a.AdminSince = account.Rules{PasswordOff: true, PasskeyRequired: true}, at(4)
	return a
}

// change updates an account.
func (w *fixture) change(a account.Account) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Update(ctx, tx, a) })
}

func testAccount(t *testing.T, w *fixture) {
	mia, noa := whole("mia"), newAccount("noa")
	noa.Email, noa.EmailKey, noa.PasswordHash = "", "", ""
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		if mia.ID, err = accounts.Insert(ctx, tx, mia); err != nil {
			return err
		}
		if noa.ID, err = accounts.Insert(ctx, tx, noa); err != nil {
			return err
		}
		got, err := accounts.Get(ctx, tx, mia.ID)
		same(t, "in the transaction", got, mia)
		return err
	})
	for name, q := range map[string]db.Querier{"this process": w, "the other process": w.other()} {
		got, err := accounts.Get(t.Context(), q, mia.ID)
		must(t, err)
		same(t, "Get in "+name, got, mia)
		for _, login := range []string{"mia", "mia@example.org"} {
			got, err := accounts.ByLogin(t.Context(), q, login)
			must(t, err)
			same(t, "ByLogin "+login+" in "+name, got, mia)
		}
		byUUID, err := accounts.ByUUID(t.Context(), q, mia.UUID)
		must(t, err)
		same(t, "ByUUID in "+name, byUUID, mia)
		list, err := paging.Rows(accounts.List(t.Context(), q, paging.Request{}))
		must(t, err)
		same(t, "List in "+name, list, []account.Account{mia, noa})
		username, err := store.Audit{}.Username(t.Context(), q, mia.ID)
		must(t, err)
		same(t, "the username in "+name, username, mia.Username)
	}
}

func testUpdateAccount(t *testing.T, w *fixture) {
	mia := w.account("mia")
	changed := whole("ida")
	changed.ID = mia.ID
	w.change(changed)
	changed.UUID, changed.CreatedAt = mia.UUID, mia.CreatedAt
	got, err := accounts.Get(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "the account", got, changed)
	w.change(mia)
	got, err = accounts.Get(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "changed back, without a second factor,", got, mia)
}

func testAccountConflicts(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	for what, change := range map[string]func(*account.Account){
		"a username":      func(a *account.Account) { a.UsernameKey = mia.UsernameKey },
		"an e-mail":       func(a *account.Account) { a.EmailKey = mia.EmailKey },
		"an identifier":   func(a *account.Account) { a.UUID = mia.UUID },
		"all that it has": func(a *account.Account) { *a = mia },
	} {
		ida := newAccount("ida")
		change(&ida)
		want(t, "inserting "+what+" that is taken", w.try(func(ctx context.Context, tx *db.Tx) error {
			_, err := accounts.Insert(ctx, tx, ida)
			return err
		}), db.ErrConflict)
	}
	noa.UsernameKey = mia.UsernameKey
	want(t, "taking another's name", w.try(func(ctx context.Context, tx *db.Tx) error {
		return accounts.Update(ctx, tx, noa)
	}), db.ErrConflict)
	for _, name := range []string{"eve", "zoe"} { // two without an e-mail address are no conflict
		a := newAccount(name)
		a.Email, a.EmailKey = "", ""
		w.do(func(ctx context.Context, tx *db.Tx) error {
			_, err := accounts.Insert(ctx, tx, a)
			return err
		})
	}
}

func testTaken(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for _, row := range []struct {
		what string
		id   int64
		key  string
		want bool
	}{
		{"its own name", mia.ID, "mia", false},
		{"its own address", mia.ID, "mia@example.org", false},
		{"another's name", 0, "mia", true},
		{"another's address", 0, "mia@example.org", true},
		{"neither", 0, "ida", false},
		{"nothing", 0, "", false},
	} {
		taken, err := accounts.Taken(t.Context(), w, row.id, row.key)
		must(t, err)
		same(t, row.what, taken, row.want)
	}
}

func testSkeletons(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	old := func(version int, limit int, want ...int64) {
		t.Helper()
		list, err := accounts.OldSkeletons(t.Context(), w, version, limit)
		must(t, err)
		var ids []int64
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		same(t, "the accounts with earlier skeletons", ids, want)
	}
	set := func(a account.Account, version int, skeletons ...string) {
		t.Helper()
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return accounts.SetSkeletons(ctx, tx, a.ID, version, skeletons)
		})
	}
	alike := func(id int64, skeleton string, want bool) {
		t.Helper()
		got, err := accounts.Alike(t.Context(), w, id, skeleton)
		must(t, err)
		same(t, "whether another account has "+skeleton, got, want)
	}
	old(1, 10, mia.ID, noa.ID)
	old(1, 1, mia.ID)
	set(mia, 1, "rnia", "MlA")
	old(1, 10, noa.ID)
	old(2, 10, noa.ID, mia.ID)
	alike(0, "MlA", true)
	alike(mia.ID, "MlA", false)
	alike(noa.ID, "rnia", true)
	alike(noa.ID, "mia", false)
	set(noa, 1, "rnia") // an account from before the rule
	alike(mia.ID, "rnia", true)
	set(mia, 1, "other")
	alike(0, "MlA", false)
	// The release before knows of no skeletons, and changes names.
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "UPDATE account SET username_key = 'ida' WHERE id = $1", mia.ID)
	})
	old(1, 10, mia.ID)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	alike(0, "rnia", false)
	want(t, "skeletons of no account", w.try(func(ctx context.Context, tx *db.Tx) error {
		return accounts.SetSkeletons(ctx, tx, 99, 1, nil)
	}), db.ErrNotFound)
	// A scan of 1,000,000 accounts for each new name would take seconds.
	if w.QueryRow(t.Context(), "SELECT sqlite_version()").Scan(new(string)) != nil {
		return // another engine explains its plans in another way
	}
	for _, query := range []string{
		"SELECT 1 FROM account_skeleton WHERE skeleton = 'x' AND account_id <> 1",
		"SELECT id FROM account WHERE skeleton_version < 1 ORDER BY skeleton_version, id LIMIT 1",
		"SELECT 1 FROM account WHERE id <> 1 AND (username_key = 'x' OR email_key = 'x')",
	} {
		rows, err := w.Query(t.Context(), "EXPLAIN QUERY PLAN "+query)
		must(t, err)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			must(t, rows.Scan(&id, &parent, &unused, &detail))
			if strings.HasPrefix(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", query, detail)
			}
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
}

func testAccountsAtOnce(t *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, i int) error {
		a := newAccount("mia")
		a.UUID = string(rune('a' + i))
		_, err := accounts.Insert(ctx, tx, a)
		return err
	})
	list, err := paging.Rows(accounts.List(t.Context(), w, paging.Request{}))
	must(t, err)
	same(t, "how many accounts there are", len(list), 1)
}

func testNoAccount(t *testing.T, w *fixture) {
	w.account("mia")
	_, err := accounts.Get(t.Context(), w, 99)
	want(t, "Get", err, db.ErrNotFound)
	for _, login := range []string{"", "nobody", "MIA"} {
		_, err = accounts.ByLogin(t.Context(), w, login)
		want(t, "ByLogin of "+login, err, db.ErrNotFound)
	}
	for _, uuid := range []string{"", "nobody", "%"} {
		_, err = accounts.ByUUID(t.Context(), w, uuid)
		want(t, "ByUUID of "+uuid, err, db.ErrNotFound)
	}
	_, err = accounts.FirstAdmin(t.Context(), w)
	want(t, "FirstAdmin", err, db.ErrNotFound)
	_, err = store.Audit{}.Username(t.Context(), w, 99)
	want(t, "Username", err, db.ErrNotFound)
	want(t, "Update", w.try(func(ctx context.Context, tx *db.Tx) error {
		return accounts.Update(ctx, tx, account.Account{ID: 99})
	}), db.ErrNotFound)
	want(t, "Delete", w.try(func(ctx context.Context, tx *db.Tx) error {
		return accounts.Delete(ctx, tx, 99)
	}), db.ErrNotFound)
}

func testCountAccounts(t *testing.T, w *fixture) {
	exists, err := accounts.Any(t.Context(), w)
	must(t, err)
	same(t, "Any without an account", exists, false)
	ada, eve := w.account("ada"), w.account("eve")
	w.account("mia")
	if exists, err = accounts.Any(t.Context(), w); err != nil || !exists {
		t.Errorf("Any: %v, %v", exists, err)
	}
	ada.Admin, eve.Admin = true, true
	other := func(id int64) bool {
		has, err := accounts.HasOtherAdmin(t.Context(), w, id)
		must(t, err)
		return has
	}
	first := func() account.Account {
		a, err := accounts.FirstAdmin(t.Context(), w)
		must(t, err)
		return a
	}
	w.change(ada)
	same(t, "the first admin", first(), ada)
	same(t, "another admin than the only one", other(ada.ID), false)
	same(t, "another admin than a member", other(eve.ID), true)
	w.change(eve)
	same(t, "another admin than one of two", other(ada.ID), true)
	ada.Disabled = true
	w.change(ada)
	same(t, "the first admin who is not disabled", first(), eve)
	ada.Disabled, eve.Disabled = false, true
	w.change(ada)
	w.change(eve)
	same(t, "another admin who is not disabled", other(ada.ID), false)
	got, err := accounts.Count(t.Context(), w)
	must(t, err)
	same(t, "Count", got, account.Counts{Accounts: 3, Admins: 2, Disabled: 1})
}

func testBackupCodes(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	code := func(s string) signin.Hash { return signin.Hash(hash(s)) }
	set := func(id int64, codes ...signin.Hash) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetBackupCodes(ctx, tx, id, codes) })
	}
	left := func(id int64) int {
		a, err := accounts.Get(t.Context(), w, id)
		must(t, err)
		return a.BackupCodes
	}
	has := func(id int64, s string) bool {
		has, err := accounts.HasBackupCode(t.Context(), w, id, code(s))
		must(t, err)
		return has
	}
	set(mia.ID, code("1"), code("2"), code("3"))
	set(noa.ID, code("1"))
	same(t, "how many codes mia has", left(mia.ID), 3)
	set(mia.ID, code("1"), code("4"))
	same(t, "how many codes mia has after they were replaced", left(mia.ID), 2)
	use := func(s string) error {
		return w.try(func(ctx context.Context, tx *db.Tx) error {
			return store.Proofs{}.DeleteBackupCode(ctx, tx, mia.ID, code(s))
		})
	}
	want(t, "a code that was replaced", use("2"), db.ErrNotFound)
	want(t, "a code that is there", use("4"), nil)
	for s, want := range map[string]bool{"1": true, "2": false, "4": false, "5": false} {
		same(t, "mia has code "+s, has(mia.ID, s), want)
	}
	set(mia.ID)
	same(t, "how many codes mia has after they were removed", left(mia.ID), 0)
	same(t, "mia has a code that was removed", has(mia.ID, "1"), false)
	same(t, "noa has it", has(noa.ID, "1"), true)
	same(t, "how many codes noa has", left(noa.ID), 1)
}

func testDeleteAccount(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	den, attic := w.source("den", mia.ID), w.source("attic", noa.ID)
	for _, a := range []account.Account{mia, noa} {
		deviceID := w.device(a.ID, "tv")
		w.token(a.Username, token.Row{AccountID: a.ID, DeviceID: deviceID})
		w.session(session.Session{AccountID: a.ID, Complete: true, ExpiresAt: at(1)}, a.Username)
		w.passkey(a.ID, a.Username)
		w.share(attic.ID, a.ID)
		w.pin(newPIN(a.ID))
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return pins.SetLinked(ctx, tx, a.ID, a.ID, hash(a.Username))
		})
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return accounts.SetBackupCodes(ctx, tx, a.ID, []signin.Hash{{1}})
		})
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) })

	ctx := t.Context()
	owned, err := sources.Get(ctx, w, source.Server, den.Identifier)
	must(t, err)
	same(t, "the owner of what mia owned", owned.OwnerID, 0)
	left := func(a account.Account) (n int) {
		devices, err := paging.Rows(store.Devices{}.List(ctx, w, a.ID, paging.Request{}))
		must(t, err)
		sessions, err := paging.Rows(store.Sessions{}.List(ctx, w, a.ID, at(0), paging.Request{}))
		must(t, err)
		passkeys, err := store.Passkeys{}.List(ctx, w, a.ID)
		must(t, err)
		tokens, err := paging.Rows(store.Tokens{}.List(ctx, w, a.ID, paging.Request{}))
		must(t, err)
		n = len(devices) + len(sessions) + len(passkeys) + len(tokens)
		if _, err := pins.Get(ctx, w, a.ID); err == nil {
			n++
		}
		if w.alive(a.Username) {
			n++
		}
		return n
	}
	same(t, "what is left of mia", left(mia), 0)
	same(t, "what is left of noa", left(noa), 6)
	shares, err := paging.Rows(store.Shares{}.List(ctx, w, paging.Request{}))
	must(t, err)
	if len(shares) != 1 || shares[0].AccountID != noa.ID {
		t.Errorf("the shares are %+v, want noa's", shares)
	}
}

// References to an account that is gone must not mean another one.
func testAccountIDs(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) })
	if noa := w.account("noa"); noa.ID <= mia.ID {
		t.Errorf("ID %d came after %d", noa.ID, mia.ID)
	}
}

func testTouchAccount(t *testing.T, w *fixture) {
	mia := w.account("mia")
	change := db.Change{Topic: account.Topic, Key: db.IDKey(mia.ID)}
	code := signin.Hash{1}
	for _, row := range []struct {
		what string
		do   func(context.Context, *db.Tx) error
	}{
		{"Update", func(ctx context.Context, tx *db.Tx) error { return accounts.Update(ctx, tx, mia) }},
		{"SetBackupCodes", func(ctx context.Context, tx *db.Tx) error {
			return accounts.SetBackupCodes(ctx, tx, mia.ID, []signin.Hash{code})
		}},
		{"DeleteBackupCode", func(ctx context.Context, tx *db.Tx) error {
			return store.Proofs{}.DeleteBackupCode(ctx, tx, mia.ID, code)
		}},
		{"Delete", func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) }},
	} {
		w.wantTouched(row.what, row.do, change)
	}
}

func testOptOuts(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	for _, o := range []account.OptOut{{Source: "b", Choice: "opt_in"}, {Source: "a", Choice: "opt_out"}, {Source: "b", Choice: "opt_out"}} {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetOptOut(ctx, tx, mia.ID, o) })
	}
	got, err := accounts.OptOuts(t.Context(), w.other(), mia.ID)
	must(t, err)
	same(t, "OptOuts", got, []account.OptOut{{Source: "a", Choice: "opt_out"}, {Source: "b", Choice: "opt_out"}})
	got, err = accounts.OptOuts(t.Context(), w, noa.ID)
	must(t, err)
	same(t, "of another account", len(got), 0)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) })
	got, err = accounts.OptOuts(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "of an account that is gone", len(got), 0)
}

func testAdminRule(t *testing.T, w *fixture) {
	for _, rule := range [][]byte{nil, []byte("a rule"), []byte("another"), {}} {
		if rule != nil {
			w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetAdminRule(ctx, tx, rule) })
		}
		got, err := accounts.AdminRule(t.Context(), w.other())
		must(t, err)
		same(t, "the rule", string(got), string(rule))
	}
}
