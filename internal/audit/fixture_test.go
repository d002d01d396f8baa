package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// nobody is the zero actor: an unknown visitor.
var nobody audit.Actor

// fixture is the services without this server itself as a source: the log starts
// empty.
type fixture struct {
	*core.Core
	t testing.TB
}

// open opens the services. The caller closes them.
func open(t testing.TB, cfg core.Config) *fixture {
	t.Helper()
	cfg.Key, cfg.HashCost, cfg.MembersSetEmail = seal.NewKey([32]byte{1}), coretest.Cheap, true
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{c, t}
}

// newFixture is open for the length of a test.
func newFixture(t testing.TB, cfg core.Config) *fixture {
	t.Helper()
	w := open(t, cfg)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *fixture) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// add adds an account with coretest.Password.
func (w *fixture) add(name string) account.Account { return w.addBy(nobody, name) }

func (w *fixture) addBy(by audit.Actor, name string) account.Account {
	w.t.Helper()
	a, err := w.Accounts.Add(w.t.Context(), by, account.NewAccount{Username: name, Password: coretest.Password})
	w.must(err)
	return a
}

// prove returns a proof that an account signs in.
func (w *fixture) prove(a account.Account) signin.Proof {
	w.t.Helper()
	v, err := w.Accounts.Verify(w.t.Context(), nobody, account.Credentials{Login: a.Username, Password: coretest.Password})
	w.must(err)
	return v.Proof
}

// signIn signs a device in by a proof.
func (w *fixture) signIn(by audit.Actor, proof signin.Proof, client string) (plexauth.Secret, error) {
	return w.Tokens.SignIn(w.t.Context(), by, proof, device.Device{ClientIdentifier: client, Product: "Test"})
}

// fail records a failed attempt with only a detail.
func (w *fixture) fail(detail string) {
	w.t.Helper()
	w.must(w.Audit.RecordFailure(w.t.Context(), nobody, audit.Event{Kind: audit.SignInRefused, Detail: detail}))
}

// record records an event in a transaction of its own.
func (w *fixture) record(e audit.Event) error {
	return w.DB.Write(w.t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return w.Audit.Record(ctx, tx, nobody, e)
	})
}

// entries reads the whole log, the oldest row first.
func (w *fixture) entries() []audit.Entry {
	w.t.Helper()
	list, err := w.Audit.List(w.t.Context(), audit.Query{Limit: 100_000, OldestFirst: true})
	w.must(err)
	return list
}

// lines reads the log as "event|account|actor|device|address|detail".
func (w *fixture) lines() (lines []string) {
	w.t.Helper()
	for _, e := range w.entries() {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%s", e.Event, e.Account, e.Actor, e.Device, e.Address, e.Detail))
	}
	return lines
}

// broken returns the first row that the log reports as changed; 0 if there is none.
func (w *fixture) broken() (row int64, problem string) {
	w.t.Helper()
	_, err := w.Audit.Verify(w.t.Context())
	if broken := (*audit.BrokenChainError)(nil); errors.As(err, &broken) {
		return broken.Row, broken.Problem
	}
	w.must(err)
	return 0, ""
}

// tamper runs statements on the database file, like an attacker who can write to it.
func tamper(t testing.TB, dir string, statements ...string) {
	t.Helper()
	for i, n := range execute(t, dir, statements...) {
		if n == 0 {
			t.Fatalf("%s: nothing was changed", statements[i])
		}
	}
}

// execute runs statements on the database file, and returns how many rows each
// changed.
func execute(t testing.TB, dir string, statements ...string) (changed []int64) {
	t.Helper()
	file, err := sql.Open("sqlite", "file:"+filepath.Join(dir, db.Name)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, statement := range statements {
		res, err := file.Exec(statement)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		n, _ := res.RowsAffected()
		changed = append(changed, n)
	}
	return changed
}
