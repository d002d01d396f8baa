// Package coretest opens the services for a test: a database, a key, a clock
// that the test moves, cheap password hashes, and the accounts and sources that
// the test adds.
//
// It serves nothing: tests of a face build the face on Core. It is for tests of
// this module; plexauthtest is the kit for tests elsewhere.
package coretest

import (
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

// Clock is a clock that moves only when it is told to. It is safe for concurrent
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

// Core is an open core.Core that fails its test when it cannot do what it is
// asked.
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
