package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// Every change of an account is in the audit log, with its name.
func TestRecorded(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("root")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := c.Audit.List(ctx, audit.Query{Limit: 1})
	must(err)
	mia, err := c.Accounts.Add(ctx, byConsole, account.NewAccount{Username: "mia", Password: coretest.Password})
	must(err)
	ada, err := c.Accounts.Add(ctx, byConsole, account.NewAccount{Username: "ada", Password: coretest.Password, Admin: true})
	must(err)
	must(c.Accounts.Demote(ctx, byConsole, ada.ID, c.Sources))
	must(c.Accounts.Demote(ctx, byConsole, ada.ID, c.Sources)) // no longer an admin
	must(c.Accounts.Disable(ctx, byConsole, mia.ID))
	must(c.Accounts.Enable(ctx, byConsole, mia.ID))
	must(c.Accounts.SetPassword(ctx, byConsole, mia.ID, "another password"))
	must(c.Accounts.Remove(ctx, byConsole, mia.ID))

	list, err := c.Audit.List(ctx, audit.Query{After: before[0].ID, OldestFirst: true, Limit: 100})
	must(err)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%s %d %s %s", e.Event, e.AccountID, e.Account, e.Detail))
	}
	event := func(kind audit.Kind, a account.Account, detail string) string {
		return fmt.Sprintf("%s %d %s %s", kind, a.ID, a.Username, detail)
	}
	want := []string{
		event(audit.AccountAdded, mia, ""), event(audit.AccountAdded, ada, "admin"),
		event(audit.AccountDemoted, ada, ""),
		event(audit.AccountDisabled, mia, ""), event(audit.AccountEnabled, mia, ""),
		event(audit.PasswordChanged, mia, ""), event(audit.AccountRemoved, mia, ""),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The shortest and longest names, addresses and passwords.
func TestLimits(t *testing.T) {
	c := coretest.New(t, core.Config{})
	email := func(n int) string { return strings.Repeat("x", 60) + "@" + strings.Repeat("y", n-61-4) + ".org" }
	for _, test := range []struct {
		what  string
		field string
		good  []account.NewAccount
		bad   account.NewAccount
	}{
		{
			"a name of 65 characters", account.Username,
			[]account.NewAccount{{Username: strings.Repeat("n", 64)}, {Username: strings.Repeat("é", 64)}},
			account.NewAccount{Username: strings.Repeat("n", 65)},
		},
		{
			"an address of 255 bytes", account.Email,
			[]account.NewAccount{{Username: "long-address", Email: email(254)}},
			account.NewAccount{Username: "longer-address", Email: email(255)},
		},
	} {
		for _, n := range test.good {
			n.Managed = true
			if _, err := c.Accounts.Add(t.Context(), byConsole, n); err != nil {
				t.Errorf("one less than %s: %v", test.what, err)
			}
		}
		test.bad.Managed = true
		if _, err := c.Accounts.Add(t.Context(), byConsole, test.bad); fault.FieldOf(err) != test.field {
			t.Errorf("%s: %v, want an error of %s", test.what, err, test.field)
		}
	}

	mia := c.Add("mia")
	const odd = "kq7-Zt!4"
	for length, want := range map[int]bool{7: false, 8: true, 1024: true, 1025: false} {
		password := plexauth.Secret(strings.Repeat(odd, 200)[:length])
		err := c.Accounts.SetPassword(t.Context(), byConsole, mia.ID, password)
		if got := err == nil; got != want {
			t.Errorf("a password of %d bytes is accepted: %v, %v", length, got, err)
		}
	}
}
