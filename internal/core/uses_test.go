package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// lastUse returns when a token was last used, according to the database, counted from the
// start of the clocks.
func lastUse(t *testing.T, c *coretest.Core, id int64, begin time.Time) time.Duration {
	t.Helper()
	got, err := c.Tokens.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got.LastUsedAt.Sub(begin)
}

// The nodes together write a token's last use only now and then. A use that could not be
// written is written later.
func TestUsesInTheCluster(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	a := coretest.New(t, core.Config{Database: plexauth.Secret(address)})
	b := coretest.New(t, core.Config{Database: plexauth.Secret(behind)})
	begin := a.Clock.Now()
	secret := issue(t, a, a.Add("mia"))
	id := verify(t, a, secret).TokenID
	for _, step := range []struct {
		node *coretest.Core
		at   time.Duration
		want time.Duration
	}{
		{a, 9 * time.Minute, 0},
		{a, 11 * time.Minute, 11 * time.Minute},
		{b, 12 * time.Minute, 11 * time.Minute}, // it reads what the other one wrote
		{a, 20 * time.Minute, 11 * time.Minute},
		{b, 22 * time.Minute, 22 * time.Minute},
		{a, 23 * time.Minute, 22 * time.Minute}, // it does not know of that write
	} {
		a.Clock.Set(begin.Add(step.at))
		b.Clock.Set(begin.Add(step.at))
		verify(t, step.node, secret)
		step.node.Tokens.Flush(t.Context())
		if got := lastUse(t, a, id, begin); got != step.want {
			t.Errorf("after a use at %v, the database has the one at %v, want %v", step.at, got, step.want)
		}
	}
	b.Clock.Set(begin.Add(40 * time.Minute))
	verify(t, b, secret)
	proxy.Cut()
	b.Tokens.Flush(t.Context())
	proxy.Mend()
	within(t, 20*time.Second, "what could not be written is written", func() bool {
		b.Tokens.Flush(t.Context())
		return lastUse(t, a, id, begin) == 40*time.Minute
	})
}

// A node has seen a token used since its last use was written. It does not evict that token
// as the least recently used one.
func TestUsesDecideInTheCluster(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := coretest.New(t, core.Config{Database: plexauth.Secret(database(t))})
	mia := c.Add("mia")
	var secrets []plexauth.Secret
	for range token.PerDevice {
		secrets = append(secrets, issue(t, c, mia))
	}
	c.Clock.Advance(2 * time.Minute)
	verify(t, c, secrets[0])
	issue(t, c, mia)
	verify(t, c, secrets[0])
	if !isInvalid(c, secrets[1])() {
		t.Error("the evicted token is not the least recently used one")
	}
}

// A use counts even if it was in the same second in which other tokens were created.
func TestUsesDecideWithinASecond(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	c.Clock.Advance(c.Clock.Now().Truncate(time.Second).Add(time.Second).Sub(c.Clock.Now()))
	secrets := []plexauth.Secret{issue(t, c, mia)}
	c.Clock.Advance(300 * time.Millisecond)
	for len(secrets) < token.PerDevice {
		secrets = append(secrets, issue(t, c, mia))
	}
	c.Clock.Advance(300 * time.Millisecond)
	verify(t, c, secrets[0])
	issue(t, c, mia)
	verify(t, c, secrets[0])
	if !isInvalid(c, secrets[1])() {
		t.Error("the evicted token is not the least recently used one")
	}
}

// Uses up to the stop of the server are written.
func TestUsesAreWrittenOnStop(t *testing.T) {
	places := map[string]core.Config{"SQLite": {}}
	if pgtest.Available(t) {
		places["PostgreSQL"] = core.Config{Database: plexauth.Secret(database(t))}
	}
	for name, cfg := range places {
		c := coretest.New(t, cfg)
		begin := c.Clock.Now()
		secret := issue(t, c, c.Add("mia"))
		c.Clock.Advance(time.Hour)
		id := verify(t, c, secret).TokenID
		ctx, stop := context.WithCancel(t.Context())
		stop()
		c.Tokens.Run(ctx)
		if got := lastUse(t, c, id, begin); got != time.Hour {
			t.Errorf("%s: the last use in the database is %v after the start, want an hour", name, got)
		}
	}
}
