package account_test

import (
	"context"
	"errors"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

// Attack: an account has a name or address that looks like another one's, wherever a name
// is set. The error names the invalid field.
func TestNamesThatLookAlike(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa")
	for _, test := range []struct {
		name, username, email, field string
		want                         error // nil: fault.Invalid
	}{
		{"two letters for one", "rnia", "", account.Username, account.ErrAlike},
		{"a digit for a letter", "n0a", "", account.Username, account.ErrAlike},
		{"one Cyrillic letter", "miа", "", account.Username, nil},
		{"one Greek letter", "nοa", "", account.Username, nil},
		{"all Cyrillic", "МІА", "", account.Username, account.ErrAlike},
		{"fullwidth", "ｍｉａ", "", account.Username, account.ErrExists},
		{"zero width", "mi\u200ba", "", account.Username, nil},
		{"zero-width joiner", "mi\u200da", "", account.Username, nil},
		{"variation selector", "mia\ufe0f", "", account.Username, nil},
		{"combining mark", "mia\u0332", "", account.Username, account.ErrAlike},
		{"dot on the i", "mi\u0307a", "", account.Username, account.ErrAlike},
		{"dotless i", "mıa", "", account.Username, account.ErrAlike},
		{"another case", "MIA", "", account.Username, account.ErrExists},
		{"digits of two scripts", "eve1٣", "", account.Username, nil},
		{"two scripts", "eveя", "", account.Username, nil},
		{"address as the name", "mia@example.org", "", account.Username, nil},
		{"address with a Cyrillic letter", "eve", "miа@example.org", account.Email, nil},
		{"domain with a Cyrillic letter", "eve", "mia@exаmple.org", account.Email, nil},
		{"the same in Punycode", "eve", "mia@xn--exmple-4nf.org", account.Email, nil},
		{"address all in Cyrillic", "eve", "МІА@example.org", account.Email, account.ErrAlike},
		{"address with two letters for one", "eve", "rnia@example.org", account.Email, account.ErrAlike},
		{"domain with a digit for a letter", "eve", "mia@examp1e.org", account.Email, account.ErrAlike},
		{"address with a zero-width space", "eve", "mia\u200b@example.org", account.Email, nil},
		{"address with an override", "eve", "mia\u202e@example.org", account.Email, nil},
		{"fullwidth address", "eve", "ｍia@example.org", account.Email, nil},
		{"domain with another dot", "eve", "mia@example。org", account.Email, nil},
		{"address in another case", "eve", "MIA@Example.org", account.Email, account.ErrExists},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := func(where string, err error) {
				t.Helper()
				good := errors.Is(err, test.want)
				if test.want == nil {
					good = fault.KindOf(err) == fault.Invalid
				}
				if !good || fault.FieldOf(err) != test.field {
					t.Errorf("%s: error %v about %q, want %v about %q", where, err, fault.FieldOf(err), test.want, test.field)
				}
			}
			n := account.NewAccount{Username: test.username, Email: test.email, Managed: true}
			_, err := c.Accounts.Add(t.Context(), byConsole, n)
			want("adding", err)
			want("checking", c.Accounts.CheckNew(t.Context(), n.Username, n.Email))
			n.Managed, n.Password = false, coretest.Password
			if fault.KindOf(err) == fault.Invalid { // there is no other account at set-up
				_, err = coretest.New(t, core.Config{}).Accounts.AddFirst(t.Context(), byConsole, n)
				want("setting up", err)
			}
			// Neither name is mia's, so that each looks like another account's.
			other := noa
			if test.name == "a digit for a letter" || test.name == "one Greek letter" {
				other = mia
			}
			if test.field == account.Username {
				want("renaming", c.Accounts.Rename(t.Context(), byConsole, other.ID, n.Username))
			} else {
				want("the address alone", c.Accounts.SetEmail(t.Context(), byConsole, other.ID, n.Email))
			}
			want("both", c.Accounts.SetIdentity(t.Context(), byConsole, other.ID, n.Username, n.Email))
		})
	}
	for _, n := range []account.NewAccount{
		{Username: "mía", Email: "mía@example.org"},
		{Username: "аня", Email: "аня@пример.рф"},
		{Username: "μαρία"},
		{Username: "日本かな", Email: "x@例え.jp"},
		{Username: "olga", Email: "olga_x@under_score.example"},
		{Username: "zoe", Email: "zoe@localhost"},
	} {
		n.Managed = true
		if _, err := c.Accounts.Add(t.Context(), byConsole, n); err != nil {
			t.Errorf("adding %s <%s>: %v", n.Username, n.Email, err)
		}
	}
	if err := c.Accounts.SetIdentity(t.Context(), byConsole, mia.ID, "rnia", "rnia@example.org"); err != nil {
		t.Errorf("a name that looks like its own: %v", err)
	}
	if _, err := c.Accounts.Add(t.Context(), byConsole, account.NewAccount{Username: "mia", Managed: true}); !errors.Is(err, account.ErrAlike) {
		t.Errorf("its former name, which looks like the present one: %v", err)
	}
}

// Accounts from before the rule keep working, and are checked against it after the
// first start.
func TestNamesFromBeforeTheRule(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.Add("mia")
	eve, odd := c.Add("eve"), c.Add("odd")
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for _, sql := range []string{
			"UPDATE account SET username = 'rnia', username_key = 'rnia', title = 'rnia' WHERE username = 'eve'",
			"UPDATE account SET username = 'oddя', username_key = 'oddя', title = 'oddя' WHERE username = 'odd'",
			"UPDATE account SET skeleton_version = 0",
			"DELETE FROM account_skeleton",
		} {
			if err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		tx.Touch(account.Topic, db.IDKey(eve.ID))
		tx.Touch(account.Topic, db.IDKey(odd.ID))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Accounts.FillSkeletons(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, login := range map[int64]string{eve.ID: "rnia", odd.ID: "oddя"} {
		creds := account.Credentials{Login: login, Password: coretest.Password}
		if v, err := c.Accounts.Verify(t.Context(), byConsole, creds); err != nil || v.Account.ID != id {
			t.Errorf("%s signs in: %v", login, err)
		}
		if err := c.Accounts.SetIdentity(t.Context(), byConsole, id, login, login[:3]+"2@example.org"); err != nil {
			t.Errorf("%s gets another address: %v", login, err)
		}
		if err := c.Accounts.SetPassword(t.Context(), byConsole, id, "another long password"); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"mla1", "rniа", "rnla"} {
		_, err := c.Accounts.Add(t.Context(), byConsole, account.NewAccount{Username: name, Managed: true})
		if good := err == nil; good != (name == "mla1" || name == "rnla") {
			t.Errorf("adding %s: %v", name, err)
		}
	}
	if _, err := c.Accounts.Add(t.Context(), byConsole, account.NewAccount{Username: "eve", Managed: true}); err != nil {
		t.Errorf("a name that was given up: %v", err)
	}
}

// Attack: a member sets the address by which a program identifies another user.
func TestConfirmedEmail(t *testing.T) {
	c := coretest.New(t, core.Config{MembersSetEmail: true})
	ada, mia := c.AddAdmin("ada"), c.Add("mia")
	admin, own := audit.Actor{AccountID: ada.ID}, audit.Actor{AccountID: mia.ID}
	other := audit.Actor{AccountID: c.Add("noa").ID}
	for _, step := range []struct {
		what      string
		do        func(ctx context.Context) error
		confirmed bool
		err       error
	}{
		{"added by an admin", func(context.Context) error { return nil }, true, nil},
		{"the member renames themselves", func(ctx context.Context) error {
			return c.Accounts.SetIdentity(ctx, own, mia.ID, "maria", "mia@example.org")
		}, true, nil},
		{"the member changes the case", func(ctx context.Context) error {
			return c.Accounts.SetIdentity(ctx, own, mia.ID, "maria", "Mia@example.org")
		}, false, nil},
		{"the member changes it back", func(ctx context.Context) error {
			return c.Accounts.SetIdentity(ctx, own, mia.ID, "maria", "mia@example.org")
		}, false, nil},
		{"the member confirms it", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, own, mia.ID, "mia@example.org")
		}, false, account.ErrNotAdmin},
		{"another member confirms it", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, other, mia.ID, "mia@example.org")
		}, false, account.ErrNotAdmin},
		{"nobody confirms it", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, audit.Actor{}, mia.ID, "mia@example.org")
		}, false, account.ErrNotAdmin},
		{"an admin confirms another one", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, admin, mia.ID, "x@example.org")
		}, false, account.ErrEmailChanged},
		{"an admin confirms it", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, admin, mia.ID, "mia@example.org")
		}, true, nil},
		{"the member sets another", func(ctx context.Context) error {
			return c.Accounts.SetEmail(ctx, own, mia.ID, "m@example.org")
		}, false, nil},
		{"an admin sets the same", func(ctx context.Context) error {
			return c.Accounts.SetEmail(ctx, admin, mia.ID, "m@example.org")
		}, true, nil},
		{"the member sets another again", func(ctx context.Context) error {
			return c.Accounts.SetEmail(ctx, own, mia.ID, "m2@example.org")
		}, false, nil},
		{"the member becomes an admin", func(ctx context.Context) error {
			return c.Accounts.Promote(ctx, admin, mia.ID)
		}, false, nil},
		{"and saves it", func(ctx context.Context) error {
			return c.Accounts.SetIdentity(ctx, own, mia.ID, "maria", "m2@example.org")
		}, true, nil},
		{"and is an admin no longer", func(ctx context.Context) error {
			return c.Accounts.Demote(ctx, admin, mia.ID, c.Sources)
		}, true, nil},
		{"the command line sets another", func(ctx context.Context) error {
			return c.Accounts.SetEmail(ctx, byConsole, mia.ID, "m3@example.org")
		}, true, nil},
		{"and none", func(ctx context.Context) error { return c.Accounts.SetEmail(ctx, byConsole, mia.ID, "") }, false, nil},
		{"none is confirmed", func(ctx context.Context) error {
			return c.Accounts.ConfirmEmail(ctx, byConsole, mia.ID, "")
		}, false, account.ErrNoEmail},
	} {
		if err := step.do(t.Context()); !errors.Is(err, step.err) {
			t.Errorf("%s: %v, want %v", step.what, err, step.err)
		}
		a, err := c.Accounts.Get(t.Context(), mia.ID)
		if err != nil || a.EmailConfirmed() != step.confirmed {
			t.Errorf("%s: confirmed is %v, want %v (%v)", step.what, a.EmailConfirmed(), step.confirmed, err)
		}
	}
}

// By default, only admins change e-mail addresses.
func TestMembersDoNotSetEmail(t *testing.T) {
	c := coretest.New(t, core.Config{})
	ada, mia := c.AddAdmin("ada"), c.Add("mia")
	own := audit.Actor{AccountID: mia.ID}
	if c.Accounts.MaySetEmail(mia) || !c.Accounts.MaySetEmail(ada) {
		t.Error("a member may change the address, or an admin may not")
	}
	for what, err := range map[string]error{
		"another":        c.Accounts.SetIdentity(t.Context(), own, mia.ID, "mia", "m@example.org"),
		"another alone":  c.Accounts.SetEmail(t.Context(), own, mia.ID, "m@example.org"),
		"none":           c.Accounts.SetIdentity(t.Context(), own, mia.ID, "mia", ""),
		"nobody knows":   c.Accounts.SetEmail(t.Context(), audit.Actor{}, mia.ID, "m@example.org"),
		"no such person": c.Accounts.SetEmail(t.Context(), audit.Actor{AccountID: 99}, mia.ID, "m@example.org"),
	} {
		if !errors.Is(err, account.ErrEmailDenied) {
			t.Errorf("%s: %v, want ErrEmailDenied", what, err)
		}
	}
	if err := c.Accounts.SetIdentity(t.Context(), own, mia.ID, "maria", "mia@example.org"); err != nil {
		t.Errorf("another name: %v", err)
	}
	if err := c.Accounts.SetIdentity(t.Context(), audit.Actor{AccountID: ada.ID}, ada.ID, "ada", "a@example.org"); err != nil {
		t.Errorf("an admin's own: %v", err)
	}
}
