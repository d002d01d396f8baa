// Package storetest is the conformance suite of the rows: what the types of
// package store promise to the packages whose interfaces they implement.
//
// It takes an engine, and runs on that engine's tables. It does not test the
// engine itself (package dbtest), nor any rule about rows: the rules are tested
// in the packages that own them.
package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

// Run runs the suite. Each call of newPlace prepares an empty place for one
// database and returns how to open it. Two handles that are open at the same time stand
// for two processes. The place closes every handle at the end of the test.
func Run(t *testing.T, newPlace func(t *testing.T) (open func() *db.DB)) {
	for _, test := range slices.Concat(
		accountTests, deviceTests, tokenTests, pinTests, sessionTests, proofTests, passkeyTests, sourceTests,
		originTests, auditTests, settingTests, transientKeyTests,
		triesTests, challengeTests, pageTests, deviceKeyTests, homeTests, adminKeyTests, webhookTests, outboxTests, linkTests, friendTests, noticeTests,
	) {
		t.Run(test.name, func(t *testing.T) { test.run(t, newFixture(t, newPlace)) })
	}
}

// test is one row of a table of the suite.
type test struct {
	name string
	run  func(*testing.T, *fixture)
}

// fixture is a database, opened by two processes.
type fixture struct {
	*db.DB
	second   func() *db.DB // see other
	t        *testing.T
	newPlace func(*testing.T) func() *db.DB

	mu      sync.Mutex
	changes []db.Change // that DB announced and nobody has taken
}

func newFixture(t *testing.T, newPlace func(*testing.T) func() *db.DB) *fixture {
	t.Helper()
	open := newPlace(t)
	w := &fixture{DB: open(), second: sync.OnceValue(open), t: t, newPlace: newPlace}
	w.Watch(func(changes []db.Change, _ bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, changes...)
	})
	return w
}

// other is the second process, which a test that asks for it starts: most of the time of
// a test of PostgreSQL is that of its connections.
func (w *fixture) other() *db.DB { return w.second() }

// fresh returns a fixture of its own for a subtest.
func (w *fixture) fresh(t *testing.T) *fixture {
	t.Helper()
	return newFixture(t, w.newPlace)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err is the one that is wanted; nil wants none.
func want(t *testing.T, what string, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Errorf("%s: error %v, want %v", what, err, wanted)
	}
}

// same fails the test unless two values are the same.
func same[T any](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// do runs a write that must succeed.
func (w *fixture) do(fn func(context.Context, *db.Tx) error) {
	w.t.Helper()
	must(w.t, w.Write(w.t.Context(), fn))
}

// try runs a write and returns its error.
func (w *fixture) try(fn func(context.Context, *db.Tx) error) error {
	return w.Write(w.t.Context(), fn)
}

// take returns the changes that were announced since the last call.
func (w *fixture) take() []db.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.changes
	w.changes = nil
	return taken
}

// touched runs a write that must succeed, and returns what it touched.
func (w *fixture) touched(fn func(context.Context, *db.Tx) error) []db.Change {
	w.t.Helper()
	w.take()
	w.do(fn)
	return w.take()
}

// wantTouched fails the test unless a write touches what is listed, in order.
func (w *fixture) wantTouched(what string, fn func(context.Context, *db.Tx) error, wanted ...db.Change) {
	w.t.Helper()
	same(w.t, what+" touches", w.touched(fn), wanted)
}

// oneWins runs a write in both processes, many times in parallel, and fails the
// test unless one succeeds and all others conflict.
func (w *fixture) oneWins(fn func(ctx context.Context, tx *db.Tx, i int) error) {
	w.t.Helper()
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		d := []*db.DB{w.DB, w.other()}[i%2]
		wg.Go(func() {
			errs[i] = d.Write(w.t.Context(), func(ctx context.Context, tx *db.Tx) error { return fn(ctx, tx, i) })
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			want(w.t, "a write that came too late", err, db.ErrConflict)
		}
	}
	if won != 1 {
		w.t.Errorf("%d of %d writes of the same unique key succeeded, want 1", won, len(errs))
	}
}

// at is a time that the database stores without loss.
func at(seconds int) time.Time {
	return time.Date(2026, 3, 4, 5, 6, seconds, 7_000_000, time.UTC)
}

// stored returns a time as the database stores it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// hash returns a hash that differs from name to name.
func hash(name string) token.Hash { return token.HashOf(plain(name)) }

// account adds an account whose folded forms are its name and address.
func (w *fixture) account(name string) account.Account {
	w.t.Helper()
	a := newAccount(name)
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		a.ID, err = store.Accounts{}.Insert(ctx, tx, a)
		return err
	})
	return a
}

func newAccount(name string) account.Account {
	return account.Account{
		UUID: "uuid of " + name, Username: name, UsernameKey: name, Email: name + "@example.org",
		EmailKey: name + "@example.org", Title: "title of " + name, PasswordHash: plain("hash of " + name),
		CreatedAt: at(1),
	}
}

func newDevice(client string) device.Device {
	return device.Device{
		ClientIdentifier: client, Product: "product", Version: "version", Platform: "platform",
		PlatformVersion: "platform version", Device: "device", Model: "model", Vendor: "vendor", Name: "name",
		Address: "address",
	}
}

// device adds a device of an account.
func (w *fixture) device(accountID int64, client string) (id int64) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		id, _, err = store.Devices{}.Upsert(ctx, tx, accountID, newDevice(client))
		return err
	})
	return id
}

// token adds a token.
func (w *fixture) token(name string, r token.Row) (id int64) {
	w.t.Helper()
	r.Hash = hash(name)
	if r.Kind == 0 {
		r.Kind = token.Access
	}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = store.Tokens{}.Insert(ctx, tx, r)
		return err
	})
	return id
}

// alive reports whether a token is there.
func (w *fixture) alive(name string) bool {
	w.t.Helper()
	_, err := store.Tokens{}.Grant(w.t.Context(), w, hash(name))
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}
