package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

// open opens a store in a folder of the test's own.
func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func hash(text string) store.Hash { return sha256.Sum256([]byte(text)) }

// key is a token's key in the feed of changes.
func key(token string) string { h := hash(token); return string(h[:]) }

// watch returns the keys of a topic that are announced from now on.
func watch(s *store.Store, topic db.Topic) *[]string {
	keys := new([]string)
	s.DB().Watch(func(changes []db.Change, _ bool) {
		for _, c := range changes {
			if c.Topic == topic {
				*keys = append(*keys, c.Key)
			}
		}
	})
	return keys
}

// addAccount adds an account whose folded forms are its name and e-mail.
func addAccount(t testing.TB, s *store.Store, name, email string) store.Account {
	t.Helper()
	a, err := s.AddAccount(t.Context(), newAccount(name, email))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newAccount(name, email string) store.Account {
	return store.Account{
		UUID: "uuid of " + name, Username: name, UsernameKey: name, Email: email, EmailKey: email,
		Title: name, PasswordHash: "hash of " + name,
	}
}

// signIn gives an account's device a token.
func signIn(t testing.TB, s *store.Store, a store.Account, client, token string) {
	t.Helper()
	if err := s.SignIn(t.Context(), newSignIn(a, client, token)); err != nil {
		t.Fatal(err)
	}
}

func newSignIn(a store.Account, client, token string) store.SignIn {
	return store.SignIn{
		AccountID: a.ID, PasswordHash: a.PasswordHash, Token: hash(token),
		Device: store.Device{ClientIdentifier: client, Product: "Test"},
	}
}

// alive reports whether a token is there.
func alive(t testing.TB, s *store.Store, token string) bool {
	t.Helper()
	_, err := s.GrantByHash(t.Context(), hash(token))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestAccounts(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "mia@example.org")
	for _, login := range []string{"mia", "mia@example.org"} {
		got, err := s.AccountByLogin(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != mia.ID || got.Username != "mia" || got.Email != "mia@example.org" || got.Disabled {
			t.Errorf("AccountByLogin(%q) = %+v", login, got)
		}
	}
	if _, err := s.AccountByLogin(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown login gives %v, want ErrNotFound", err)
	}
	if err := s.SetDisabled(t.Context(), mia.ID, true); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Account(t.Context(), mia.ID); !got.Disabled {
		t.Error("the account is not disabled")
	}
	if err := s.RemoveAccount(t.Context(), mia.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAccount(t.Context(), mia.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removing it again gives %v, want ErrNotFound", err)
	}
	if next := addAccount(t, s, "noa", ""); next.ID <= mia.ID {
		t.Errorf("ID %d was given again after %d: old references would mean somebody else", next.ID, mia.ID)
	}
}

// A login must mean one account, whichever of the two it is.
func TestAccountNamesAreUnique(t *testing.T) {
	s := open(t, t.TempDir())
	addAccount(t, s, "mia", "mia@example.org")
	for _, other := range []store.Account{
		newAccount("mia", "other@example.org"),
		newAccount("other", "mia@example.org"),
		newAccount("mia@example.org", ""),
		newAccount("other", "mia"),
	} {
		other.UUID = "another"
		if _, err := s.AddAccount(t.Context(), other); !errors.Is(err, store.ErrConflict) {
			t.Errorf("adding %s <%s> gives %v, want ErrConflict", other.Username, other.Email, err)
		}
	}
	addAccount(t, s, "noa", "") // two accounts without an e-mail are no conflict
	addAccount(t, s, "ida", "")
}

// Ten processes that each make the first admin make one.
func TestFirstAccountIsOne(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 10 {
		s := open(t, dir)
		wg.Go(func() {
			_, err := s.AddFirstAccount(t.Context(), newAccount(fmt.Sprint("admin", i), ""))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d first accounts were made", made)
	}
}

func TestSignIn(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	signIn(t, s, mia, "tv", "one")
	signIn(t, s, mia, "tv", "two")
	if !alive(t, s, "one") || !alive(t, s, "two") {
		t.Error("signing in again from the same device ended the token before")
	}
	g, err := s.GrantByHash(t.Context(), hash("one"))
	if err != nil {
		t.Fatal(err)
	}
	want := store.Grant{TokenID: 1, Hash: hash("one"), Kind: store.AccessToken, AccountID: mia.ID, DeviceID: 1}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	if devices, err := s.Devices(t.Context(), mia.ID); err != nil || len(devices) != 1 {
		t.Errorf("two sign-ins from one device are devices %v (error %v), want one", devices, err)
	}
}

// What a proof rests on may be gone by the time it is spent.
func TestSignInSpendsProof(t *testing.T) {
	seed := []byte("sealed")
	for _, test := range []struct {
		name   string
		before func(*store.Store, store.Account) error
		change func(*store.SignIn)
		want   error
	}{
		{"nothing happened", nil, nil, nil},
		{"the password was changed", func(s *store.Store, a store.Account) error {
			return s.SetPasswordHash(context.Background(), a.ID, "another")
		}, nil, store.ErrConflict},
		{"the account was disabled", func(s *store.Store, a store.Account) error {
			return s.SetDisabled(context.Background(), a.ID, true)
		}, nil, store.ErrConflict},
		{"the account was removed", func(s *store.Store, a store.Account) error {
			return s.RemoveAccount(context.Background(), a.ID)
		}, nil, store.ErrConflict},
		{"a later code", nil, func(in *store.SignIn) { in.TOTPStep = 101 }, nil},
		{"the code that was used last", nil, func(in *store.SignIn) { in.TOTPStep = 100 }, store.ErrConflict},
		{"an earlier code", nil, func(in *store.SignIn) { in.TOTPStep = 99 }, store.ErrConflict},
		{"a backup code", nil, func(in *store.SignIn) { in.UsedBackup, in.BackupCode = true, hash("backup") }, nil},
		{"a backup code that is none", nil, func(in *store.SignIn) { in.UsedBackup, in.BackupCode = true, hash("no") }, store.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			a := addAccount(t, s, "mia", "")
			if err := s.SetSecondFactor(t.Context(), a.ID, seed, 100, []store.Hash{hash("backup")}); err != nil {
				t.Fatal(err)
			}
			if test.before != nil {
				if err := test.before(s, a); err != nil {
					t.Fatal(err)
				}
			}
			in := newSignIn(a, "tv", "token")
			if test.change != nil {
				test.change(&in)
			}
			if err := s.SignIn(t.Context(), in); !errors.Is(err, test.want) {
				t.Fatalf("SignIn gives %v, want %v", err, test.want)
			}
			if got, want := alive(t, s, "token"), test.want == nil; got != want {
				t.Errorf("there is a token: %v, want %v", got, want)
			}
			if test.want != nil || in.TOTPStep == 0 && !in.UsedBackup {
				return
			}
			in.Token = hash("again")
			if err := s.SignIn(t.Context(), in); !errors.Is(err, store.ErrConflict) {
				t.Errorf("the same code again gives %v, want ErrConflict", err)
			}
		})
	}
}

func TestDeviceHoldsTenTokens(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	revoked := watch(s, store.TokenTopic)
	for i := range store.TokensPerDevice {
		signIn(t, s, mia, "tv", fmt.Sprint("token", i))
	}
	// The first is used again: the second is now the least recently used.
	if err := s.Touch(t.Context(), map[store.Hash]time.Time{hash("token0"): time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	signIn(t, s, mia, "phone", "of another device")
	signIn(t, s, mia, "tv", "eleventh")
	if !alive(t, s, "token0") || alive(t, s, "token1") || !alive(t, s, "token2") || !alive(t, s, "of another device") {
		t.Error("another token than the least recently used one went")
	}
	if diff := cmp.Diff([]string{key("token1")}, *revoked); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}

func TestServerTokensEndWithTheirParent(t *testing.T) {
	for name, end := range map[string]func(s *store.Store, parent store.Grant, src store.Source, a store.Account) error{
		"token revoked": func(s *store.Store, parent store.Grant, _ store.Source, _ store.Account) error {
			return s.RevokeToken(context.Background(), parent.TokenID)
		},
		"server removed": func(s *store.Store, _ store.Grant, src store.Source, _ store.Account) error {
			return s.RemoveSource(context.Background(), src.ID)
		},
		"share taken back": func(s *store.Store, _ store.Grant, src store.Source, a store.Account) error {
			return s.RemoveShare(context.Background(), src.ID, a.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			a := addAccount(t, s, "mia", "")
			signIn(t, s, a, "tv", "parent")
			parent, err := s.GrantByHash(t.Context(), hash("parent"))
			if err != nil {
				t.Fatal(err)
			}
			src, err := s.AddSource(t.Context(), store.Source{Kind: store.ServerSource, Identifier: "den", Name: "Den"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.AddServerToken(t.Context(), hash("child"), parent.TokenID, src.ID); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("a token for a server that is not shared: %v, want ErrNotFound", err)
			}
			if err := s.AddShare(t.Context(), src.ID, a.ID); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time it is there already
				if err := s.AddServerToken(t.Context(), hash("child"), parent.TokenID, src.ID); err != nil {
					t.Fatal(err)
				}
			}
			revoked := watch(s, store.TokenTopic)
			if err := end(s, parent, src, a); err != nil {
				t.Fatal(err)
			}
			if alive(t, s, "child") {
				t.Error("the child lives on")
			}
			if len(*revoked) == 0 || (*revoked)[0] != key("child") {
				t.Errorf("revoking the child was not announced: %x", *revoked)
			}
		})
	}
}

func TestSourcesOf(t *testing.T) {
	s := open(t, t.TempDir())
	boss := newAccount("boss", "")
	boss.Admin = true
	boss, err := s.AddAccount(t.Context(), boss)
	if err != nil {
		t.Fatal(err)
	}
	mia, noa := addAccount(t, s, "mia", ""), addAccount(t, s, "noa", "")
	for _, src := range []store.Source{
		{Identifier: "admins"},
		{Identifier: "mia's", OwnerID: mia.ID},
		{Identifier: "everyone's", Everyone: true},
		{Identifier: "shared with noa", OwnerID: mia.ID},
	} {
		src.Kind, src.Name = store.ServerSource, src.Identifier
		src.Connections = []store.Connection{{URI: "http://192.168.1.5:32400", Local: true}, {URI: "http://relay", Relay: true}}
		added, err := s.AddSource(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if src.Identifier == "shared with noa" {
			if err := s.AddShare(t.Context(), added.ID, noa.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.AddShare(t.Context(), added.ID, noa.ID); !errors.Is(err, store.ErrConflict) {
				t.Errorf("sharing it again gives %v, want ErrConflict", err)
			}
		}
	}
	for account, want := range map[int64][]string{
		boss.ID: {"admins", "everyone's"},
		mia.ID:  {"mia's", "everyone's", "shared with noa"},
		noa.ID:  {"everyone's", "shared with noa"},
	} {
		list, err := s.SourcesOf(t.Context(), store.ServerSource, account)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, src := range list {
			got = append(got, src.Identifier)
			if len(src.Connections) != 2 || !src.Connections[0].Local || !src.Connections[1].Relay {
				t.Errorf("%s has connections %+v", src.Identifier, src.Connections)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("account %d reaches (-want +got):\n%s", account, diff)
		}
	}
}

// Writes that wait together share a commit, and one that fails undoes nothing
// of the others'.
func TestWritesShareCommits(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	const n = 200
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			in := newSignIn(mia, fmt.Sprint("device", i), fmt.Sprint("token", i))
			if i%10 == 0 {
				in.PasswordHash = "not mia's"
			}
			errs[i] = s.SignIn(t.Context(), in)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if bad := i%10 == 0; bad != errors.Is(err, store.ErrConflict) || bad == alive(t, s, fmt.Sprint("token", i)) {
			t.Errorf("sign-in %d: error %v, token alive %v", i, err, alive(t, s, fmt.Sprint("token", i)))
		}
	}
	if commits := s.Commits(); commits >= n {
		t.Errorf("%d writes took %d commits: they did not share any", n, commits)
	}
}

// A change is announced before the call that made it returns.
func TestWatch(t *testing.T) {
	s := open(t, t.TempDir())
	accounts, tokens := watch(s, store.AccountTopic), watch(s, store.TokenTopic)
	mia := addAccount(t, s, "mia", "")
	signIn(t, s, mia, "tv", "token")
	if err := s.SetDisabled(t.Context(), mia.ID, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{db.IDKey(mia.ID)}, *accounts); diff != "" {
		t.Errorf("disabling announced (-want +got):\n%s", diff)
	}
	if err := s.RevokeToken(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{key("token")}, *tokens); diff != "" {
		t.Errorf("revoking announced (-want +got):\n%s", diff)
	}
}

func TestPutSetting(t *testing.T) {
	s := open(t, t.TempDir())
	if v, err := s.FindSetting(t.Context(), "name"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a setting that nobody made is %q, %v, want ErrNotFound", v, err)
	}
	for _, want := range []string{"first", "second"} {
		if err := s.PutSetting(t.Context(), "name", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if v, err := s.FindSetting(t.Context(), "name"); err != nil || string(v) != want {
			t.Errorf("the setting is %q, %v, want %q", v, err, want)
		}
	}
}

func TestSetting(t *testing.T) {
	dir := t.TempDir()
	var values sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		s := open(t, dir)
		wg.Go(func() {
			v, err := s.Setting(t.Context(), "name", func() ([]byte, error) { return fmt.Append(nil, "drawn by ", i), nil })
			if err != nil {
				t.Error(err)
			}
			values.Store(string(v), true)
		})
	}
	wg.Wait()
	n := 0
	values.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d processes see different values", n)
	}
}
