// Package source is what can be reached: servers and providers, the
// connections they have and whom they are shared with.
//
// It owns the reading of source strings ("server://ID") and of connection URIs,
// who owns or may reach what, and this server itself as one of the sources. It
// does not own tokens, nor how a source is written in an answer.
package source

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// Topic is announced for every source that is added or removed, or whose shares
// change. The key is its ID.
const Topic db.Topic = "source"

// Errors that callers tell apart.
var (
	// ErrNotFound says that there is no such source.
	ErrNotFound = fault.New(fault.NotFound, "this source is not known here")
	// ErrExists says that there is a source with the identifier already.
	ErrExists = fault.New(fault.Exists, "a source with this identifier exists already")
	// ErrSelf says that the source is this server, which cannot be removed.
	ErrSelf = fault.New(fault.Conflict, "this server is usher itself: it cannot be removed")
	// ErrReach reports that an account does not reach a server, perhaps since a
	// moment ago.
	ErrReach = fault.New(fault.Denied, "the account does not reach this server")
)

// Source is a server or provider with the ways to reach it.
type Source struct {
	ID         int64  // 0 before it is stored
	Kind       Kind   // server or provider
	Identifier string // as clients send it
	Name       string // the display name
	// Its software and machine, for clients; see platform.go. Empty: not known.
	Product, ProductVersion   string
	Platform, PlatformVersion string // the operating system
	Device                    string // the kind of machine
	// OwnerID is the owner's account; 0: every admin owns it.
	OwnerID int64
	// OwnerName is the owner's title. It is read only.
	OwnerName string
	// Everyone says that it is shared with every account.
	Everyone    bool
	Connections []Connection // in order of preference
	CreatedAt   time.Time    // to the millisecond, UTC
}

// OwnedBy reports whether an account owns the source.
func (s Source) OwnedBy(accountID int64, admin bool) bool {
	return s.OwnerID == accountID || s.OwnerID == 0 && admin
}

// ReachedBy reports whether an account reaches the source: it owns it, or the
// source is shared with it or with everyone.
func (s Source) ReachedBy(a account.Account, shared bool) bool {
	return shared || s.Everyone || s.OwnedBy(a.ID, a.Admin)
}

// Candidate is a source that an account may reach, and whether it is shared with
// the account.
type Candidate struct {
	Source
	Shared bool
}

// Counts is how many sources and shares there are.
type Counts struct{ Servers, Providers, Shares int }

// Rows is what a Service needs stored. Package store implements it. Of
// connections it stores the URI, Local and Relay.
type Rows interface {
	// Get returns a source: db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, kind Kind, identifier string) (Source, error)
	// List reads the sources of a kind by name: those in whose name, product or
	// identifier a text occurs. Empty: all of them.
	List(ctx context.Context, q db.Querier, kind Kind, text string, r paging.Request) (paging.List[Source], error)
	// Owned reads the sources of a kind that an account owns, without their
	// connections, in the order in which they were added.
	Owned(ctx context.Context, q db.Querier, kind Kind, ownerID int64, r paging.Request) (paging.List[Source], error)
	// Candidates reads the sources of a kind that are shared with everyone or with
	// an account, that it owns, or that have no owner, in the order in which they
	// were added: the next ones after a source, as many as limit says.
	Candidates(ctx context.Context, q db.Querier, kind Kind, accountID, after int64, limit int) ([]Candidate, error)
	// Candidate returns a source, and whether it is shared with an account:
	// db.ErrNotFound.
	Candidate(ctx context.Context, q db.Querier, id, accountID int64) (Candidate, error)
	// Count counts the sources and shares, as far as paging.Counted.
	Count(ctx context.Context, q db.Querier) (Counts, error)
	// Insert adds a source and returns its ID: db.ErrConflict if its kind and
	// identifier are taken.
	Insert(ctx context.Context, tx *db.Tx, s Source) (id int64, err error)
	// Delete removes a source with its shares.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
}

// Settings stores what this server says of itself. Package store implements it.
type Settings interface {
	// FindOrCreate returns a setting, and creates it if it does not exist.
	FindOrCreate(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error)
}

// Config is what a Service stands on. All of it is required.
type Config struct {
	// DB is the database; Rows, Shares, Sections and Settings are its tables.
	DB       *db.DB
	Rows     Rows
	Shares   ShareRows
	Sections SectionRows
	Settings Settings
	// Accounts own sources and are shared them.
	Accounts *account.Service
	// Tokens are issued for servers, and revoked with them.
	Tokens *token.Service
	// Audit is the log of what happens to sources.
	Audit *audit.Log
	// Random gives the numbers of shares. Nil: crypto/rand.Reader.
	Random io.Reader
}

// Self is this server as its clients see it.
type Self struct {
	// Name is the friendly name. Empty, or nothing that people see: DefaultName.
	Name string
	// MachineIdentifier identifies it. Empty: one is generated at the first
	// start and stored.
	MachineIdentifier string
	// Connections are the ways in which clients reach it.
	Connections []Connection
}

// DefaultName is what a server is called that has no name of its own.
const DefaultName = "usher"

// Service keeps sources. It is safe for concurrent use.
type Service struct {
	cfg  Config
	self Source
}

// New returns a Service without this server itself, which is what the command
// line needs.
func New(cfg Config) *Service {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	return &Service{cfg: cfg}
}

// NewWithSelf returns a Service in which this server is a source too: owned by
// the admins and shared with everyone.
func NewWithSelf(ctx context.Context, by audit.Actor, cfg Config, self Self) (*Service, error) {
	s := New(cfg)
	id := []byte(self.MachineIdentifier)
	if len(id) == 0 {
		var err error
		if id, err = cfg.Settings.FindOrCreate(ctx, "machine identifier", newMachineIdentifier); err != nil {
			return nil, err
		}
	}
	if err := checkIdentifier(string(id)); err != nil {
		return nil, fault.Invalidf(identifierField, "the machine identifier %v", err)
	}
	if self.Name = shown(self.Name); self.Name == "" {
		self.Name = DefaultName
	}
	src, err := cfg.Rows.Get(ctx, cfg.DB, Server, string(id))
	if errors.Is(err, db.ErrNotFound) {
		src, err = s.insert(ctx, by, describe(Source{
			Kind: Server, Identifier: string(id), Name: self.Name, Everyone: true,
		}))
	}
	if err != nil {
		return nil, fmt.Errorf("adding this server to the sources: %w", err)
	}
	src.Name, src.Connections = self.Name, self.Connections
	s.self, err = parsed(describe(src))
	return s, err
}

// newMachineIdentifier generates 40 hexadecimal digits, as media servers do.
func newMachineIdentifier() ([]byte, error) {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return []byte(hex.EncodeToString(b[:])), nil
}

// parsed returns a source as clients get it: with every text, and its
// connections read from their URIs.
func parsed(src Source) (Source, error) {
	connections := make([]Connection, 0, len(src.Connections))
	for _, c := range src.Connections {
		c, err := ParseConnection(c.URI, c.Local, c.Relay)
		if err != nil {
			// Not wrapped: the caller did not send what is stored, so the error
			// is not of kind Invalid, and its text is not for the caller.
			return Source{}, fmt.Errorf("reading a connection of %s: %v", src.Identifier, err)
		}
		connections = append(connections, c)
	}
	src.Connections = connections
	return complete(src), nil
}

// Self returns this server as a source.
func (s *Service) Self() Source { return s.self }

// current returns a source as it is now: this server knows its own name and
// connections better than the database.
func (s *Service) current(src Source) (Source, error) {
	if src.ID == s.self.ID {
		return s.self, nil
	}
	return parsed(src)
}

// Find returns the source that a string names. The providers of a server are
// reached as the server is. ErrNotFound.
func (s *Service) Find(ctx context.Context, r Ref) (Source, error) {
	src, err := s.cfg.Rows.Get(ctx, s.cfg.DB, r.Kind, r.Identifier)
	if err != nil {
		return Source{}, named("finding a source", err)
	}
	return s.current(src)
}

// MaxServers is how many servers of an account a listing has at most.
const MaxServers = 1000

// Servers returns the servers that an account reaches, in the order in which they
// were added, as far as MaxServers.
func (s *Service) Servers(ctx context.Context, accountID int64) ([]Source, error) {
	a, err := s.cfg.Accounts.Active(ctx, s.cfg.DB, accountID)
	if err != nil {
		return nil, err
	}
	list := make([]Source, 0)
	for c, err := range s.candidates(ctx, s.cfg.DB, accountID) {
		if err != nil {
			return nil, err
		}
		if !c.ReachedBy(a, c.Shared) {
			continue
		}
		if len(list) == MaxServers {
			break
		}
		src, err := s.current(c.Source)
		if err != nil {
			return nil, err
		}
		list = append(list, src)
	}
	return list, nil
}

// candidates yields the servers that an account may reach.
func (s *Service) candidates(ctx context.Context, q db.Querier, accountID int64) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		for last := int64(0); ; {
			list, err := s.cfg.Rows.Candidates(ctx, q, Server, accountID, last, paging.DefaultLimit)
			if err != nil {
				yield(Candidate{}, named("listing servers", err))
				return
			}
			for _, c := range list {
				last = c.ID
				if !yield(c, nil) {
					return
				}
			}
			if len(list) < paging.DefaultLimit {
				return
			}
		}
	}
}

// Token returns the token with which a principal's device reaches a server: the
// same one at every call. The principal must act for its account. ErrReach,
// token.ErrInvalid.
func (s *Service) Token(
	ctx context.Context, by audit.Actor, p token.Principal, serverID int64,
) (plexauth.Secret, error) {
	return s.cfg.Tokens.ServerToken(ctx, by, p, serverID, func(ctx context.Context, q db.Querier) (string, error) {
		a, err := s.cfg.Accounts.Active(ctx, q, p.AccountID)
		if errors.Is(err, account.ErrNotFound) {
			return "", token.ErrInvalid
		}
		if err != nil {
			return "", err
		}
		c, err := s.cfg.Rows.Candidate(ctx, q, serverID, p.AccountID)
		if errors.Is(err, db.ErrNotFound) || err == nil && !c.ReachedBy(a, c.Shared) {
			return "", ErrReach
		}
		return c.Name, err
	})
}

// List reads the sources of a kind by name, as they are stored.
func (s *Service) List(ctx context.Context, kind Kind, r paging.Request) (paging.List[Source], error) {
	return s.Search(ctx, kind, "", r)
}

// Search is List of the sources in whose name, product or identifier a text occurs. The
// letters A to Z match in both cases.
func (s *Service) Search(ctx context.Context, kind Kind, text string, r paging.Request) (paging.List[Source], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, kind, text, r)
	return list, named("listing sources", err)
}

// Get returns the source of a kind with an ID. ErrNotFound.
func (s *Service) Get(ctx context.Context, kind Kind, id int64) (Source, error) {
	src, err := s.ByID(ctx, s.cfg.DB, id)
	if err == nil && src.Kind != kind {
		err = ErrNotFound
	}
	if err != nil {
		return Source{}, err
	}
	return s.Find(ctx, Ref{Kind: kind, Identifier: src.Identifier})
}

// All yields the sources of a kind by name, as List reads them.
func (s *Service) All(ctx context.Context, kind Kind) iter.Seq2[Source, error] {
	return paging.All(paging.DefaultLimit, func(r paging.Request) (paging.List[Source], error) { return s.List(ctx, kind, r) })
}

// Owned reads the servers that an account owns, without their connections, in the
// order in which they were added.
func (s *Service) Owned(ctx context.Context, accountID int64, r paging.Request) (paging.List[Source], error) {
	list, err := s.cfg.Rows.Owned(ctx, s.cfg.DB, Server, accountID, r)
	return list, named("listing the servers of an account", err)
}

// Count counts the sources and shares, as far as paging.Counted.
func (s *Service) Count(ctx context.Context) (Counts, error) {
	c, err := s.cfg.Rows.Count(ctx, s.cfg.DB)
	return c, named("counting sources", err)
}

// Add adds a source. fault.Invalid, ErrExists.
func (s *Service) Add(ctx context.Context, by audit.Actor, src Source) (Source, error) {
	if !strings.ContainsFunc(src.Name, unicode.IsControl) {
		src.Name = shown(src.Name)
	}
	if err := src.Check(); err != nil {
		return src, err
	}
	return s.insert(ctx, by, src)
}

// Check says what is wrong with each field of a new source. fault.Invalid.
func (s Source) Check() error {
	err := s.checkIdentifier()
	if shown(s.Name) == "" || strings.ContainsFunc(s.Name, unicode.IsControl) || !utf8.ValidString(s.Name) {
		err = fault.Join(err, fault.Invalidf(nameField, "the name is empty or has a control character in it"))
	}
	err = fault.Join(err, checkTexts(s))
	if len(s.Connections) == 0 {
		err = fault.Join(err, fault.Invalidf(connectionsField, "it has no connection"))
	}
	for _, c := range s.Connections {
		if _, wrong := ParseConnection(c.URI, c.Local, c.Relay); wrong != nil {
			return fault.Join(err, wrong)
		}
	}
	return err
}

func (s Source) checkIdentifier() error {
	if err := checkIdentifier(s.Identifier); err != nil {
		return fault.Invalidf(identifierField, "the identifier %v", err)
	}
	// It was copied from an example, or from where it did not fit.
	if strings.Contains(s.Identifier, "…") || strings.Contains(s.Identifier, "..") {
		return fault.Invalidf(identifierField, "the identifier is shortened: it has … in it")
	}
	if s.Identifier == "ID" || strings.ContainsAny(s.Identifier, "<>") {
		return fault.Invalidf(identifierField, "the identifier stands for another one in an example")
	}
	return nil
}

// events are the events of each kind of source.
var events = map[Kind]struct{ added, removed audit.Kind }{
	Server:   {audit.ServerAdded, audit.ServerRemoved},
	Provider: {audit.ProviderAdded, audit.ProviderRemoved},
}

func (s *Service) insert(ctx context.Context, by audit.Actor, src Source) (Source, error) {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		src.CreatedAt = tx.Now()
		if src.ID, err = s.cfg.Rows.Insert(ctx, tx, src); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: events[src.Kind].added, Detail: src.Name})
	})
	return src, named("adding a source", err)
}

// Remove removes a source with its shares and the tokens for it. This server
// itself stays: for as long as it runs or, without itself, always. ErrSelf,
// ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, r Ref) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		src, err := s.cfg.Rows.Get(ctx, tx, r.Kind, r.Identifier)
		if err != nil {
			return err
		}
		// Add accepts no source without a connection: a server has added this
		// one for itself, and whether it runs now is not known here.
		if src.ID == s.self.ID || s.self.ID == 0 && len(src.Connections) == 0 {
			return ErrSelf
		}
		revoked, err := s.cfg.Tokens.RevokeServer(ctx, tx, src.ID, 0)
		if err != nil {
			return err
		}
		if err := s.cfg.Rows.Delete(ctx, tx, src.ID); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
			Kind: events[src.Kind].removed, Detail: src.Name + token.AndTokens(revoked),
		})
	})
	return named("removing a source", err)
}

// RevokeUnreached implements account.Reach.
func (s *Service) RevokeUnreached(ctx context.Context, tx *db.Tx, a account.Account) (revoked int, err error) {
	for c, err := range s.candidates(ctx, tx, a.ID) { // every server of the admins is one
		if err != nil {
			return revoked, err
		}
		if c.ReachedBy(a, c.Shared) {
			continue
		}
		n, err := s.cfg.Tokens.RevokeServer(ctx, tx, c.ID, a.ID)
		if err != nil {
			return revoked, err
		}
		revoked += n
	}
	return revoked, nil
}

// named says what was being done, and gives the database's errors this
// package's names.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, db.ErrConflict):
		return fmt.Errorf("%w (%w)", ErrExists, err)
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
