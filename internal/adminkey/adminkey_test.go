package adminkey_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

var operator = audit.Actor{Name: "test"}

const here = "192.0.2.1"

// fixture is a core with an admin.
type fixture struct {
	*coretest.Core
	*testing.T
	olga int64
}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	w := &fixture{Core: coretest.New(t, cfg), T: t}
	w.AddAdmin("root")
	w.olga = w.AddAdmin("olga").ID
	return w
}

func (w *fixture) make(n adminkey.NewKey) (plexauth.Secret, adminkey.Key) {
	w.Helper()
	if n.Scopes == nil {
		n.Scopes = []string{"accounts:read"}
	}
	secret, k, err := w.AdminKeys.Make(w.Context(), operator, n)
	if err != nil {
		w.Fatal(err)
	}
	return secret, k
}

// good reports whether a key is accepted. Any other error than ErrInvalid fails the
// test.
func (w *fixture) good(c *core.Core, secret plexauth.Secret) bool {
	w.Helper()
	_, err := c.AdminKeys.Verify(w.Context(), here, secret)
	if err != nil && !errors.Is(err, adminkey.ErrInvalid) {
		w.Fatal(err)
	}
	return err == nil
}

// A key consists of the prefix and 190 random bits, and cannot be read from the
// database.
func TestSecret(t *testing.T) {
	w := newFixture(t, core.Config{})
	secret, made := w.make(adminkey.NewKey{Name: "one", MakerID: w.olga, Scopes: []string{"audit:read", "accounts:read", "audit:read"}})
	if !regexp.MustCompile(`^usher_ak_[0-9A-Za-z]{32}$`).MatchString(string(secret)) {
		t.Errorf("the secret is %q", string(secret))
	}
	if other, _ := w.make(adminkey.NewKey{Name: "two"}); other == secret {
		t.Error("two keys are the same")
	}
	k, err := w.AdminKeys.Verify(t.Context(), here, secret)
	if err != nil || k.ID != made.ID || k.Maker != "olga" || fmt.Sprint(k.Scopes) != "[accounts:read audit:read]" {
		t.Errorf("verified as %+v, %v", k, err)
	}
	for _, bad := range []plexauth.Secret{"", "x", secret[:len(secret)-1], secret + "x", secret[len(adminkey.Prefix):], " " + secret} {
		if w.good(w.Core.Core, bad) {
			t.Errorf("%q is good", string(bad))
		}
	}
	list, err := w.AdminKeys.List(t.Context(), paging.Request{})
	if err != nil || strings.Contains(fmt.Sprintf("%+v", list), string(secret)) {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

// A scope to write includes the one to read, of the same noun and of no other.
func TestAllows(t *testing.T) {
	k := adminkey.Key{Scopes: []adminkey.Scope{adminkey.AccountsWrite, adminkey.ServersRead}}
	for s, want := range map[adminkey.Scope]bool{
		adminkey.AccountsWrite: true, adminkey.AccountsRead: true, adminkey.ServersRead: true,
		adminkey.ServersWrite: false, adminkey.TokensRead: false, adminkey.AdminsWrite: false, "": false, ":read": false,
	} {
		if got := k.Allows(s); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	w := newFixture(t, core.Config{})
	member := w.Add("member")
	w.make(adminkey.NewKey{Name: "taken"})
	one := []string{"audit:read"}
	for what, c := range map[string]struct {
		n    adminkey.NewKey
		want error
		kind fault.Kind
	}{
		"no name":                                {adminkey.NewKey{Scopes: one}, nil, fault.Invalid},
		"a name with a space":                    {adminkey.NewKey{Name: "a b", Scopes: one}, nil, fault.Invalid},
		"a name with a letter of another script": {adminkey.NewKey{Name: "аudit", Scopes: one}, nil, fault.Invalid},
		"a long name":                            {adminkey.NewKey{Name: strings.Repeat("a", 41), Scopes: one}, nil, fault.Invalid},
		"only signs":                             {adminkey.NewKey{Name: "..", Scopes: one}, nil, fault.Invalid},
		"a taken name":                           {adminkey.NewKey{Name: "taken", Scopes: one}, adminkey.ErrExists, fault.Exists},
		"no scope":                               {adminkey.NewKey{Name: "new"}, nil, fault.Invalid},
		"an unknown scope":                       {adminkey.NewKey{Name: "new", Scopes: []string{"accounts:*"}}, nil, fault.Invalid},
		"an end in the past":                     {adminkey.NewKey{Name: "new", Scopes: one, Expires: w.Now()}, nil, fault.Invalid},
		"a member":                               {adminkey.NewKey{Name: "new", Scopes: one, MakerID: member.ID}, adminkey.ErrNotAdmin, fault.Denied},
		"nobody":                                 {adminkey.NewKey{Name: "new", Scopes: one, MakerID: 99}, nil, fault.NotFound},
	} {
		_, _, err := w.AdminKeys.Make(t.Context(), operator, c.n)
		if fault.KindOf(err) != c.kind || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A key becomes invalid immediately, here and in another process, when it is revoked
// and when its maker is removed or demoted. It is suspended while its maker is
// disabled.
func TestKeysEnd(t *testing.T) {
	dir := t.TempDir()
	w := newFixture(t, core.Config{Dir: dir})
	other := coretest.New(t, core.Config{Dir: dir, Now: w.Now})
	ends := func(name string, do func(k adminkey.Key) error) {
		t.Helper()
		secret, k := w.make(adminkey.NewKey{Name: name, MakerID: w.olga})
		kept, _ := w.make(adminkey.NewKey{Name: name + "-of-the-command-line"})
		for _, c := range []*core.Core{w.Core.Core, other.Core} {
			if !w.good(c, secret) || !w.good(c, kept) {
				t.Fatalf("%s: it is not good", name)
			}
		}
		if err := do(k); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.good(w.Core.Core, secret) {
			t.Errorf("%s: it is good afterwards", name)
		}
		if !w.good(w.Core.Core, kept) {
			t.Errorf("%s: the key of the command line is gone", name)
		}
		for w.good(other.Core, secret) { // until the test's own time is over
			if t.Context().Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	ctx := t.Context()
	ends("revoked", func(k adminkey.Key) error { return w.AdminKeys.Revoke(ctx, operator, k.ID) })
	ends("expired", func(adminkey.Key) error {
		secret, _ := w.make(adminkey.NewKey{Name: "short", Expires: w.Now().Add(time.Hour)})
		w.Clock.Advance(time.Hour - time.Millisecond)
		if !w.good(w.Core.Core, secret) {
			t.Error("it has expired too early")
		}
		w.Clock.Advance(time.Millisecond)
		if w.good(w.Core.Core, secret) {
			t.Error("it is valid after its expiry")
		}
		list, err := w.AdminKeys.ByName(ctx, "expired")
		return errors.Join(err, w.AdminKeys.Revoke(ctx, operator, list.ID))
	})
	ends("disabled", func(adminkey.Key) error { return w.Accounts.Disable(ctx, operator, w.olga) })
	if err := w.Accounts.Enable(ctx, operator, w.olga); err != nil {
		t.Fatal(err)
	}
	ends("demoted", func(adminkey.Key) error { return w.Accounts.Demote(ctx, operator, w.olga, w.Sources) })
	if err := w.Accounts.Promote(ctx, operator, w.olga); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"demoted", "disabled"} {
		if _, err := w.AdminKeys.ByName(ctx, name); !errors.Is(err, adminkey.ErrNotFound) {
			t.Errorf("attack: who was demoted and promoted again has the key %s: %v", name, err)
		}
	}
	ends("removed", func(adminkey.Key) error { return w.Accounts.Remove(ctx, operator, w.olga) })
	last, err := w.Audit.List(ctx, audit.Query{Events: []audit.Kind{audit.AccountRemoved}})
	if err != nil || len(last) != 1 || last[0].Detail != "keys of the admin API: 1" {
		t.Errorf("the log ends with %+v, %v", last, err)
	}
}

// Attack: guessing keys. Beyond the limit, keys from that network are rejected
// unchecked. In a network where a key was used before, it keeps working.
func TestGuessing(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	secret, _ := w.make(adminkey.NewKey{Name: "one"})
	verify := func(address string, secret plexauth.Secret) error {
		_, err := w.AdminKeys.Verify(t.Context(), address, secret)
		return err
	}
	if err := verify("2001:db8::1", secret); err != nil {
		t.Fatal(err)
	}
	guess := func(n int) plexauth.Secret { return adminkey.Prefix + plexauth.Secret(fmt.Sprintf("%032d", n)) }
	for _, address := range []string{here, "2001:db8::2"} {
		for n := range 3 {
			if err := verify(address, guess(n)); !errors.Is(err, adminkey.ErrInvalid) {
				t.Fatalf("guess %d from %s: %v", n, address, err)
			}
		}
		if err := verify(address, guess(9)); !errors.Is(err, adminkey.ErrRateLimited) || fault.WaitOf(err) <= 0 {
			t.Errorf("one guess too many from %s: %v", address, err)
		}
	}
	if err := verify(here, secret); !errors.Is(err, adminkey.ErrRateLimited) {
		t.Errorf("the correct key is checked: %v", err)
	}
	for _, address := range []string{"2001:db8::1", "192.0.2.99"} {
		if err := verify(address, secret); err != nil {
			t.Errorf("the right key from %s: %v", address, err)
		}
	}
	w.Clock.Advance(time.Minute)
	if err := verify(here, secret); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	tried, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.AdminKeyRefused}})
	if err != nil || len(tried) == 0 || strings.Contains(fmt.Sprint(tried), "0000000") {
		t.Errorf("the log has %v, %v", tried, err)
	}
}

// The last use is recorded to the minute, and not every use is written.
func TestLastUse(t *testing.T) {
	w := newFixture(t, core.Config{})
	secret, k := w.make(adminkey.NewKey{Name: "one"})
	used := func(want time.Time) {
		t.Helper()
		if !w.good(w.Core.Core, secret) {
			t.Fatal("it is not good")
		}
		got, err := w.AdminKeys.Get(t.Context(), k.ID)
		if err != nil || !got.LastUsedAt.Equal(want) {
			t.Errorf("last used %v, want %v: %v", got.LastUsedAt, want, err)
		}
	}
	first := w.Now()
	used(first)
	w.Clock.Advance(59 * time.Second)
	used(first)
	w.Clock.Advance(time.Second)
	used(first.Add(time.Minute))
}
