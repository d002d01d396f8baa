package server

import (
	"context"

	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/wire"
)

// accountPages keeps account objects encoded, so that token details cost a
// copy.
type accountPages struct {
	store *store.Store
	pages *store.Copies[int64, *wire.AccountPage]
}

// maxPages bounds the memory: a page is about six kilobytes.
const maxPages = 4096

func newAccountPages(s *store.Store) *accountPages {
	stale := func(c store.Change) ([]int64, bool) { return c.Accounts, c.All }
	return &accountPages{s, store.NewCopies[int64, *wire.AccountPage](s, maxPages, stale)}
}

// of returns the page of an account.
func (p *accountPages) of(ctx context.Context, id int64) (*wire.AccountPage, error) {
	return p.pages.Get(id, func() (*wire.AccountPage, error) {
		a, err := p.store.Account(ctx, id)
		if err != nil {
			return nil, err
		}
		return wire.NewAccount(person(a)).Page()
	})
}
