package passkey_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/store"
)

// stored stores an unusable passkey for a host, and returns its ID.
func (w fixture) stored(a account.Account, host string) (id int64) {
	w.Helper()
	w.must(w.DB.Write(w.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = store.Passkeys{}.Insert(ctx, tx, passkey.Passkey{
			AccountID: a.ID, CredentialID: []byte(a.Username + host), Credential: []byte(`{"rpId":"` + host + `"}`), Name: host,
		})
		return err
	}))
	return id
}

// at returns the service of pages at a public URL.
func (w fixture) at(publicURL string) *passkey.Service {
	return passkey.New(passkey.Config{DB: w.DB, Rows: store.Passkeys{}, Accounts: w.Accounts, Audit: w.Audit, PublicURL: publicURL})
}

// Those passkeys count that sign in at the address of the pages. Without one, all do.
func TestPasskeysThatCount(t *testing.T) {
	w := newFixture(t)
	w.stored(w.mia, "old.example.org")
	w.stored(w.mia, "usher.example.org")
	w.stored(w.noa, "usher.example.org")
	for publicURL, want := range map[string]int{
		"": 2, "https://usher.example.org": 1, "https://USHER.example.org:8443/below": 1, "https://old.example.org": 1,
		"https://new.example.org": 0, "https://example.org": 0, "http://192.0.2.1:32400": 0,
	} {
		if n, err := w.at(publicURL).CountOf(t.Context(), w.DB, w.mia.ID); n != want || err != nil {
			t.Errorf("at %q, %d passkeys count, %v, want %d", publicURL, n, err, want)
		}
	}
	for host, want := range map[string]bool{"usher.example.org": true, "new.example.org": false} {
		if has, err := w.Passkeys.Has(t.Context(), passkey.Party{ID: host}, w.mia.ID); has != want || err != nil {
			t.Errorf("mia has a passkey for %s: %v, %v, want %v", host, has, err, want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := w.Passkeys.CountOf(gone, w.DB, w.mia.ID); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a database that does not answer has %d passkeys, %v", n, err)
	}
	if has, err := w.Passkeys.Has(gone, here, w.mia.ID); has || !errors.Is(err, context.Canceled) {
		t.Errorf("a database that does not answer has a passkey: %v, %v", has, err)
	}
}

// A stored passkey that cannot be read is a failure, and counts for nothing.
func TestDamagedPasskey(t *testing.T) {
	w := newFixture(t)
	id := w.stored(w.mia, "usher.example.org")
	w.must(w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "UPDATE passkey SET credential = $1 WHERE id = $2", []byte("x"), id)
	}))
	if n, err := w.at("https://usher.example.org").CountOf(t.Context(), w.DB, w.mia.ID); n != 0 || err == nil {
		t.Errorf("%d passkeys count, %v", n, err)
	}
	if list, err := w.Passkeys.List(t.Context(), w.mia.ID); err == nil {
		t.Errorf("the list is %+v", list)
	}
}

// The last passkey that signs in to an account by passkey only stays, and so does the last
// one of all; one for another host can go.
func TestRemoveTheLast(t *testing.T) {
	const hostHere, hostThere = "usher.example.org", "old.example.org"
	yes := true
	for name, test := range map[string]struct {
		rule   bool     // the account signs in by passkey only
		hosts  []string // of its passkeys, of which the first is removed
		public string
		want   error
	}{
		"any, beside a password":                 {false, []string{hostHere}, "https://" + hostHere, nil},
		"the last that signs in":                 {true, []string{hostHere}, "https://" + hostHere, passkey.ErrLast},
		"the last that signs in, of two":         {true, []string{hostHere, hostThere}, "https://" + hostHere, passkey.ErrLast},
		"one of two that sign in":                {true, []string{hostHere, hostHere + "."}, "", nil},
		"one for another host":                   {true, []string{hostThere, hostHere}, "https://" + hostHere, nil},
		"of two, where neither signs in":         {true, []string{hostHere, hostThere}, "https://new.example.org", nil},
		"the last of all, which signs in no one": {true, []string{hostThere}, "https://" + hostHere, passkey.ErrLast},
		"the last, wherever the pages are":       {true, []string{hostThere}, "", passkey.ErrLast},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			var ids []int64
			for _, host := range test.hosts {
				ids = append(ids, w.stored(w.mia, host))
			}
			if test.rule {
				w.must(w.Accounts.SetRules(t.Context(), audit.Actor{Name: "test"}, w.mia.ID, nil, &yes, w.Passkeys))
			}
			err := w.at(test.public).Remove(t.Context(), visitor, w.mia.ID, ids[0])
			w.want(err, test.want, "removing it")
			want := len(ids)
			if test.want == nil {
				want--
			}
			if list, err := w.Passkeys.List(t.Context(), w.mia.ID); err != nil || len(list) != want {
				t.Errorf("%d passkeys are left, %v, want %d", len(list), err, want)
			}
		})
	}
	w := newFixtureWith(t, core.Config{})
	id := w.stored(w.mia, hostHere)
	w.want(w.Passkeys.Remove(t.Context(), visitor, w.noa.ID, id), passkey.ErrNotFound, "attack: another account's")
	w.must(w.Accounts.Promote(t.Context(), audit.Actor{Name: "test"}, w.mia.ID))
	w.want(w.Passkeys.Remove(t.Context(), audit.Actor{MembersOnly: true}, w.mia.ID, id), account.ErrMembersOnly, "attack: an admin's, with a key for members")
}

// A new user creates the passkey before the account, in the same browser. The account gets
// the UUID that the authenticator stores.
func TestJoin(t *testing.T) {
	w := newFixture(t)
	ctx := t.Context()
	begin := func() (*passkeytest.Key, []byte) {
		t.Helper()
		options, err := w.Passkeys.BeginJoin(ctx, here, "ned", "browser")
		w.must(err)
		return passkeytest.Create(t, options, origin)
	}
	_, answer := begin()
	for browser, want := range map[string]error{"another browser": passkey.ErrChallenge, "browser": passkey.ErrRejected} {
		text := answer
		if browser == "browser" {
			text = []byte(`{"id":"x"}`)
		}
		_, err := w.Passkeys.FinishJoin(ctx, here, browser, "phone", text)
		w.want(err, want, "attack: "+browser)
	}
	_, err := w.Passkeys.FinishJoin(ctx, here, "browser", "phone", answer)
	w.want(err, passkey.ErrChallenge, "an answer after one that was wrong")

	_, answer = begin()
	elsewhere := passkey.Party{ID: "example.org", Origins: []string{"https://example.org"}}
	_, err = w.Passkeys.FinishJoin(ctx, elsewhere, "browser", "phone", answer)
	w.want(err, passkey.ErrRejected, "attack: of another site")

	key, answer := begin()
	made, err := w.Passkeys.FinishJoin(ctx, here, "browser", " my\u200b  phone ", answer)
	w.must(err)
	n := account.NewAccount{Username: "ned", Passwordless: true, UUID: made.UUID}
	after := func(ctx context.Context, tx *db.Tx, a account.Account) error {
		return w.Passkeys.Store(ctx, tx, visitor, made, a.ID)
	}
	before := func(context.Context, *db.Tx) error { return nil }
	v, err := w.Accounts.AddWith(ctx, visitor, n, before, after)
	w.must(err)
	w.must(w.alone(key))
	list, err := w.Passkeys.List(ctx, v.AccountID())
	if err != nil || len(list) != 1 || list[0].Name != "my phone" || list[0].Party != "localhost" {
		t.Errorf("ned has %+v, %v", list, err)
	}
	err = w.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return w.Passkeys.Store(ctx, tx, visitor, made, w.mia.ID) })
	w.want(err, passkey.ErrExists, "attack: the same passkey for another account")
}

// A new passkey replaces all passkeys of an account. The challenge is for that account, and
// not for a new one.
func TestReplace(t *testing.T) {
	w := newFixture(t)
	ctx := t.Context()
	old, another := w.add(w.mia), w.add(w.noa)
	w.add(w.mia)
	begin := func() (*passkeytest.Key, []byte) {
		t.Helper()
		options, err := w.Passkeys.BeginReplace(ctx, here, w.mia, "browser")
		w.must(err)
		return passkeytest.Create(t, options, origin)
	}
	for what, id := range map[string]int64{"another account": w.noa.ID, "a new account": 0} {
		_, answer := begin()
		_, err := w.Passkeys.FinishReplace(ctx, here, id, "browser", "phone", answer)
		w.want(err, passkey.ErrChallenge, "attack: for "+what)
	}
	key, answer := begin()
	made, err := w.Passkeys.FinishReplace(ctx, here, w.mia.ID, "browser", "phone", answer)
	w.must(err)
	before := len(w.told())
	replace := func(id int64) error {
		return w.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return w.Passkeys.Replacing(visitor, made)(ctx, tx, id)
		})
	}
	w.must(replace(w.mia.ID))
	w.want(w.alone(old), passkey.ErrRejected, "the old passkey")
	w.must(w.alone(key))
	w.must(w.alone(another))
	if told := w.told()[before:]; !slices.Equal(told[:2], []string{"passkey.removed by a reset link", "passkey.added by a reset link"}) {
		t.Errorf("the log has %q", told)
	}
	w.want(replace(w.noa.ID), passkey.ErrExists, "attack: the same passkey for another account")
	w.must(w.alone(another))

	// An account without a passkey loses none.
	ned := w.Core.Add("ned")
	options, err := w.Passkeys.BeginReplace(ctx, here, ned, "browser")
	w.must(err)
	_, answer = passkeytest.Create(t, options, origin)
	made, err = w.Passkeys.FinishReplace(ctx, here, ned.ID, "browser", "phone", answer)
	w.must(err)
	before = len(w.told())
	w.must(replace(ned.ID))
	if told := w.told()[before:]; !slices.Equal(told, []string{"passkey.added by a reset link"}) {
		t.Errorf("the log has %q", told)
	}
}
