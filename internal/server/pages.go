package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// pages keeps what is asked for most as encoded as it can be: only the token
// in it differs from answer to answer.
type pages struct {
	accounts *store.Copies[int64, *wire.AccountPage]
	sources  *store.Copies[source.Ref, sourcePage]
}

// sourcePage is a source's page, and which source it is.
type sourcePage struct {
	id   int64
	page *wire.SourcePage
}

// The most that is kept: an account's page is about six kilobytes, a source's
// about two.
const (
	maxAccountPages = 4096
	maxSourcePages  = 1024
)

func newPages(s *store.Store) pages {
	accounts := func(c store.Change) ([]int64, bool) { return c.Accounts, c.All }
	sources := func(c store.Change) ([]source.Ref, bool) { return nil, c.All || c.Sources }
	return pages{
		store.NewCopies[int64, *wire.AccountPage](s, maxAccountPages, accounts),
		store.NewCopies[source.Ref, sourcePage](s, maxSourcePages, sources),
	}
}

// accountPage returns the page of an account.
func (s *Server) accountPage(ctx context.Context, id int64) (*wire.AccountPage, error) {
	return s.pages.accounts.Get(id, func() (*wire.AccountPage, error) {
		a, err := s.account(ctx, id)
		if err != nil {
			return nil, err
		}
		return wire.NewAccount(person(a)).Page()
	})
}

// account returns the account of a token that was good a moment ago. When it has
// gone since, so has the token: token.ErrInvalid.
func (s *Server) account(ctx context.Context, id int64) (store.Account, error) {
	a, err := s.store.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", token.ErrInvalid, err)
	}
	return a, err
}

// sourcePage returns the page of a source.
func (s *Server) sourcePage(ctx context.Context, ref source.Ref) (sourcePage, error) {
	return s.pages.sources.Get(ref, func() (sourcePage, error) {
		src, err := s.sources.Find(ctx, ref)
		if err != nil {
			return sourcePage{}, err
		}
		page, err := wire.SourceDevice{
			Name: src.Name, ClientIdentifier: src.Identifier, Connection: connections(src),
		}.Page()
		return sourcePage{src.ID, page}, err
	})
}
