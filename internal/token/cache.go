package token

import (
	"context"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
)

const (
	shards = 64
	// DefaultCacheSize is the number of cached tokens: about 120 bytes
	// each.
	DefaultCacheSize = 200_000
	// touchEvery is how long a process treats the last known use of a token as
	// current, in milliseconds: each use within it costs only a read lock.
	touchEvery = 60_000
)

// entry is a grant as the cache keeps it. It has no pointers, so that the
// garbage collector does not scan a large cache: that, and not the lookup,
// would decide the slowest answers.
type entry struct {
	tokenID, accountID, deviceID, sourceID int64
	expires                                int64 // Unix milliseconds; 0: never
	used                                   int64 // Unix milliseconds of the last known use by this process
	noted                                  int64 // time of the last recorded or pending use
	kind                                   Kind
	admin, disabled                        bool
}

// cache holds the grants of recently used tokens.
//
// A revoked token cannot be put back: the generation of a shard is incremented with every
// removal, and put rejects a grant that was read from the store under an earlier
// generation.
type cache struct {
	shards    [shards]shard
	most      int           // entries per shard
	noteEvery time.Duration // between two uses of a token that are written
}

type shard struct {
	mu         sync.RWMutex
	entries    map[Hash]entry
	generation uint64
	loads      map[Hash]*load // that are under way
}

// load is a database query that several requests can wait for.
type load struct {
	generation uint64
	began      time.Time
	done       chan struct{} // closed once the fields below are set
	entry      entry
	err        error
	left       bool // the query failed because its caller has left
}

// joinWithin is the maximum age of a query that a request joins
// instead of sending its own: the result is as old as the query.
const joinWithin = 100 * time.Millisecond

func newCache(size int) *cache {
	if size <= 0 {
		size = DefaultCacheSize
	}
	c := &cache{most: max(1, size/shards), noteEvery: noteEvery}
	for i := range c.shards {
		c.shards[i].entries = make(map[Hash]entry)
		c.shards[i].loads = make(map[Hash]*load)
	}
	return c
}

// of picks the shard by the hash's first byte, which is as good as random.
func (c *cache) of(h Hash) *shard { return &c.shards[h[0]%shards] }

// get returns the entry, if it is cached, and otherwise the generation to pass to put.
// stale reports whether this use should be recorded.
func (c *cache) get(h Hash, now int64) (e entry, ok, stale bool, generation uint64) {
	s := c.of(h)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok = s.entries[h]
	return e, ok, ok && now-e.used >= touchEvery, s.generation
}

// put keeps an entry that was read under a generation.
func (c *cache) put(h Hash, e entry, generation uint64) {
	s := c.of(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation != generation {
		return
	}
	if old, ok := s.entries[h]; ok {
		e.used, e.noted = max(e.used, old.used), max(e.noted, old.noted)
	}
	for old := range s.entries { // a random one: maps start anywhere
		if len(s.entries) < c.most {
			break
		}
		delete(s.entries, old)
	}
	s.entries[h] = e
}

// load loads and caches an entry. Requests that arrive during the query wait for the same
// result: a token in many concurrent requests is read once. A request that arrives after a
// removal sends its own query, since the result could be from before the removal.
func (c *cache) load(ctx context.Context, h Hash, generation uint64, ask func() (entry, error)) (entry, error) {
	s := c.of(h)
	s.mu.Lock()
	l := s.loads[h]
	if l != nil && l.generation == generation && time.Since(l.began) < joinWithin {
		s.mu.Unlock()
		select {
		case <-l.done:
		case <-ctx.Done():
			return entry{}, ctx.Err()
		}
		if l.left {
			return c.load(ctx, h, generation, ask)
		}
		return l.entry, l.err
	}
	l = &load{generation: generation, began: time.Now(), done: make(chan struct{}), left: true}
	s.loads[h] = l
	s.mu.Unlock()
	defer s.end(h, l)
	l.entry, l.err = ask()
	l.left = l.err != nil && ctx.Err() != nil
	if l.err == nil {
		c.put(h, l.entry, generation)
	}
	return l.entry, l.err
}

// end lets the requests continue that wait for a query.
func (s *shard) end(h Hash, l *load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loads[h] == l {
		delete(s.loads, h)
	}
	close(l.done)
}

// touch records a use in memory, and reports whether it must be written.
func (c *cache) touch(h Hash, now int64) bool {
	s := c.of(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[h]
	if !ok || now-e.used < touchEvery {
		return false
	}
	e.used = now
	due := time.Duration(now-e.noted)*time.Millisecond >= c.noteEvery
	if due {
		e.noted = now
	}
	s.entries[h] = e
	return due
}

// lastUse returns when a token was last used, to the minute, if that is known.
func (c *cache) lastUse(h Hash) (at time.Time, ok bool) {
	s := c.of(h)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.entries[h]
	return time.UnixMilli(e.used), ok
}

// forget drops the entries that changes made stale.
func (c *cache) forget(changes []db.Change, all bool) {
	if all {
		c.drop(func(entry) bool { return true })
		return
	}
	var accounts map[int64]bool
	for _, change := range changes {
		switch change.Topic {
		case Topic:
			if h, ok := hashOfKey(change.Key); ok {
				c.remove(h)
			}
		case account.Topic:
			if accounts == nil {
				accounts = make(map[int64]bool)
			}
			accounts[change.ID()] = true
		}
	}
	if len(accounts) > 0 {
		c.drop(func(e entry) bool { return accounts[e.accountID] })
	}
}

// remove drops one entry.
func (c *cache) remove(h Hash) {
	s := c.of(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, h)
	s.generation++
}

// drop drops every entry that gone accepts.
func (c *cache) drop(gone func(entry) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for h, e := range s.entries {
			if gone(e) {
				delete(s.entries, h)
			}
		}
		s.generation++
		s.mu.Unlock()
	}
}

// len returns how many entries there are.
func (c *cache) len() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}
