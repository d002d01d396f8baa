package server

import (
	"context"
	"sync"

	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/wire"
)

// accountPages keeps account objects encoded, so that token details cost a
// copy. A change of an account drops its page before the change is
// acknowledged; a page that was being made meanwhile is not kept.
type accountPages struct {
	store *store.Store

	mu         sync.RWMutex
	pages      map[int64]*wire.AccountPage
	generation uint64
}

// maxPages bounds the memory: a page is about six kilobytes.
const maxPages = 4096

func newAccountPages(s *store.Store) *accountPages {
	p := &accountPages{store: s, pages: make(map[int64]*wire.AccountPage)}
	s.Watch(p.forget)
	return p
}

// of returns the page of an account.
func (p *accountPages) of(ctx context.Context, id int64) (*wire.AccountPage, error) {
	p.mu.RLock()
	page, generation := p.pages[id], p.generation
	p.mu.RUnlock()
	if page != nil {
		return page, nil
	}
	a, err := p.store.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	if page, err = wire.NewAccount(person(a)).Page(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation == generation {
		if len(p.pages) >= maxPages {
			clear(p.pages)
		}
		p.pages[id] = page
	}
	return page, nil
}

func (p *accountPages) forget(c store.Change) {
	if !c.All && len(c.Accounts) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	if c.All {
		clear(p.pages)
	}
	for _, id := range c.Accounts {
		delete(p.pages, id)
	}
}
