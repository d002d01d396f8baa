// Package coretest opens the services for a test: a database, a key, a clock
// that the test moves, cheap password hashes, and the accounts and sources that
// the test adds.
//
// It serves nothing: tests of a face build the face on Core. It is for tests of
// this module; plexauthtest is the kit for tests elsewhere.
package coretest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/source"
)

// Password is the password of every account that Add and AddAdmin create.
const Password = "correct horse"

// Cheap is a cost of password hashes that protects nothing and takes no time.
var Cheap = account.Cost{Memory: 8, Time: 1, Threads: 1}

// init lets the heap of a test grow further between collections, as usher serve does: the
// heap is small, and the collector took a tenth of the processor time of many packages.
func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// template is the schema of the databases in memory.
var template core.Template

// empty is the content of a database file with the schema and without rows.
var empty = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "coretest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := core.Open(context.Background(), core.Config{Dir: dir, Key: seal.NewKey([32]byte{1})})
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, fileName))
})

// fileName is the name of the database in its folder.
const fileName = "usher.db"

// place puts an empty database in the folder of a configuration that has none. To create
// the schema there would take most of the time of a short test.
func place(t testing.TB, cfg core.Config) {
	t.Helper()
	path := filepath.Join(cfg.Dir, fileName)
	if _, err := os.Stat(path); err == nil || cfg.MustExist || cfg.AdminGrace > 0 {
		return // what a new database begins with is written when Open creates it
	}
	content, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(cfg.Dir, 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Clock is a clock that only tests advance. It is safe for concurrent
// use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Core is an open core.Core. Its own methods fail the test instead of returning an error.
type Core struct {
	*core.Core
	// Clock is the clock of the services, unless the test gave another one.
	Clock *Clock

	t testing.TB
}

// New opens a Core without accounts that is closed when the test ends. Fields
// of cfg that are zero get what suits a test: a database in memory, a key, cheap
// hashes, this server as the source "self", and a Clock.
func New(t testing.TB, cfg core.Config) *Core {
	t.Helper()
	c := &Core{Clock: &Clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, t: t}
	if cfg.Key == nil {
		cfg.Key = seal.NewKey([32]byte{1})
	}
	if cfg.HashCost == (account.Cost{}) {
		cfg.HashCost = Cheap
	}
	if cfg.Self == nil {
		cfg.Self = &source.Self{
			MachineIdentifier: "self", Connections: []source.Connection{{URI: "http://127.0.0.1:32400", Local: true}},
		}
	}
	if cfg.Now == nil {
		cfg.Now = c.Clock.Now
	}
	if cfg.Dir != "" && cfg.Database == "" {
		place(t, cfg)
	}
	if cfg.Template == nil {
		cfg.Template = &template
	}
	var err error
	if c.Core, err = core.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Add adds an account with an e-mail address and Password.
func (c *Core) Add(username string) account.Account {
	c.t.Helper()
	return c.add(account.NewAccount{Username: username})
}

// AddAdmin is Add for an admin.
func (c *Core) AddAdmin(username string) account.Account {
	c.t.Helper()
	return c.add(account.NewAccount{Username: username, Admin: true})
}

func (c *Core) add(n account.NewAccount) account.Account {
	c.t.Helper()
	n.Email, n.Password = n.Username+"@example.org", Password
	a, err := c.Accounts.Add(c.t.Context(), audit.Actor{Name: "test"}, n)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// AddSource adds a server or a provider.
func (c *Core) AddSource(src source.Source) source.Source {
	c.t.Helper()
	added, err := c.Sources.Add(c.t.Context(), audit.Actor{Name: "test"}, src)
	if err != nil {
		c.t.Fatal(err)
	}
	return added
}

// Restart returns the services as a new process has them, on the same database.
func (c *Core) Restart() *core.Core {
	c.t.Helper()
	again, err := c.Core.Restart(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return again
}
