package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// Limits of the caches. An account takes about two kilobytes for each shape in which it
// was sent, and a source about two kilobytes.
const (
	maxAccountPages = 4096
	maxSourcePages  = 1024
)

// accountCache caches accounts in encoded form: only the token and the URL of the
// picture differ between responses.
type accountCache struct {
	accounts *account.Service
	homes    *home.Service
	pages    *db.Cache[int64, accountPage]
}

// accountPage is an account in encoded form, and the path of its picture.
type accountPage struct {
	picture string
	page    *wire.AccountPage
}

func newAccountCache(d *db.DB, accounts *account.Service, homes *home.Service) *accountCache {
	stale := func(c db.Change) (int64, db.Scope) {
		if c.Topic == account.Topic {
			return c.ID(), db.Entry
		}
		return 0, db.Nothing
	}
	return &accountCache{accounts, homes, db.NewCache[int64, accountPage](d, maxAccountPages, stale)}
}

// page returns an account in encoded form.
func (a *accountCache) page(ctx context.Context, id int64) (accountPage, error) {
	return a.pages.Get(id, func() (accountPage, error) {
		found, facts, err := a.homes.ProfileAndFacts(ctx, id)
		if err != nil {
			return accountPage{}, asInvalid(err)
		}
		return encoded(found, facts), nil
	})
}

// fresh encodes an account that was just read.
func (a *accountCache) fresh(ctx context.Context, found account.Account) (accountPage, error) {
	facts, err := a.homes.Facts(ctx, found)
	if err != nil {
		return accountPage{}, err
	}
	return encoded(found.Profile(), facts), nil
}

func encoded(a account.Profile, facts home.Facts) accountPage {
	return accountPage{picturePath(a), wire.NewAccount(person(a, facts)).Page()}
}

// legacy returns an account in version 1, with a token.
func (a *accountCache) legacy(
	ctx context.Context, c *call, avatars avatarHandlers, found account.Account, tok plexauth.Secret,
) (wire.Body, error) {
	facts, err := a.homes.Facts(ctx, found)
	profile := found.Profile()
	return wire.LegacyAccount{
		Person: person(profile, facts), Token: tok, Thumb: avatars.base(c.http) + picturePath(profile),
	}, err
}

// account returns the account of a token that has just been verified. If the account
// has been removed since, the error is token.ErrInvalid.
func (a *accountCache) account(ctx context.Context, id int64) (account.Account, error) {
	found, err := a.accounts.Get(ctx, id)
	return found, asInvalid(err)
}

// asInvalid turns the error that there is no such account into that of an invalid token.
func asInvalid(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("%w (%w)", token.ErrInvalid, err)
	}
	return err
}

// sourceCache caches sources in encoded form.
type sourceCache struct {
	sources *source.Service
	pages   *db.Cache[source.Ref, sourcePage]
}

// sourcePage is a source in encoded form, with its identity.
type sourcePage struct {
	id   int64
	page *wire.SourcePage
}

func newSourceCache(d *db.DB, sources *source.Service) *sourceCache {
	stale := func(c db.Change) (ref source.Ref, s db.Scope) {
		if c.Topic == source.Topic {
			return ref, db.Everything
		}
		return ref, db.Nothing
	}
	return &sourceCache{sources, db.NewCache[source.Ref, sourcePage](d, maxSourcePages, stale)}
}

// page returns a source in encoded form.
func (s *sourceCache) page(ctx context.Context, ref source.Ref) (sourcePage, error) {
	return s.pages.Get(ref, func() (sourcePage, error) {
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
