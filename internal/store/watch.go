package store

import "sync"

// Hash is the SHA-256 of a token, which is all that is kept of one.
type Hash [32]byte

// Change says what is no longer as it was. Copies of it must be dropped.
type Change struct {
	// All: anything may have changed; drop every copy.
	All bool
	// Tokens that were revoked, by hash.
	Tokens []Hash
	// Accounts that were changed or removed, by ID. Their tokens may have
	// gained or lost reach, or be gone.
	Accounts []int64
	// Sources: some server, provider, connection or share changed.
	Sources bool
	// PINs that were made or linked, by ID.
	PINs []int64
}

func (c *Change) add(o Change) {
	c.All = c.All || o.All
	c.Tokens = append(c.Tokens, o.Tokens...)
	c.Accounts = append(c.Accounts, o.Accounts...)
	c.Sources = c.Sources || o.Sources
	c.PINs = append(c.PINs, o.PINs...)
}

func (c *Change) empty() bool {
	return !c.All && !c.Sources && len(c.Tokens) == 0 && len(c.Accounts) == 0 && len(c.PINs) == 0
}

// watchers are the functions that are told of every change.
type watchers struct {
	mu  sync.RWMutex
	fns []func(Change)
}

// Watch has fn called after each change is on disk and before the call that
// made it returns. fn must be quick and must not call the store.
func (s *Store) Watch(fn func(Change)) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.fns = append(s.watch.fns, fn)
}

func (w *watchers) announce(c Change) {
	if c.empty() {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, fn := range w.fns {
		fn(c)
	}
}
