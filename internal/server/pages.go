package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// pages keeps what is asked for most as encoded as it can be: only the token
// in it differs from answer to answer.
type pages struct {
	accounts *db.Cache[int64, *wire.AccountPage]
	sources  *db.Cache[source.Ref, sourcePage]
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

func newPages(d *db.DB) pages {
	return pages{
		db.NewCache[int64, *wire.AccountPage](d, maxAccountPages, func(c db.Change) (int64, db.Scope) {
			if c.Topic == store.AccountTopic {
				return c.ID(), db.Entry
			}
			return 0, db.Nothing
		}),
		db.NewCache[source.Ref, sourcePage](d, maxSourcePages, func(c db.Change) (ref source.Ref, s db.Scope) {
			if c.Topic == store.SourceTopic {
				return ref, db.Everything
			}
			return ref, db.Nothing
		}),
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
	a, err := s.Store.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", token.ErrInvalid, err)
	}
	return a, err
}

// sourcePage returns the page of a source.
func (s *Server) sourcePage(ctx context.Context, ref source.Ref) (sourcePage, error) {
	return s.pages.sources.Get(ref, func() (sourcePage, error) {
		src, err := s.Sources.Find(ctx, ref)
		if err != nil {
			return sourcePage{}, err
		}
		page, err := wire.SourceDevice{
			Name: src.Name, ClientIdentifier: src.Identifier, Connection: connections(src),
		}.Page()
		return sourcePage{src.ID, page}, err
	})
}
