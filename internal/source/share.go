package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// Errors of shares that callers tell apart.
var (
	// ErrShared reports that the account can already reach the source.
	ErrShared = fault.New(fault.Exists, "this server is shared with the account already")
	// ErrNotShared reports that there is no such share.
	ErrNotShared = fault.New(fault.NotFound, "this server is not shared with the account")
	// ErrOwner reports that only the owner of a server may do this.
	ErrOwner = fault.New(fault.Denied, "only the owner of the server can do this")
)

// Share is the right of an account to reach a source that it does not own.
type Share struct {
	Number     int64     // identifies it for clients; 0 before it has one
	SourceID   int64     // the shared source
	AccountID  int64     // the account that it is shared with
	Identifier string    // of the source
	SourceName string    // its name
	Username   string    // the account's name
	Chosen     bool      // only the chosen sections are shared, otherwise all
	CreatedAt  time.Time // to the millisecond, UTC
}

// FirstNumber is the lowest number of a share or an invitation. They have one series,
// because an invitation becomes a share. Lower numbers are those of accounts. Clients
// decode them into 32 bits.
const FirstNumber = 1_000_000_000

// ShareRows is the storage of shares. Package store implements it. Every change
// announces the source.
type ShareRows interface {
	// List reads all shares, ordered by the time at which their sources and accounts
	// were added. OfSource reads the shares of a source with accounts whose folded name
	// begins with a text. OfAccount reads the shares with an account.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Share], error)
	OfSource(ctx context.Context, q db.Querier, sourceID int64, prefix string, r paging.Request) (paging.List[Share], error)
	OfAccount(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Share], error)
	// Of returns the share of a source with an account, and Get the one with a number,
	// or db.ErrNotFound.
	Of(ctx context.Context, q db.Querier, sourceID, accountID int64) (Share, error)
	Get(ctx context.Context, q db.Querier, number int64) (Share, error)
	// Taken reports whether a share or an invitation has a number.
	Taken(ctx context.Context, q db.Querier, number int64) (bool, error)
	// Chosen returns the IDs of the chosen sections of a share, in their order.
	Chosen(ctx context.Context, q db.Querier, number int64) ([]int64, error)
	// Insert adds a share without chosen sections. The error is db.ErrConflict if it
	// exists.
	Insert(ctx context.Context, tx *db.Tx, h Share) error
	// SetNumber sets the number of a share that has none. The error is db.ErrNotFound
	// if there is no such share.
	SetNumber(ctx context.Context, tx *db.Tx, h Share) error
	// Choose replaces the chosen sections of a share. The error is db.ErrNotFound if it
	// does not exist.
	Choose(ctx context.Context, tx *db.Tx, h Share, sections []int64) error
	// Delete removes a share. The error is db.ErrNotFound if it does not exist.
	Delete(ctx context.Context, tx *db.Tx, sourceID, accountID int64) error
}

// Choice selects the sections of a server that are shared.
type Choice struct {
	// Some reports that only Sections are shared. Otherwise all sections are, including
	// later ones.
	Some bool
	// Sections are IDs of sections of the server.
	Sections []int64
}

// NewNumber returns a number that no share and no invitation has, in a transaction.
func (s *Service) NewNumber(ctx context.Context, q db.Querier) (int64, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(s.cfg.Random, b[:]); err != nil {
			return 0, fmt.Errorf("numbering a share: %w", err)
		}
		n := FirstNumber + int64(binary.BigEndian.Uint32(b[:]))%FirstNumber
		if taken, err := s.cfg.Shares.Taken(ctx, q, n); err != nil || !taken {
			return n, err
		}
	}
}

// Share shares a source with an account, with all sections. Errors: ErrShared,
// ErrNotFound, account.ErrNotFound.
func (s *Service) Share(ctx context.Context, by audit.Actor, src Source, accountID int64) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := s.ShareIn(ctx, tx, by, Share{SourceID: src.ID, AccountID: accountID}, Choice{})
		return err
	})
	return db.Wrap("sharing a source", err)
}

// ShareIn shares a source with an account, in an open transaction. A share without a
// number gets one. Errors: ErrShared, ErrNotFound, ErrNoSection, account.ErrNotFound.
func (s *Service) ShareIn(ctx context.Context, tx *db.Tx, by audit.Actor, h Share, c Choice) (Share, error) {
	src, err := s.cfg.Rows.Candidate(ctx, tx, h.SourceID, h.AccountID)
	if err != nil {
		return h, named("sharing a source", err) // the source may have been removed meanwhile
	}
	a, err := s.cfg.Accounts.GetIn(ctx, tx, h.AccountID)
	if err == nil {
		err = account.CheckMayChange(by, a)
	}
	if err != nil {
		return h, err
	}
	if src.Shared {
		return h, ErrShared
	}
	if err := s.CheckChoice(ctx, tx, h.SourceID, c); err != nil {
		return h, err
	}
	if h.Number == 0 {
		if h.Number, err = s.NewNumber(ctx, tx); err != nil {
			return h, err
		}
	}
	h.Identifier, h.SourceName, h.Username, h.Chosen, h.CreatedAt = src.Identifier, src.Name, a.Username, c.Some, tx.Now()
	if err := s.cfg.Shares.Insert(ctx, tx, h); err != nil {
		return h, err
	}
	if c.Some {
		if err := s.cfg.Shares.Choose(ctx, tx, h, c.Sections); err != nil {
			return h, err
		}
	}
	return h, s.cfg.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.ShareAdded, AccountID: h.AccountID, Detail: src.Name + c.String(),
	})
}

// String returns the number of chosen sections, as the end of a sentence.
func (c Choice) String() string {
	if !c.Some {
		return ""
	}
	if n := len(c.ids()); n != 1 {
		return fmt.Sprintf(", %d sections", n)
	}
	return ", one section"
}

// ids returns the IDs of the chosen sections in order, without duplicates.
func (c Choice) ids() []int64 { return slices.Compact(slices.Sorted(slices.Values(c.Sections))) }

// Same reports whether another choice selects the same sections.
func (c Choice) Same(other Choice) bool {
	return c.Some == other.Some && (!c.Some || slices.Equal(c.ids(), other.ids()))
}

// CheckChoice checks that the chosen sections belong to the server, in a transaction.
// Errors: ErrNoSection.
func (s *Service) CheckChoice(ctx context.Context, q db.Querier, sourceID int64, c Choice) error {
	if !c.Some || len(c.Sections) == 0 {
		return nil
	}
	have, err := s.cfg.Sections.List(ctx, q, sourceID)
	if err != nil {
		return err
	}
	for _, id := range c.Sections {
		if !slices.ContainsFunc(have, func(sec Section) bool { return sec.ID == id }) {
			return ErrNoSection
		}
	}
	return nil
}

// Choose replaces the sections of a share, as its owner. If they are the same, nothing
// changes. Errors: ErrNotShared, ErrNoSection.
func (s *Service) Choose(ctx context.Context, by audit.Actor, ownerID, number int64, c Choice) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err := s.shareOf(ctx, tx, ownerID, number)
		if err != nil {
			return err
		}
		if err := s.CheckChoice(ctx, tx, h.SourceID, c); err != nil {
			return err
		}
		before, err := s.cfg.Shares.Chosen(ctx, tx, number)
		if err != nil || c.Same(Choice{h.Chosen, before}) {
			return err
		}
		h.Chosen = c.Some
		if err := s.cfg.Shares.Choose(ctx, tx, h, c.Sections); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.ShareChanged, AccountID: h.AccountID, Detail: h.SourceName + c.String(),
		})
	})
}

// shareOf returns a share of a server that an account owns. Errors: ErrNotShared.
func (s *Service) shareOf(ctx context.Context, q db.Querier, ownerID, number int64) (Share, error) {
	h, err := s.cfg.Shares.Get(ctx, q, number)
	if err == nil {
		_, err = s.OwnedIn(ctx, q, ownerID, h.SourceID)
	}
	if errors.Is(err, db.ErrNotFound) || errors.Is(err, ErrOwner) || errors.Is(err, ErrNotFound) {
		return Share{}, fmt.Errorf("%w (%w)", ErrNotShared, err)
	}
	return h, err
}

// OwnedIn returns a server that an account owns, in a transaction. The error is
// ErrOwner if the account can reach the server but does not own it, and ErrNotFound if
// it cannot reach it.
func (s *Service) OwnedIn(ctx context.Context, q db.Querier, accountID, serverID int64) (Source, error) {
	a, err := s.cfg.Accounts.Active(ctx, q, accountID)
	if errors.Is(err, account.ErrNotFound) {
		return Source{}, ErrNotFound
	}
	if err != nil {
		return Source{}, err
	}
	c, err := s.cfg.Rows.Candidate(ctx, q, serverID, accountID)
	switch {
	case err != nil:
		return Source{}, named("finding a server", err)
	case c.OwnedBy(a.ID, a.Admin):
		return c.Source, nil
	case c.ReachedBy(a, c.Shared):
		return Source{}, ErrOwner
	}
	return Source{}, ErrNotFound
}

// Unshare removes a share and revokes the tokens that depend on it. Errors:
// ErrNotShared.
func (s *Service) Unshare(ctx context.Context, by audit.Actor, src Source, accountID int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.UnshareIn(ctx, tx, by, Share{SourceID: src.ID, SourceName: src.Name, AccountID: accountID})
	})
}

// UnshareIn is Unshare in an open transaction. Errors: ErrNotShared.
func (s *Service) UnshareIn(ctx context.Context, tx *db.Tx, by audit.Actor, h Share) error {
	if err := s.cfg.Accounts.CheckMayChangeID(ctx, tx, by, h.AccountID); err != nil {
		return err
	}
	revoked, err := s.cfg.Tokens.RevokeServer(ctx, tx, h.SourceID, h.AccountID)
	if err != nil {
		return err
	}
	if err := s.cfg.Shares.Delete(ctx, tx, h.SourceID, h.AccountID); errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotShared, err)
	} else if err != nil {
		return err
	}
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.ShareRemoved, AccountID: h.AccountID, Detail: h.SourceName + token.AndTokens(revoked),
	})
}

// CheckNotShared checks that a server is not shared with an account, in a transaction.
// Errors: ErrShared, ErrNotFound.
func (s *Service) CheckNotShared(ctx context.Context, q db.Querier, serverID, accountID int64) error {
	c, err := s.cfg.Rows.Candidate(ctx, q, serverID, accountID)
	if err == nil && c.Shared {
		return ErrShared
	}
	return named("finding a server", err)
}

// UnshareAllIn removes the shares of an account's servers with another account, in an
// open transaction.
func (s *Service) UnshareAllIn(ctx context.Context, tx *db.Tx, by audit.Actor, ownerID, accountID int64) error {
	for r := (paging.Request{}); ; {
		list, err := s.cfg.Shares.OfAccount(ctx, tx, accountID, r)
		if err != nil {
			return err
		}
		for _, h := range list.Rows {
			switch _, err := s.OwnedIn(ctx, tx, ownerID, h.SourceID); {
			case errors.Is(err, ErrOwner), errors.Is(err, ErrNotFound):
				continue
			case err != nil:
				return err
			}
			if err := s.UnshareIn(ctx, tx, by, h); err != nil {
				return err
			}
		}
		if r.After = list.Next; r.After == "" {
			return nil
		}
	}
}

// EndShare removes a share by number, as the owner of the server or as the account that
// it is shared with. Errors: ErrNotShared.
func (s *Service) EndShare(ctx context.Context, by audit.Actor, as, number int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err := s.cfg.Shares.Get(ctx, tx, number)
		if err != nil || h.AccountID != as {
			h, err = s.shareOf(ctx, tx, as, number)
		}
		if err != nil {
			return err
		}
		return s.UnshareIn(ctx, tx, by, h)
	})
}

// Shared is a share with the sections that are shared.
type Shared struct {
	Share
	Sections []Section // by number
}

// SharesBy returns the shares of the servers that an account owns, by server, up to
// MaxShares.
func (s *Service) SharesBy(ctx context.Context, ownerID int64) ([]Shared, error) {
	servers, err := s.Servers(ctx, ownerID)
	if err != nil {
		return nil, err
	}
	a, err := s.cfg.Accounts.Active(ctx, s.cfg.DB, ownerID)
	if err != nil {
		return nil, err
	}
	var list []Shared
	for _, src := range servers {
		if !src.OwnedBy(a.ID, a.Admin) {
			continue
		}
		of, err := s.sharesOf(ctx, src.ID, MaxShares-len(list))
		if err != nil {
			return nil, err
		}
		if list = append(list, of...); len(list) >= MaxShares {
			break
		}
	}
	return list, nil
}

// MaxShares is the maximum number of shares in a listing for clients.
const MaxShares = 1000

// SharesOfServer returns the shares of a server, up to MaxShares.
func (s *Service) SharesOfServer(ctx context.Context, serverID int64) ([]Shared, error) {
	return s.sharesOf(ctx, serverID, MaxShares)
}

// sharesOf returns the shares of a server with their sections.
func (s *Service) sharesOf(ctx context.Context, serverID int64, limit int) ([]Shared, error) {
	shares, err := paging.Rows(s.SharesOf(ctx, serverID, paging.Request{Limit: limit}))
	if err != nil || len(shares) == 0 {
		return nil, err
	}
	return s.withSections(ctx, shares)
}

// SharesTo returns the shares with an account, up to MaxShares.
func (s *Service) SharesTo(ctx context.Context, accountID int64) ([]Shared, error) {
	shares, err := paging.Rows(s.SharesWith(ctx, accountID, paging.Request{Limit: MaxShares}))
	if err != nil {
		return nil, err
	}
	return s.withSections(ctx, shares)
}

// withSections adds the sections to shares, and gives numbers to shares that have none.
func (s *Service) withSections(ctx context.Context, shares []Share) ([]Shared, error) {
	all := make(map[int64][]Section)
	list := make([]Shared, 0, len(shares))
	for _, h := range shares {
		if h.Number == 0 {
			var err error
			if h, err = s.number(ctx, h); errors.Is(err, db.ErrNotFound) {
				continue // removed meanwhile
			} else if err != nil {
				return nil, err
			}
		}
		if _, read := all[h.SourceID]; !read {
			sections, err := s.Sections(ctx, h.SourceID)
			if err != nil {
				return nil, err
			}
			all[h.SourceID] = sections
		}
		shared := Shared{h, all[h.SourceID]}
		if h.Chosen {
			chosen, err := s.cfg.Shares.Chosen(ctx, s.cfg.DB, h.Number)
			if err != nil {
				return nil, err
			}
			shared.Sections = Pick(all[h.SourceID], chosen)
		}
		list = append(list, shared)
	}
	return list, nil
}

// Pick returns the sections with some IDs.
func Pick(sections []Section, ids []int64) (picked []Section) {
	for _, sec := range sections {
		if slices.Contains(ids, sec.ID) {
			picked = append(picked, sec)
		}
	}
	return picked
}

// number gives a share its number. Shares that the previous release added have none.
func (s *Service) number(ctx context.Context, h Share) (Share, error) {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if h, err = s.cfg.Shares.Of(ctx, tx, h.SourceID, h.AccountID); err != nil || h.Number != 0 {
			return err
		}
		if h.Number, err = s.NewNumber(ctx, tx); err != nil {
			return err
		}
		return s.cfg.Shares.SetNumber(ctx, tx, h)
	})
	return h, err
}

// ByID returns a source by ID, without its connections. Errors: ErrNotFound.
func (s *Service) ByID(ctx context.Context, q db.Querier, id int64) (Source, error) {
	c, err := s.cfg.Rows.Candidate(ctx, q, id, 0)
	if err == nil && id == s.self.ID {
		return s.self, nil
	}
	return c.Source, named("finding a source", err)
}

// OwnServer returns a server that an account owns, by identifier. Errors: ErrOwner,
// ErrNotFound.
func (s *Service) OwnServer(ctx context.Context, accountID int64, identifier string) (Source, error) {
	src, err := s.Find(ctx, Ref{Kind: Server, Identifier: identifier})
	if err == nil {
		_, err = s.OwnedIn(ctx, s.cfg.DB, accountID, src.ID)
	}
	return src, err
}

// ReachedServer returns a server that an account can reach, by identifier, with the
// sections that the account can see. Errors: ErrNotFound.
func (s *Service) ReachedServer(ctx context.Context, accountID int64, identifier string) (Source, []Section, error) {
	src, err := s.Find(ctx, Ref{Kind: Server, Identifier: identifier})
	if err != nil {
		return Source{}, nil, err
	}
	sections, err := s.Sections(ctx, src.ID)
	if err != nil {
		return Source{}, nil, err
	}
	switch _, err := s.OwnedIn(ctx, s.cfg.DB, accountID, src.ID); {
	case err == nil:
		return src, sections, nil
	case !errors.Is(err, ErrOwner):
		return Source{}, nil, err
	}
	h, err := s.cfg.Shares.Of(ctx, s.cfg.DB, src.ID, accountID)
	if errors.Is(err, db.ErrNotFound) && src.Everyone || err == nil && !h.Chosen {
		return src, sections, nil
	}
	if err != nil {
		return Source{}, nil, named("finding a server", err)
	}
	chosen, err := s.cfg.Shares.Chosen(ctx, s.cfg.DB, h.Number)
	return src, Pick(sections, chosen), err
}

// Shares reads all shares, ordered by the time at which their servers and accounts were
// added.
func (s *Service) Shares(ctx context.Context, r paging.Request) (paging.List[Share], error) {
	list, err := s.cfg.Shares.List(ctx, s.cfg.DB, r)
	return list, named("listing shares", err)
}

// SharesOf reads the shares of a server.
func (s *Service) SharesOf(ctx context.Context, serverID int64, r paging.Request) (paging.List[Share], error) {
	return s.SearchShares(ctx, serverID, "", r)
}

// SearchShares reads the shares of a server with accounts whose name begins with a text. A
// part can be short, or empty, and have a next one.
func (s *Service) SearchShares(
	ctx context.Context, serverID int64, prefix string, r paging.Request,
) (paging.List[Share], error) {
	list, err := s.cfg.Shares.OfSource(ctx, s.cfg.DB, serverID, account.SearchKey(prefix), r)
	return list, named("listing the shares of a server", err)
}

// SharesWith reads the shares with an account.
func (s *Service) SharesWith(ctx context.Context, accountID int64, r paging.Request) (paging.List[Share], error) {
	list, err := s.cfg.Shares.OfAccount(ctx, s.cfg.DB, accountID, r)
	return list, named("listing the shares with an account", err)
}
