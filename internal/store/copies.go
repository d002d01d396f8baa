package store

import "sync"

// Copies keeps copies of rows, or of what was made of them, in memory. A copy
// is dropped before the change that makes it untrue is acknowledged; one that
// was being made meanwhile is not kept. It is safe for concurrent use, and
// what it hands out is shared: it must not be changed.
type Copies[K comparable, V any] struct {
	most  int
	stale func(Change) (keys []K, all bool)

	mu         sync.RWMutex
	kept       map[K]V
	generation uint64
}

// NewCopies returns an empty Copies that holds most copies at the most. stale
// says which of them a change makes untrue.
func NewCopies[K comparable, V any](s *Store, most int, stale func(Change) (keys []K, all bool)) *Copies[K, V] {
	c := &Copies[K, V]{most: most, stale: stale, kept: make(map[K]V)}
	s.Watch(c.forget)
	return c
}

// Get returns the copy for key, or makes one with load.
func (c *Copies[K, V]) Get(key K, load func() (V, error)) (V, error) {
	c.mu.RLock()
	v, ok := c.kept[key]
	generation := c.generation
	c.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := load()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		if len(c.kept) >= c.most {
			clear(c.kept)
		}
		c.kept[key] = v
	}
	return v, nil
}

func (c *Copies[K, V]) forget(change Change) {
	keys, all := c.stale(change)
	if !all && len(keys) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	if all {
		clear(c.kept)
	}
	for _, k := range keys {
		delete(c.kept, k)
	}
}
