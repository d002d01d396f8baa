package token

import (
	"encoding/binary"
	"testing"

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

// A use is worth noting once a minute, from the minute's end on.
func TestTouch(t *testing.T) {
	t.Parallel()
	c, h := newCache(0), inShard(1)
	if _, ok, stale, _ := c.get(h, 1000); ok || stale || c.touch(h, 1000) {
		t.Error("a hash that is not cached is found, or touched")
	}
	c.put(h, entry{used: 1000}, 0)
	for _, test := range []struct {
		now  int64
		want bool
	}{{999, false}, {1000, false}, {1059, false}, {1060, true}, {1061, true}} {
		if _, ok, stale, _ := c.get(h, test.now); !ok || stale != test.want {
			t.Errorf("at %d, a use at 1000 is worth noting: %v, want %v", test.now, stale, test.want)
		}
	}
	for _, test := range []struct {
		now  int64
		want bool
	}{{1059, false}, {1060, true}, {1060, false}, {1119, false}, {1120, true}} {
		if got := c.touch(h, test.now); got != test.want {
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

// Attack: a token is revoked while its grant is being read. What was read before
// the revocation must not be cached after it.
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
			t.Errorf("%s: what was read before the change is cached after it", name)
		}
		_, _, _, generation = c.get(h, 0)
		c.put(h, entry{accountID: 7}, generation)
		if !c.cached(h) {
			t.Errorf("%s: what was read after the change is not cached", name)
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
	var u uses
	for n := range uint32(maxUnrecorded + 10) {
		u.add(inShard(n), use{accountID: int64(n % 2)})
	}
	if got := len(u.of(0)) + len(u.of(1)); got != maxUnrecorded {
		t.Errorf("%d uses wait to be written, want %d", got, maxUnrecorded)
	}
	if got := len(u.take()); got != maxUnrecorded || len(u.take()) != 0 {
		t.Errorf("%d were taken, or were taken twice", got)
	}
}

// What is read while another token is revoked is cached all the same.
func TestReadBesideARevocation(t *testing.T) {
	t.Parallel()
	h, other := inShard(1), inShard(2)
	other[0]++ // in another shard
	c := newCache(0)
	_, _, _, generation := c.get(h, 0)
	c.forget([]db.Change{{Topic: Topic, Key: other.Key()}}, false)
	if c.put(h, entry{accountID: 7}, generation); !c.cached(h) {
		t.Error("what was read while another token was revoked is not cached")
	}
}
