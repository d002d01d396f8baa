//go:build unix

package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/plexauth"
)

// places returns how to make an empty place of each engine.
func places(t *testing.T) map[string]func(*testing.T) core.Place {
	list := map[string]func(*testing.T) core.Place{
		"SQLite": func(t *testing.T) core.Place { return core.Place{Dir: filepath.Join(t.TempDir(), "data")} },
	}
	if pgtest.Available(t) {
		list["PostgreSQL"] = func(t *testing.T) core.Place { return core.Place{Database: plexauth.Secret(pgtest.Database(t))} }
	}
	return list
}

// configOf returns the configuration that a command needs for a place's database.
func configOf(at core.Place, keyFile string) core.Config {
	return core.Config{Dir: at.Dir, Database: at.Database, KeyFile: keyFile, By: operator, Holder: "usher restore"}
}

// usernames lists the accounts of a place.
func usernames(t *testing.T, at core.Place, keyFile string) string {
	t.Helper()
	c := openPlace(t, at, keyFile)
	defer closeCore(t, c)
	list, err := c.Accounts.List(t.Context(), paging.Request{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range list.Rows {
		names = append(names, a.Username)
	}
	return strings.Join(names, " ")
}

// A backup of each engine is restored into the other, with and without a passphrase.
func TestBackupAndRestore(t *testing.T) {
	all := places(t)
	phrase := seal.Passphrase{Text: "correct horse", Work: 2}
	for _, test := range []struct {
		from, to, name string
		options        core.CopyOptions
	}{
		{"SQLite", "PostgreSQL", "plain", core.CopyOptions{}},
		{"PostgreSQL", "SQLite", "encrypted", core.CopyOptions{Passphrase: phrase}},
	} {
		if all["PostgreSQL"] == nil {
			test.from, test.to = "SQLite", "SQLite"
		}
		t.Run(test.name, func(t *testing.T) {
			at, other := all[test.from](t), all[test.to](t)
			o := newOriginal(t, at)
			file := filepath.Join(t.TempDir(), test.name)
			if err := core.Backup(t.Context(), configOf(at, ""), file, test.options); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) != 1 {
				t.Errorf("the folder has %q", left)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// A shorter text, such as a name, appears in random bytes by chance.
			if got, want := bytes.Contains(text, []byte("device 0")), test.options.Passphrase.Text == ""; got != want {
				t.Errorf("the copy has readable data: %v, want %v", got, want)
			}
			if _, err := core.Restore(t.Context(), configOf(other, o.keyFile), file, test.options); err != nil {
				t.Fatal(err)
			}
			recorded(t, other, o.keyFile, audit.DatabaseRestored, "from "+test.name)
			o.works(t, other, o.keyFile, "noa")
		})
	}
}

// A restore either replaces the whole database or changes nothing.
func TestRestoreReplaces(t *testing.T) {
	for engine, newPlace := range places(t) {
		t.Run(engine, func(t *testing.T) {
			at := newPlace(t)
			o := newOriginal(t, at)
			file := filepath.Join(t.TempDir(), "copy")
			phrase := seal.Passphrase{Text: "correct horse", Work: 2}
			if err := core.Backup(t.Context(), configOf(at, ""), file, core.CopyOptions{Passphrase: phrase}); err != nil {
				t.Fatal(err)
			}
			c := openPlace(t, at, o.keyFile)
			later, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: "later", Password: coretest.Password})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := core.Restore(t.Context(), configOf(at, o.keyFile), file, core.CopyOptions{Passphrase: phrase}); err == nil {
				t.Error("a restore succeeded while a process used the database")
			}
			closeCore(t, c)

			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			half := filepath.Join(t.TempDir(), "half")
			if err := os.WriteFile(half, text[:len(text)-100], 0o600); err != nil {
				t.Fatal(err)
			}
			for what, test := range map[string]struct {
				file string
				text plexauth.Secret
				want error
			}{
				"a wrong passphrase": {file, "wrong horse", core.ErrPassphrase},
				"no passphrase":      {file, "", core.ErrPassphrase},
				"half a file":        {half, phrase.Text, core.ErrDamaged},
				"no copy":            {o.keyFile, "", core.ErrNoCopy},
			} {
				options := core.CopyOptions{Passphrase: seal.Passphrase{Text: test.text}}
				if _, err := core.Restore(t.Context(), configOf(at, o.keyFile), test.file, options); !errors.Is(err, test.want) {
					t.Errorf("%s: %v, want %v", what, err, test.want)
				}
			}
			if got := usernames(t, at, o.keyFile); got != "mia kid later" {
				t.Errorf("after restores that failed, the accounts are %q", got)
			}

			told := func(p core.Progress) {
				if p.Rows > p.Total {
					t.Errorf("%d of %d rows of %s", p.Rows, p.Total, p.Table)
				}
			}
			if _, err := core.Restore(t.Context(), configOf(at, o.keyFile), file, core.CopyOptions{Passphrase: phrase, Progress: told}); err != nil {
				t.Fatal(err)
			}
			if got := usernames(t, at, o.keyFile); got != "mia kid" {
				t.Errorf("restored, the accounts are %q", got)
			}
			o.next = later.ID // a restore also reverts the IDs that were assigned since
			o.works(t, at, o.keyFile, "noa")
		})
	}
}

// A backup that is made while others write shows one moment: it has all of a write, or
// nothing of it.
func TestBackupWhileServing(t *testing.T) {
	for engine, newPlace := range places(t) {
		t.Run(engine, func(t *testing.T) {
			at := newPlace(t)
			keyFile := filepath.Join(t.TempDir(), "usher.key")
			c := openPlace(t, at, keyFile)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first, done := make(chan struct{}), make(chan error, 1)
			go func() {
				once := sync.OnceFunc(func() { close(first) })
				defer once()
				for i := 0; ctx.Err() == nil; i++ {
					_, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: fmt.Sprint("account", i), Password: coretest.Password})
					if err != nil {
						done <- err
						return
					}
					once()
				}
				done <- nil
			}()
			<-first
			file := filepath.Join(t.TempDir(), "copy")
			err := core.Backup(t.Context(), configOf(at, ""), file, core.CopyOptions{})
			cancel()
			if err := errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			restored := core.Place{Dir: t.TempDir()}
			if _, err := core.Restore(t.Context(), configOf(restored, keyFile), file, core.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			again := openPlace(t, restored, keyFile)
			defer closeCore(t, again)
			if _, err := again.Audit.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			events, err := again.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.AccountAdded}, Limit: 1_000_000})
			if err != nil {
				t.Fatal(err)
			}
			accounts, err := again.Accounts.List(t.Context(), paging.Request{Limit: 1_000_000})
			if err != nil || len(accounts.Rows) != len(events) || len(events) == 0 {
				t.Errorf("%d accounts and %d events that one was added, %v", len(accounts.Rows), len(events), err)
			}
		})
	}
}
