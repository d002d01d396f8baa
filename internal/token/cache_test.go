package token

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
)

// inShard is the nth hash of one shard.
func inShard(n uint32) (h Hash) {
	binary.BigEndian.PutUint32(h[1:], n)
	return h
}

// cached reports whether a cache has a hash.
func (c *cache) cached(h Hash) bool {
	_, ok, _, _ := c.get(h, 0)
	return ok
}

// A use is recorded once a minute.
func TestTouch(t *testing.T) {
	t.Parallel()
	c, h := newCache(0), inShard(1)
	if _, ok, stale, _ := c.get(h, 1000_000); ok || stale || c.touch(h, 1000_000) {
		t.Error("a hash that is not cached is found, or touched")
	}
	c.put(h, entry{used: 1000_000}, 0)
	for _, test := range []struct {
		now  int64
		want bool
	}{{999, false}, {1000, false}, {1059, false}, {1060, true}, {1061, true}} {
		if _, ok, stale, _ := c.get(h, test.now*1000); !ok || stale != test.want {
			t.Errorf("at %d, a use at 1000 is worth noting: %v, want %v", test.now, stale, test.want)
		}
	}
	for _, test := range []struct {
		now  int64
		want bool
	}{{1059, false}, {1060, true}, {1060, false}, {1119, false}, {1120, true}} {
		if got := c.touch(h, test.now*1000); got != test.want {
			t.Errorf("a use at %d was the first in its minute: %v, want %v", test.now, got, test.want)
		}
	}
}

// The size is that of all shards together; there is room for one in each.
func TestCacheSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{-1: DefaultCacheSize / shards, 0: DefaultCacheSize / shards, 1: 1, 64: 1, 128: 2, 640: 10} {
		c := newCache(size)
		for n := range uint32(DefaultCacheSize/shards + 10) {
			c.put(inShard(n), entry{}, 0)
		}
		if got := len(c.of(inShard(0)).entries); got != want {
			t.Errorf("a cache of size %d has %d entries in one shard, want %d", size, got, want)
		}
	}
}

// Attack: a token is revoked while its grant is being read. A value from before the
// revocation must not be cached after it.
func TestReadBeforeARevocation(t *testing.T) {
	t.Parallel()
	h, other := inShard(1), inShard(2)
	for name, forget := range map[string]func(*cache){
		"the token":       func(c *cache) { c.forget([]db.Change{{Topic: Topic, Key: h.Key()}}, false) },
		"its account":     func(c *cache) { c.forget([]db.Change{{Topic: account.Topic, Key: db.IDKey(7)}}, false) },
		"another account": func(c *cache) { c.forget([]db.Change{{Topic: account.Topic, Key: db.IDKey(8)}}, false) },
		"everything":      func(c *cache) { c.forget(nil, true) },
	} {
		c := newCache(0)
		_, _, _, generation := c.get(h, 0)
		forget(c)
		c.put(h, entry{accountID: 7}, generation)
		if c.cached(h) {
			t.Errorf("%s: a value from before the change is cached after it", name)
		}
		_, _, _, generation = c.get(h, 0)
		c.put(h, entry{accountID: 7}, generation)
		if !c.cached(h) {
			t.Errorf("%s: a value from after the change is not cached", name)
		}
	}

	c := newCache(0)
	c.put(h, entry{accountID: 7}, 0)
	c.put(other, entry{accountID: 8}, 0)
	c.forget(nil, false)
	c.forget([]db.Change{{Topic: "another topic", Key: db.IDKey(7)}}, false)
	if !c.cached(h) || !c.cached(other) {
		t.Error("changes of something else drop tokens")
	}
	c.forget([]db.Change{{Topic: account.Topic, Key: db.IDKey(7)}, {Topic: account.Topic, Key: db.IDKey(9)}}, false)
	if c.cached(h) || !c.cached(other) {
		t.Error("a change of one account drops the tokens of another, or does not drop its own")
	}
}

// Attack: a flood of tokens is used before any use is written.
func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	u := newUses()
	for n := range int64(maxUnrecorded + 10) {
		u.add(Use{TokenID: n})
	}
	if len(u.many) != 1 {
		t.Error("there is no signal that many uses are pending")
	}
	taken := u.take()
	if got := len(taken); got != maxUnrecorded || len(u.take()) != 0 {
		t.Errorf("%d were taken, or were taken twice; want %d", got, maxUnrecorded)
	}
	later := Use{TokenID: 1, At: time.Unix(9, 0)}
	u.add(later)
	u.add(Use{TokenID: maxUnrecorded + 1})
	u.putBack(taken)
	again := u.take()
	if len(again) != maxUnrecorded {
		t.Errorf("after they were put back, %d wait, want %d", len(again), maxUnrecorded)
	}
	if again[1] != later {
		t.Errorf("a use that was put back replaces a later one: %v", again[1])
	}
}

// A use is known in memory to the minute, and is written at longer intervals.
func TestUsesToBeWritten(t *testing.T) {
	t.Parallel()
	c, h := newCache(0), inShard(1)
	c.noteEvery = 10 * time.Minute
	c.put(h, entry{used: 1000_000, noted: 1000_000}, 0)
	for _, test := range []struct {
		now, known int64
		due        bool
	}{
		{1059, 1000, false}, {1060, 1060, false}, {1599, 1599, false}, {1601, 1599, false}, {1660, 1660, true},
		{1720, 1720, false}, {2259, 2259, false}, {2319, 2319, true},
	} {
		if due := c.touch(h, test.now*1000); due != test.due {
			t.Errorf("a use at %d must be written: %v, want %v", test.now, due, test.due)
		}
		if at, ok := c.lastUse(h); !ok || at.Unix() != test.known {
			t.Errorf("after a use at %d, the last one known is at %d, want %d", test.now, at.Unix(), test.known)
		}
	}
	// Another node has written a later use, and then one that this node knew already.
	c.put(h, entry{used: 5000_000, noted: 5000_000}, 0)
	c.put(h, entry{used: 3000_000, noted: 3000_000}, 0)
	if at, _ := c.lastUse(h); at.Unix() != 5000 || c.touch(h, 5599_000) {
		t.Errorf("the last use is at %v, or one is written that another node wrote", at)
	}
	if _, ok := c.lastUse(inShard(2)); ok {
		t.Error("a use of a token is known that is not cached")
	}
}

// A value that is read while another token is revoked is cached nevertheless.
func TestReadDuringARevocation(t *testing.T) {
	t.Parallel()
	h, other := inShard(1), inShard(2)
	other[0]++ // in another shard
	c := newCache(0)
	_, _, _, generation := c.get(h, 0)
	c.forget([]db.Change{{Topic: Topic, Key: other.Key()}}, false)
	if c.put(h, entry{accountID: 7}, generation); !c.cached(h) {
		t.Error("a value that was read while another token was revoked is not cached")
	}
}
