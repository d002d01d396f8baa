package account_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// withPasskey gives an account an unusable passkey.
func withPasskey(t *testing.T, c *coretest.Core, a account.Account) (id int64) {
	t.Helper()
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = store.Passkeys{}.Insert(ctx, tx, passkey.Passkey{
			AccountID: a.ID, CredentialID: []byte(rand.Text()), Credential: []byte(`{"rpId":"usher.test"}`), CreatedAt: tx.Now(),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func setRules(t *testing.T, c *coretest.Core, a account.Account, passwordOff, passkeyRequired bool) {
	t.Helper()
	if err := c.Accounts.SetRules(t.Context(), byConsole, a.ID, &passwordOff, &passkeyRequired, c.Passkeys); err != nil {
		t.Fatal(err)
	}
}

func verifyRule(t *testing.T, c *coretest.Core, a account.Account, password, code plexauth.Secret) error {
	t.Helper()
	_, err := c.Accounts.Verify(t.Context(), visitor, account.Credentials{Login: a.Username, Password: password, Code: code})
	return err
}

// The last passkey of an account without a password cannot be removed by anyone: nobody
// could sign in to the account.
func TestLastPasskeyWithoutAPasswordStays(t *testing.T) {
	c := coretest.New(t, core.Config{})
	a, err := c.Accounts.Add(t.Context(), byConsole, account.NewAccount{Username: "mia", Passwordless: true})
	if err != nil {
		t.Fatal(err)
	}
	first, second := withPasskey(t, c, a), withPasskey(t, c, a)
	if err := c.Passkeys.Remove(t.Context(), byConsole, a.ID, first); err != nil {
		t.Errorf("one of two passkeys: %v", err)
	}
	if err := c.Passkeys.Remove(t.Context(), byConsole, a.ID, second); !errors.Is(err, passkey.ErrLast) {
		t.Errorf("the last passkey of an account without a password: %v", err)
	}
	if err := c.Accounts.SetPassword(t.Context(), byConsole, a.ID, coretest.Password); err != nil {
		t.Fatal(err)
	}
	if err := c.Passkeys.Remove(t.Context(), byConsole, a.ID, second); err != nil {
		t.Errorf("the last passkey, next to a password: %v", err)
	}
}

// A passkey for another host than that of the pages does not allow a sign-in.
func TestPasskeysOfAnotherHostDoNotSignIn(t *testing.T) {
	c := coretest.New(t, core.Config{PublicURL: "https://usher.example.org"})
	mia, yes := c.Add("mia"), true
	of := func(host string) (id int64) {
		t.Helper()
		err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
			id, err = store.Passkeys{}.Insert(ctx, tx, passkey.Passkey{
				AccountID: mia.ID, CredentialID: []byte(rand.Text()), Credential: []byte(`{"rpId":"` + host + `"}`), Name: host,
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	remove := func(what string, id int64, wanted error) {
		t.Helper()
		if err := c.Passkeys.Remove(t.Context(), byConsole, mia.ID, id); !errors.Is(err, wanted) {
			t.Errorf("%s: %v, want %v", what, err, wanted)
		}
	}
	old, older := of("old.example.org"), of("older.example.org")
	if err := c.Accounts.SetRules(t.Context(), byConsole, mia.ID, nil, &yes, c.Passkeys); !errors.Is(err, account.ErrOnlyWay) {
		t.Errorf("with passkeys of other hosts: %v", err)
	}
	here := of("usher.example.org")
	setRules(t, c, mia, false, true)
	remove("the last one that signs in", here, passkey.ErrLast)
	remove("one of another host", old, nil)
	away := passkey.New(passkey.Config{
		DB: c.DB, Rows: store.Passkeys{}, Accounts: c.Accounts, Audit: c.Audit, PublicURL: "https://new.example.org",
	})
	if err := away.Remove(t.Context(), byConsole, mia.ID, older); err != nil {
		t.Errorf("after a move, one that cannot sign in: %v", err)
	}
	if err := away.Remove(t.Context(), byConsole, mia.ID, here); !errors.Is(err, passkey.ErrLast) {
		t.Errorf("after a move, the last one of all: %v", err)
	}
}

// A rule that would leave no way to sign in is rejected, also for the last admin. Later
// changes that would remove the last way are rejected, too.
func TestRulesLeaveAWayIn(t *testing.T) {
	c := coretest.New(t, core.Config{})
	olga := c.AddAdmin("olga")
	yes := true
	for _, rules := range [][2]*bool{{&yes, nil}, {nil, &yes}, {&yes, &yes}} {
		if err := c.Accounts.SetRules(t.Context(), byConsole, olga.ID, rules[0], rules[1], c.Passkeys); !errors.Is(err, account.ErrOnlyWay) {
			t.Errorf("without a passkey: %v", err)
		}
	}
	key := withPasskey(t, c, olga)
	setRules(t, c, olga, true, false)
	if err := c.Passkeys.Remove(t.Context(), byConsole, olga.ID, key); err == nil {
		t.Error("the last passkey was removed")
	}
	withPasskey(t, c, olga)
	if err := c.Passkeys.Remove(t.Context(), byConsole, olga.ID, key); err != nil {
		t.Errorf("one of two passkeys: %v", err)
	}
	setRules(t, c, olga, false, false)
	if err := verifyRule(t, c, olga, coretest.Password, ""); err != nil {
		t.Errorf("the password, after the rule: %v", err)
	}
}

// Attack: an attacker finds out, from the answer or its cost, that an account accepts no
// password, or that theirs is correct.
func TestPasswordOffLooksLikeAWrongPassword(t *testing.T) {
	hashes := 0
	c := coretest.New(t, core.Config{Argon2id: func(in hashing.Input) []byte {
		hashes++
		return hashing.Here(in)
	}})
	mia, noa := c.Add("mia"), c.Add("noa")
	withPasskey(t, c, mia)
	setRules(t, c, mia, true, false)
	for _, given := range []plexauth.Secret{coretest.Password, "wrong horse", coretest.Password + "123456", "wrong horse 123456"} {
		hashes = 0
		off := verifyRule(t, c, mia, given, "")
		cost := hashes
		hashes = 0
		wrong := verifyRule(t, c, noa, "not "+given, "")
		if off != wrong || !errors.Is(off, account.ErrCredentials) || cost != hashes {
			t.Errorf("%q: %v at %d hashes, want %v at %d", given, off, cost, wrong, hashes)
		}
		if err := verifyRule(t, c, mia, given, "123456"); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("with a code: %v", err)
		}
		if err := c.Accounts.ConfirmPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: given}); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("confirming: %v", err)
		}
	}
}

// Attack: an attacker has the password, and a code of the second factor, of an account that
// requires a passkey.
func TestPasskeyRequired(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	e := account.NewEnrolment("usher", "mia")
	backup, err := c.Accounts.Enrol(t.Context(), byConsole, mia.ID, e, "")
	if err != nil {
		t.Fatal(err)
	}
	withPasskey(t, c, mia)
	setRules(t, c, mia, false, true)
	for _, code := range []plexauth.Secret{"", backup[0], "wrong"} {
		if err := verifyRule(t, c, mia, coretest.Password, code); !errors.Is(err, account.ErrPasskeyOnly) {
			t.Errorf("with the code %q: %v", string(code), err)
		}
	}
	if err := verifyRule(t, c, mia, "wrong horse", ""); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
	v := c.Prove(mia)
	if v.Complete {
		t.Error("the password alone is complete")
	}
	if _, err := c.Accounts.VerifyCode(t.Context(), visitor, account.Caller{}, mia.ID, v.Revision(), backup[0]); !errors.Is(err, account.ErrCode) {
		t.Errorf("a code in the second step: %v", err)
	}
}

// A sign-in that began before a rule was set cannot be completed after it.
func TestRulesVoidProofs(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	withPasskey(t, c, mia)
	before := c.Prove(mia)
	setRules(t, c, mia, false, true)
	if _, _, err := c.Sessions.Start(t.Context(), visitor, before.Proof, true, ""); err == nil {
		t.Error("attack: a proof of before the rule signed in")
	}
}

// Admins need a second factor once their grace is over, and members do not.
func TestAdminRule(t *testing.T) {
	c := coretest.New(t, core.Config{})
	ctx := t.Context()
	olga, mia := c.AddAdmin("olga"), c.Add("mia")
	due := func(a account.Account) (time.Duration, bool) {
		t.Helper()
		a, err := c.Accounts.Get(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		at, overdue, err := c.Accounts.DueOf(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		if at.IsZero() {
			return 0, overdue
		}
		return at.Sub(c.Clock.Now()), overdue
	}
	want := func(what string, a account.Account, left time.Duration, over bool) {
		t.Helper()
		if l, o := due(a); l != left || o != over {
			t.Errorf("%s: %v left, overdue %v; want %v, %v", what, l, o, left, over)
		}
	}
	const week = 7 * 24 * time.Hour
	want("no rule", olga, 0, false)
	if err := c.Accounts.SetAdminRule(ctx, byConsole, true, week); err != nil {
		t.Fatal(err)
	}
	want("the grace begins", olga, week, false)
	want("a member", mia, 0, false)
	c.Clock.Advance(week - time.Hour)
	if err := c.Accounts.Promote(ctx, byConsole, mia.ID); err != nil {
		t.Fatal(err)
	}
	want("a new admin", mia, week, false)
	if err := verifyRule(t, c, olga, coretest.Password, ""); err != nil {
		t.Errorf("within the grace: %v", err)
	}
	c.Clock.Advance(time.Hour)
	want("the grace ends", olga, 0, true)
	if err := verifyRule(t, c, olga, coretest.Password, ""); !errors.Is(err, account.ErrFactorDue) {
		t.Errorf("after the grace: %v", err)
	}
	if err := verifyRule(t, c, olga, "wrong horse", ""); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("attack: a wrong password tells of the rule: %v", err)
	}
	// The last admin can sign in only to set up a second factor: the password is still
	// valid.
	if v := c.Prove(olga); !v.Complete {
		t.Error("the pages do not let olga in")
	}
	backup, err := c.Accounts.Enrol(ctx, byConsole, olga.ID, account.NewEnrolment("usher", "olga"), "")
	if err != nil {
		t.Fatal(err)
	}
	want("with a second factor", olga, 0, false)
	if err := verifyRule(t, c, olga, coretest.Password, backup[0]); err != nil {
		t.Errorf("with a second factor: %v", err)
	}
	// Attack: an admin has the second factor for a moment only.
	if err := c.Accounts.RemoveSecondFactor(ctx, byConsole, olga.ID); err != nil {
		t.Fatal(err)
	}
	if _, over := due(olga); !over {
		t.Error("there is a new grace")
	}
	for _, grace := range []time.Duration{-1, account.MaxGrace + 1} {
		if err := c.Accounts.SetAdminRule(ctx, byConsole, true, grace); err == nil {
			t.Errorf("a grace of %v", grace)
		}
	}
	if err := c.Accounts.SetAdminRule(ctx, byConsole, false, 0); err != nil {
		t.Fatal(err)
	}
	want("off", olga, 0, false)
	list, err := c.Audit.List(ctx, audit.Query{Events: []audit.Kind{audit.AdminRuleChanged}})
	if err != nil || len(list) != 2 || list[0].Detail != "off" || list[1].Detail != "on, with a grace of 168h0m0s" {
		t.Errorf("the log has %+v, %v", list, err)
	}
}

// A new installation begins with the rule, and one from before does not.
func TestNewDatabaseBeginsWithTheRule(t *testing.T) {
	dir := t.TempDir()
	for i, wanted := range []bool{true, true} {
		c := coretest.New(t, core.Config{Dir: dir, AdminGrace: time.Hour})
		r, err := c.Accounts.AdminRule(t.Context())
		if err != nil || r.On != wanted || r.Grace != time.Hour {
			t.Errorf("opened %d times: %+v, %v", i+1, r, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir = t.TempDir()
	for range 2 {
		c := coretest.New(t, core.Config{Dir: dir})
		r, err := c.Accounts.AdminRule(t.Context())
		if err != nil || r.On {
			t.Errorf("without a grace: %+v, %v", r, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := coretest.New(t, core.Config{Dir: dir, AdminGrace: time.Hour})
	if r, err := c.Accounts.AdminRule(t.Context()); err != nil || r.On {
		t.Errorf("a database of before: %+v, %v", r, err)
	}
}

// The first start fails or is killed after it has created the database. The next one is
// not a start of an installation from before the rule.
func TestRuleAfterAFailedFirstStart(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "usher.key")
	cfg := core.Config{Dir: dir, KeyFile: keyFile, AdminGrace: time.Hour}
	if err := os.Mkdir(keyFile, 0o700); err != nil { // it cannot be read as a key
		t.Fatal(err)
	}
	if c, err := core.Open(t.Context(), cfg); err == nil {
		t.Fatal("it started without a key", c.Close())
	}
	if _, err := os.Stat(filepath.Join(dir, "usher.db")); err != nil {
		t.Fatalf("the start failed before it created the database: %v", err)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Accounts.AdminRule(t.Context())
	if err != nil || !r.On || r.Grace != time.Hour || time.Since(r.Since) > time.Hour {
		t.Errorf("the rule is %+v, %v", r, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// Attack: an admin creates a link for the owner of an account. An attacker who reads the
// owner's e-mails signs in with it, without the passkey or the second factor.
func TestLinksAroundAFactorAreNotMailed(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	letter := func(made account.MadeReset) mail.Message {
		return mail.Message{To: made.Account.Email, Subject: "Your way back", Text: "a link"}
	}
	want := func(what string, reset account.Reset, mailed bool) {
		t.Helper()
		made, err := c.Accounts.MailReset(t.Context(), byConsole, mia.ID, reset, 0, letter)
		if err != nil || made.Secret == "" || made.Mailed != mailed {
			t.Errorf("%s: mailed %v, %v", what, made.Mailed, err)
		}
	}
	password, both := account.Reset{Password: true}, account.Reset{Password: true, SecondFactor: true}
	want("a password", password, true)
	want("there is no second factor", both, true)
	if _, err := c.Accounts.Enrol(t.Context(), byConsole, mia.ID, account.NewEnrolment("usher", "mia"), ""); err != nil {
		t.Fatal(err)
	}
	want("a password, beside the second factor", password, true)
	want("attack: past the second factor", both, false)
	withPasskey(t, c, mia)
	setRules(t, c, mia, false, true)
	want("attack: past the passkey", password, false)
}
