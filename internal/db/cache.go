package db

import "sync"

// Scope is the part of a cache that a change makes stale.
type Scope uint8

// The scopes.
const (
	Nothing    Scope = iota
	Entry            // the entry of one key
	Everything       // any entry
)

// Cache holds rows, or values computed from them, in memory. An entry is dropped before
// the change that makes it stale is acknowledged, and one that was being loaded
// meanwhile is not stored. While the process does not know the changes of others,
// entries are not used (see [DB.Trusts]). A Cache is safe for concurrent use. Returned
// values are shared and must not be changed.
type Cache[K comparable, V any] struct {
	db    *DB
	max   int
	stale func(Change) (K, Scope)

	mu         sync.RWMutex
	entries    map[K]V
	generation uint64 // counts drops
}

// NewCache returns an empty Cache that holds at most max entries. stale returns
// which of them a change makes stale.
func NewCache[K comparable, V any](d *DB, max int, stale func(Change) (K, Scope)) *Cache[K, V] {
	c := &Cache[K, V]{db: d, max: max, stale: stale, entries: make(map[K]V)}
	d.Watch(c.drop)
	return c
}

// Get returns the entry for key. If it is not cached, it calls load and caches
// the result, unless load fails.
func (c *Cache[K, V]) Get(key K, load func() (V, error)) (V, error) {
	c.mu.RLock()
	v, ok := c.entries[key]
	generation := c.generation
	c.mu.RUnlock()
	if ok && c.db.Trusts() {
		return v, nil
	}
	copied := v
	v, err := load()
	if err != nil {
		if ok && c.db.Tolerates(err) {
			return copied, nil
		}
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		if len(c.entries) >= c.max {
			clear(c.entries)
		}
		c.entries[key] = v
	}
	return v, nil
}

// drop removes the entries that changes make stale.
func (c *Cache[K, V]) drop(changes []Change, all bool) {
	var keys []K
	for _, change := range changes {
		switch key, scope := c.stale(change); scope {
		case Entry:
			keys = append(keys, key)
		case Everything:
			all = true
		}
	}
	if !all && len(keys) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	if all {
		clear(c.entries)
	}
	for _, k := range keys {
		delete(c.entries, k)
	}
}
