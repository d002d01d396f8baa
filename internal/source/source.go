// Package source manages sources: servers and providers, their connections, and their
// shares.
//
// It owns the parsing of source strings ("server://ID") and of connection URIs, the
// rules about who owns and who can reach a source, and this server itself as a source.
// It does not own tokens, or the wire form of a source.
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

// Errors that callers distinguish.
var (
	// ErrNotFound reports that there is no such source.
	ErrNotFound = fault.New(fault.NotFound, "this source is not known here")
	// ErrExists reports that there is already a source with the identifier.
	ErrExists = fault.New(fault.Exists, "a source with this identifier exists already")
	// ErrSelf reports that the source is this server, which cannot be removed.
	ErrSelf = fault.New(fault.Conflict, "this server is usher itself: it cannot be removed")
	// ErrReach reports that an account cannot reach a server, perhaps since a
	// concurrent change.
	ErrReach = fault.New(fault.Denied, "the account does not reach this server")
)

// Source is a server or a provider with its connections.
type Source struct {
	ID         int64  // 0 before it is stored
	Kind       Kind   // server or provider
	Identifier string // as clients send it
	Name       string // the display name
	// Product to Device describe its software and machine to clients. Unknown ones are
	// empty. See platform.go.
	Product, ProductVersion   string
	Platform, PlatformVersion string // the operating system
	Device                    string // the kind of machine
	// OwnerID is the ID of the owner. If it is 0, every admin owns the source.
	OwnerID int64
	// OwnerName is the owner's title. It is not written.
	OwnerName string
	// Everyone reports whether it is shared with every account.
	Everyone    bool
	Connections []Connection // in order of preference
	CreatedAt   time.Time    // to the millisecond, UTC
}

// OwnedBy reports whether an account owns the source.
func (s Source) OwnedBy(accountID int64, admin bool) bool {
	return s.OwnerID == accountID || s.OwnerID == 0 && admin
}

// ReachedBy reports whether an account can reach the source: the account owns it, or
// the source is shared with the account or with everyone.
func (s Source) ReachedBy(a account.Account, shared bool) bool {
	return shared || s.Everyone || s.OwnedBy(a.ID, a.Admin)
}

// Candidate is a source that an account can perhaps reach, and whether it is shared
// with the account.
type Candidate struct {
	Source
	Shared bool
}

// Counts holds the numbers of sources and shares.
type Counts struct{ Servers, Providers, Shares int }

// Rows is the storage of a Service. Package store implements it. It stores the URI,
// Local and Relay of connections.
type Rows interface {
	// Get returns a source, or db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, kind Kind, identifier string) (Source, error)
	// List reads the sources of a kind, ordered by name, whose name, product or
	// identifier contains a text. If the text is empty, it reads all of them.
	List(ctx context.Context, q db.Querier, kind Kind, text string, r paging.Request) (paging.List[Source], error)
	// Owned reads the sources of a kind that an account owns, without their
	// connections, in the order in which they were added.
	Owned(ctx context.Context, q db.Querier, kind Kind, ownerID int64, r paging.Request) (paging.List[Source], error)
	// Candidates reads the sources of a kind that are shared with everyone or with an
	// account, that it owns, or that have no owner, in the order in which they were
	// added. It returns at most limit sources, those after the source with the ID
	// after.
	Candidates(ctx context.Context, q db.Querier, kind Kind, accountID, after int64, limit int) ([]Candidate, error)
	// Candidate returns a source, and whether it is shared with an account, or
	// db.ErrNotFound.
	Candidate(ctx context.Context, q db.Querier, id, accountID int64) (Candidate, error)
	// Count counts the sources and shares, as far as paging.Counted.
	Count(ctx context.Context, q db.Querier) (Counts, error)
	// Insert adds a source and returns its ID. The error is db.ErrConflict if its kind
	// and identifier are taken.
	Insert(ctx context.Context, tx *db.Tx, s Source) (id int64, err error)
	// Delete removes a source with its shares.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
}

// Settings stores the identity of this server. Package store implements it.
type Settings interface {
	// FindOrCreate returns a setting, and creates it if it does not exist.
	FindOrCreate(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error)
}

// Config configures a Service. All fields are required.
type Config struct {
	// DB is the database. Rows, Shares, Sections and Settings are its tables.
	DB       *db.DB
	Rows     Rows
	Shares   ShareRows
	Sections SectionRows
	Settings Settings
	// Accounts manages the accounts that own sources and that sources are shared with.
	Accounts *account.Service
	// Tokens are issued for servers, and revoked with them.
	Tokens *token.Service
	// Audit is the audit log.
	Audit *audit.Log
	// Random is the source of randomness for the numbers of shares. If nil, it is
	// crypto/rand.Reader.
	Random io.Reader
}

// Self describes this server to its clients.
type Self struct {
	// Name is the friendly name. If it is empty, or has only invisible characters, it is DefaultName.
	Name string
	// MachineIdentifier identifies it. If empty, one is generated at the first start
	// and stored.
	MachineIdentifier string
	// Connections are the connections through which clients reach it.
	Connections []Connection
}

// DefaultName is the default of Self.Name.
const DefaultName = "usher"

// Service manages sources. It is safe for concurrent use.
type Service struct {
	cfg  Config
	self Source
}

// New returns a Service without this server itself, for the command line.
func New(cfg Config) *Service {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	return &Service{cfg: cfg}
}

// NewWithSelf returns a Service in which this server is a source, too. The admins own
// it, and it is shared with everyone.
func NewWithSelf(ctx context.Context, by audit.Actor, cfg Config, self Self) (*Service, error) {
	s := New(cfg)
	id := []byte(self.MachineIdentifier)
	if len(id) == 0 {
		var err error
		if id, err = cfg.Settings.FindOrCreate(ctx, "machine identifier", newMachineIdentifier); err != nil {
			return nil, err
		}
	}
	if err := CheckSelf(string(id)); err != nil {
		return nil, err
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

// newMachineIdentifier generates 40 hexadecimal digits, like those of media servers.
func newMachineIdentifier() ([]byte, error) {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return []byte(hex.EncodeToString(b[:])), nil
}

// parsed returns a source in the form for clients: with every text, and with the
// connections parsed from their URIs.
func parsed(src Source) (Source, error) {
	connections := make([]Connection, 0, len(src.Connections))
	for _, c := range src.Connections {
		c, err := ParseConnection(c.URI, c.Local, c.Relay)
		if err != nil {
			// The error is not wrapped: the caller did not send the stored URI, so the
			// error is not fault.Invalid, and its text is not for the caller.
			return Source{}, fmt.Errorf("reading a connection of %s: %v", src.Identifier, err)
		}
		connections = append(connections, c)
	}
	src.Connections = connections
	return complete(src), nil
}

// Self returns this server as a source.
func (s *Service) Self() Source { return s.self }

// current returns a source with its current values. For this server itself, they are
// its own configuration and not those of the database.
func (s *Service) current(src Source) (Source, error) {
	if src.ID == s.self.ID {
		return s.self, nil
	}
	return parsed(src)
}

// Find returns the source of a parsed source string. The connections of a server's
// provider are those of the server. Errors: ErrNotFound.
func (s *Service) Find(ctx context.Context, r Ref) (Source, error) {
	src, err := s.cfg.Rows.Get(ctx, s.cfg.DB, r.Kind, r.Identifier)
	if err != nil {
		return Source{}, named("finding a source", err)
	}
	return s.current(src)
}

// MaxServers is the maximum number of servers in a listing for an account.
const MaxServers = 1000

// Servers returns the servers that an account can reach, in the order in which they
// were added, up to MaxServers.
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

// candidates yields the servers that an account can perhaps reach.
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

// Token returns the token of a principal's device for a server, the same one at every
// call. The principal must act for its account. Errors: ErrReach, token.ErrInvalid.
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

// Search is List of the sources whose name, product or identifier contains a text. The
// letters A to Z match in both cases.
func (s *Service) Search(ctx context.Context, kind Kind, text string, r paging.Request) (paging.List[Source], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, kind, text, r)
	return list, named("listing sources", err)
}

// Get returns the source of a kind with an ID. Errors: ErrNotFound.
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

// Add adds a source. Errors: fault.Invalid, ErrExists.
func (s *Service) Add(ctx context.Context, by audit.Actor, src Source) (Source, error) {
	if !strings.ContainsFunc(src.Name, unicode.IsControl) {
		src.Name = shown(src.Name)
	}
	if err := src.Check(); err != nil {
		return src, err
	}
	return s.insert(ctx, by, src)
}

// Check validates a new source. The error lists every invalid field. Errors:
// fault.Invalid.
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

// events are the audit events of each kind of source.
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

// Remove removes a source with its shares and the tokens for it. It does not remove the
// server of this Service. A Service of New removes no entry that a server added for
// itself. Errors: ErrSelf, ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, r Ref) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		src, err := s.cfg.Rows.Get(ctx, tx, r.Kind, r.Identifier)
		if err != nil {
			return err
		}
		// Add accepts no source without a connection, so a server added this one for
		// itself, and it may be running.
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
	for c, err := range s.candidates(ctx, tx, a.ID) { // includes every server of the admins
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

// named wraps an error with what was being done, and replaces errors of the database
// with those of this package.
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
