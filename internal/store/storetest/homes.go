package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var homeTests = []test{
	{"Homes/A user is read back whole", testHomeUser},
	{"Homes/A resident has the profile of the account", testResidentProfile},
	{"Homes/Writers touch the whole home", testTouchHome},
	{"Homes/An owner takes the managed accounts along", testDeleteOwner},
	{"Homes/Tokens of a switch are found from both sides", testSwitched},
	{"Homes/A managed account is disabled with its owner", testDisabledOwner},
}

var homes store.Homes

// The profile that Resident reads is the one that the whole account has.
func testResidentProfile(t *testing.T, w *fixture) {
	all := whole("mia")
	changed := func(change func(*account.Account)) account.Account {
		a := newAccount("noa")
		change(&a)
		return a
	}
	for what, a := range map[string]account.Account{
		"everything":             all,
		"no e-mail address":      changed(func(a *account.Account) { a.Email, a.EmailKey, a.ConfirmedEmail = "", "", "" }),
		"another one confirmed":  changed(func(a *account.Account) { a.ConfirmedEmail = "other@example.org" }),
		"confirmed in this case": changed(func(a *account.Account) { a.ConfirmedEmail = a.Email }),
		"no password":            changed(func(a *account.Account) { a.PasswordHash = "" }),
		"a second factor":        changed(func(a *account.Account) { a.TOTPSeed = []byte("sealed") }),
	} {
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			if a.ID, err = accounts.Insert(ctx, tx, a); err != nil || what != "everything" {
				return err
			}
			return accounts.SetBackupCodes(ctx, tx, a.ID, []signin.Hash{{1}, {2}})
		})
		got, err := accounts.Get(t.Context(), w, a.ID)
		must(t, err)
		resident, err := homes.Resident(t.Context(), w, a.ID)
		must(t, err)
		same(t, what, resident, home.Resident{Profile: got.Profile()})
		if what == "everything" {
			same(t, what, resident.Profile, account.Profile{
				ID: a.ID, UUID: a.UUID, Username: a.Username, Title: a.Title, Email: a.Email, EmailConfirmed: true,
				HasPassword: true, HasSecondFactor: true, HasBackupCodes: true, CreatedAt: a.CreatedAt,
			})
		}
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, a.ID) })
	}
}

// managed adds an account that another one's home manages, with its user.
func (w *fixture) managed(name string, ownerID int64) home.User {
	w.t.Helper()
	a := newAccount(name)
	a.Email, a.EmailKey, a.PasswordHash, a.OwnerID = "", "", "", ownerID
	u := home.User{Account: a, OwnerID: ownerID, Role: home.Managed, JoinedAt: at(2)}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		if u.Account.ID, err = accounts.Insert(ctx, tx, a); err != nil {
			return err
		}
		return homes.Insert(ctx, tx, u)
	})
	return u
}

// owner adds an account that owns a home.
func (w *fixture) owner(name string) home.User {
	w.t.Helper()
	a := w.account(name)
	u := home.User{Account: a, OwnerID: a.ID, Role: home.Owner, JoinedAt: at(1)}
	w.do(func(ctx context.Context, tx *db.Tx) error { return homes.Insert(ctx, tx, u) })
	return u
}

func testHomeUser(t *testing.T, w *fixture) {
	_, err := homes.User(t.Context(), w, 1)
	want(t, "a user that is not there", err, db.ErrNotFound)
	mia := w.owner("mia")
	kid, other := w.managed("kid", mia.OwnerID), w.owner("noa")
	alone := w.account("alone")
	want(t, "a second home", w.try(func(ctx context.Context, tx *db.Tx) error { return homes.Insert(ctx, tx, kid) }), db.ErrConflict)
	kid.Role, kid.PIN, kid.Wrong, kid.LockedUntil, kid.Restriction = home.Guest, plain("$hash"), 3, at(9), "teen"
	w.do(func(ctx context.Context, tx *db.Tx) error { return homes.Update(ctx, tx, kid) })
	for _, q := range []db.Querier{w, w.other()} {
		got, err := homes.User(t.Context(), q, kid.Account.ID)
		must(t, err)
		same(t, "User", got, kid)
		resident, err := homes.Resident(t.Context(), q, kid.Account.ID)
		must(t, err)
		same(t, "Resident", resident, home.Resident{Profile: kid.Account.Profile(), Role: home.Guest, Protected: true, Size: 2})
		resident, err = homes.Resident(t.Context(), q, alone.ID)
		must(t, err)
		same(t, "a resident of no home", resident, home.Resident{Profile: alone.Profile()})
		_, err = homes.Resident(t.Context(), q, 1<<40)
		want(t, "a resident that is not there", err, db.ErrNotFound)
		users, err := homes.Users(t.Context(), q, mia.OwnerID)
		must(t, err)
		same(t, "Users", users, []home.User{mia, kid})
		n, err := homes.Size(t.Context(), q, mia.OwnerID)
		must(t, err)
		same(t, "Size", n, 2)
		managed, err := accounts.Managed(t.Context(), q, mia.OwnerID)
		must(t, err)
		same(t, "Managed", managed, []account.Account{kid.Account})
	}
	kid.Wrong, kid.LockedUntil = 4, at(10)
	w.do(func(ctx context.Context, tx *db.Tx) error { return homes.SetTries(ctx, tx, kid) })
	got, err := homes.User(t.Context(), w, kid.Account.ID)
	must(t, err)
	same(t, "with other tries", got, kid)
	w.do(func(ctx context.Context, tx *db.Tx) error { return homes.Delete(ctx, tx, other.Account.ID) })
	for what, do := range map[string]func(context.Context, *db.Tx) error{
		"Delete":   func(ctx context.Context, tx *db.Tx) error { return homes.Delete(ctx, tx, other.Account.ID) },
		"Update":   func(ctx context.Context, tx *db.Tx) error { return homes.Update(ctx, tx, other) },
		"SetTries": func(ctx context.Context, tx *db.Tx) error { return homes.SetTries(ctx, tx, other) },
	} {
		want(t, what+" of nobody", w.try(do), db.ErrNotFound)
	}
}

func testTouchHome(t *testing.T, w *fixture) {
	mia := w.owner("mia")
	kid := w.managed("kid", mia.OwnerID)
	w.owner("noa") // of another home
	both := []db.Change{{Topic: account.Topic, Key: db.IDKey(mia.Account.ID)}, {Topic: account.Topic, Key: db.IDKey(kid.Account.ID)}}
	w.wantTouched("Update", func(ctx context.Context, tx *db.Tx) error { return homes.Update(ctx, tx, kid) }, both...)
	w.wantTouched("SetTries", func(ctx context.Context, tx *db.Tx) error { return homes.SetTries(ctx, tx, kid) })
	w.wantTouched("Update of the owner's account", func(ctx context.Context, tx *db.Tx) error {
		return accounts.Update(ctx, tx, mia.Account)
	}, both...)
	w.wantTouched("Delete", func(ctx context.Context, tx *db.Tx) error { return homes.Delete(ctx, tx, kid.Account.ID) }, both...)
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error { return homes.Insert(ctx, tx, kid) }, both...)
}

func testDeleteOwner(t *testing.T, w *fixture) {
	mia := w.owner("mia")
	kid := w.managed("kid", mia.OwnerID)
	noa := w.account("noa")
	hers := w.token("mia's", token.Row{AccountID: mia.OwnerID, DeviceID: w.device(mia.OwnerID, "tv")})
	kids := w.token("kid's", token.Row{AccountID: kid.Account.ID, DeviceID: w.device(kid.Account.ID, "tv"), ParentID: hers})
	w.token("noa's by kid's", token.Row{AccountID: noa.ID, DeviceID: w.device(noa.ID, "tv"), ParentID: kids})
	w.token("noa's", token.Row{AccountID: noa.ID, DeviceID: w.device(noa.ID, "phone")})
	touched := w.touched(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.OwnerID) })
	for _, name := range []string{"mia's", "kid's", "noa's by kid's"} {
		same(t, "whether "+name+" is alive", w.alive(name), false)
	}
	same(t, "whether noa's is alive", w.alive("noa's"), true)
	wanted := map[db.Change]bool{
		{Topic: account.Topic, Key: db.IDKey(mia.OwnerID)}:      true,
		{Topic: account.Topic, Key: db.IDKey(kid.Account.ID)}:   true,
		{Topic: token.Topic, Key: hash("kid's").Key()}:          true,
		{Topic: token.Topic, Key: hash("noa's by kid's").Key()}: true,
	}
	got := make(map[db.Change]bool)
	for _, c := range touched {
		got[c] = true
	}
	same(t, "Delete touches", got, wanted)
	_, err := homes.User(t.Context(), w, kid.Account.ID)
	want(t, "the user", err, db.ErrNotFound)
}

func testSwitched(t *testing.T, w *fixture) {
	mia := w.owner("mia")
	kid := w.managed("kid", mia.OwnerID)
	add := func() {
		hers := w.token("hers", token.Row{AccountID: mia.OwnerID, DeviceID: w.device(mia.OwnerID, "tv")})
		w.token("her own child", token.Row{AccountID: mia.OwnerID, DeviceID: w.device(mia.OwnerID, "box"), ParentID: hers})
		kids := w.token("kid's", token.Row{AccountID: kid.Account.ID, DeviceID: w.device(kid.Account.ID, "tv"), ParentID: hers})
		w.token("kid's child", token.Row{AccountID: kid.Account.ID, DeviceID: w.device(kid.Account.ID, "tv"), ParentID: kids})
	}
	for what, do := range map[string]func(context.Context, *db.Tx) (int, error){
		"of the owner": func(ctx context.Context, tx *db.Tx) (int, error) { return tokens.RevokeSwitched(ctx, tx, mia.OwnerID) },
		"of the kid": func(ctx context.Context, tx *db.Tx) (int, error) {
			return tokens.RevokeSwitched(ctx, tx, kid.Account.ID)
		},
		"by the account": func(ctx context.Context, tx *db.Tx) (int, error) {
			return accounts.RevokeSwitched(ctx, tx, mia.OwnerID)
		},
	} {
		add()
		w.do(func(ctx context.Context, tx *db.Tx) error {
			n, err := do(ctx, tx)
			same(t, "how many are revoked "+what, n, 2)
			return err
		})
		for name, alive := range map[string]bool{"hers": true, "her own child": true, "kid's": false, "kid's child": false} {
			same(t, "whether "+name+" is alive, "+what, w.alive(name), alive)
		}
		w.do(func(ctx context.Context, tx *db.Tx) error {
			_, err := tokens.Delete(ctx, tx, token.Selection{AccountID: mia.OwnerID})
			return err
		})
	}
}

func testDisabledOwner(t *testing.T, w *fixture) {
	mia := w.owner("mia")
	kid := w.managed("kid", mia.OwnerID)
	w.token("kid's", token.Row{AccountID: kid.Account.ID, DeviceID: w.device(kid.Account.ID, "tv")})
	for _, disabled := range []bool{true, false} {
		mia.Account.Disabled = disabled
		w.change(mia.Account)
		g, err := tokens.Grant(t.Context(), w, hash("kid's"))
		must(t, err)
		same(t, "whether the token is disabled", g.Disabled, disabled)
	}
	proof, err := store.Proofs{}.Account(t.Context(), w, kid.Account.ID)
	must(t, err)
	same(t, "whether a proof of it is void", proof.Disabled, true)
}
