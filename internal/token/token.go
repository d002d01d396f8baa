package token

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers distinguish.
var (
	// ErrInvalid reports that a token is unknown, revoked, expired, or belongs
	// to an account that is disabled. It does not distinguish these.
	ErrInvalid = fault.New(fault.Unauthenticated, "the token is not valid")
	// ErrNotFound reports that there is no such token to revoke.
	ErrNotFound = fault.New(fault.NotFound, "there is no such token")
	// ErrNoDevice reports that a device of an account holds no token.
	ErrNoDevice = fault.New(fault.NotFound, "no device of this account's that holds a token has this number")
)

// PerDevice is the maximum number of access tokens of a device. When it signs in once
// more, the least recently used token is evicted.
const PerDevice = 10

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Grant returns the token with a hash, or db.ErrNotFound.
	Grant(ctx context.Context, q db.Querier, h Hash) (Grant, error)
	// Get returns the public part of a token, or db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (Token, error)
	// List reads the tokens of an account, or of all accounts if that is 0, the
	// newest first.
	List(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Token], error)
	// Count counts the tokens, as far as paging.Counted.
	Count(ctx context.Context, q db.Querier) (Counts, error)
	// CountSelected counts the selected tokens and their descendants, as far as
	// paging.Counted.
	CountSelected(ctx context.Context, q db.Querier, s Selection) (int, error)
	// Search reads the tokens that match a text: those of an account or, if accountID is
	// 0, of all accounts.
	Search(ctx context.Context, q db.Querier, text SearchText, accountID int64, r paging.Request) (paging.List[Token], error)
	// Lineage returns the IDs of a token and of those that it is revoked with:
	// the token first, then its parent, that one's parent and so on. Empty, if
	// there is no such token.
	Lineage(ctx context.Context, q db.Querier, id int64) ([]int64, error)
	// LeastUsed returns the IDs of a device's tokens of a kind. The least recently
	// used is the last.
	LeastUsed(ctx context.Context, q db.Querier, deviceID int64, kind Kind) ([]int64, error)
	// Uses returns when the selected tokens, without their descendants, were last
	// used, by their hashes.
	Uses(ctx context.Context, q db.Querier, s Selection) (map[Hash]Use, error)
	// Expired returns the IDs of the tokens that have expired by a time.
	Expired(ctx context.Context, q db.Querier, now time.Time) ([]int64, error)
	// Revocations returns how many tokens for a server that a token was the
	// parent of have been revoked.
	Revocations(ctx context.Context, q db.Querier, parentID, sourceID int64) (int, error)
	// Insert adds a token and returns its ID.
	Insert(ctx context.Context, tx *db.Tx, r Row) (id int64, err error)
	// SetParent puts a token under another one, or, if that is 0, under none.
	SetParent(ctx context.Context, tx *db.Tx, id, parentID int64) error
	// Adopt puts the children of a token that are other devices' under another
	// token.
	Adopt(ctx context.Context, tx *db.Tx, parentID, newParentID, exceptDeviceID int64) error
	// MoveDevice gives the tokens and keys of a device to another one, announces each,
	// and returns how many there were.
	MoveDevice(ctx context.Context, tx *db.Tx, from, into int64) (int, error)
	// Delete removes the selected tokens with all their descendants, announces
	// each of them, and returns how many there were. It counts the selected
	// server tokens for Revocations.
	Delete(ctx context.Context, tx *db.Tx, s Selection) (int, error)
	// RevokeSwitched removes, as Delete does, the tokens of other accounts that a
	// token of an account is the parent of, and the account's own whose parent is
	// another's. It returns how many there were.
	RevokeSwitched(ctx context.Context, tx *db.Tx, accountID int64) (int, error)
	// SetLastUsed writes when a token and its device were last used, unless a later use
	// is written already. It ignores a token that is gone.
	SetLastUsed(ctx context.Context, tx *db.Tx, u Use) error
	// NoteUses does so for many tokens, by their IDs, in the way of db.Note. least is by
	// how much a time must move to be written.
	NoteUses(ctx context.Context, d *db.DB, uses map[int64]Use, least time.Duration) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// KeyRows is the table of the keys of transient tokens. If nil, there is no other
	// node.
	KeyRows KeyRows
	// Accounts checks whether an actor can change an account. If nil, every actor can.
	Accounts Accounts
	// Devices manages the devices that hold the tokens. Required.
	Devices *device.Service
	// Signing signs and verifies JWTs. Required.
	Signing *signing.Service
	// Proofs spends the proofs of sign-ins. Required.
	Proofs *signin.Spender
	// Audit is the audit log. Required.
	Audit *audit.Log
	// Key is the key that server tokens and the tokens of PINs are derived from.
	// Required.
	Key *seal.Key
	// TransientTTL is the lifetime of transient tokens. If it is zero or more than
	// MaxTransientTTL, it is MaxTransientTTL.
	TransientTTL time.Duration
	// CacheSize is the maximum number of cached tokens. If zero, it is
	// DefaultCacheSize.
	CacheSize int
	// Logger receives failures that no caller sees. If nil, they are not logged.
	Logger *slog.Logger
	// Random is the source of randomness of tokens. If nil, it is crypto/rand.Reader.
	// Any other source makes them predictable, and is for tests only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Accounts are the functions of accounts that a Service needs. Package account implements it.
type Accounts interface {
	// CheckMayChangeID returns an error unless an actor can change the objects of an account,
	// in an open transaction.
	CheckMayChangeID(ctx context.Context, tx *db.Tx, by audit.Actor, id int64) error
}

// Service issues, verifies and revokes tokens. It is safe for concurrent use.
type Service struct {
	db         *db.DB
	rows       Rows
	accounts   Accounts
	devices    *device.Service
	signing    *signing.Service
	proofs     *signin.Spender
	audit      *audit.Log
	serverKey  [32]byte
	pinKey     [32]byte
	ttl        time.Duration
	log        *slog.Logger
	now        func() time.Time
	random     io.Reader
	cache      *cache
	jwts       jwtCache
	sealer     atomic.Pointer[sealer]
	keys       *keys
	hits       atomic.Uint64
	misses     atomic.Uint64
	tallied    atomic.Uint64 // hits and misses that are in the database
	unrecorded *uses
}

// New returns a Service.
func New(cfg Config) (*Service, error) {
	s := &Service{
		db: cfg.DB, rows: cfg.Rows, accounts: cfg.Accounts, devices: cfg.Devices, signing: cfg.Signing, proofs: cfg.Proofs, audit: cfg.Audit,
		serverKey: cfg.Key.Derive("server tokens"), pinKey: cfg.Key.Derive("pin tokens"),
		ttl: cfg.TransientTTL, log: cfg.Logger, now: cfg.Now, random: cfg.Random, cache: newCache(cfg.CacheSize),
		keys: newKeys(cfg), unrecorded: newUses(),
	}
	if s.db.Shared() {
		s.cache.noteEvery = noteEveryShared
	}
	if s.ttl <= 0 || s.ttl > MaxTransientTTL {
		s.ttl = MaxTransientTTL
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	s.db.Watch(s.cache.forget)
	s.jwts = newJWTCache(cfg.DB)
	return s, s.RenewTransientKey()
}

// RenewTransientKey invalidates every transient token of this process, like a restart.
// It is for test kits, whose database no other process shares.
func (s *Service) RenewTransientKey() error {
	sealer, _, err := newSealer(s.random)
	if err != nil {
		return err
	}
	s.sealer.Store(sealer)
	return nil
}

// length is the length of a token: 20 letters and digits hold 119 bits.
const length = 20

// newToken generates an access token.
func newToken(random io.Reader) plexauth.Secret {
	return plexauth.Secret(letters.Draw(random, letters.All, length))
}

// SignIn spends a proof on a new access token for a device. If the proof is void, the
// error is that of its Claim.Void.
func (s *Service) SignIn(
	ctx context.Context, by audit.Actor, proof signin.Proof, d device.Device,
) (plexauth.Secret, error) {
	token := newToken(s.random)
	err := s.proofs.Spend(ctx, by, proof, func(ctx context.Context, tx *db.Tx, spent signin.Spent) error {
		detail, err := s.Add(ctx, tx, by, spent.AccountID, Parent{}, d, token)
		if err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SignIn, AccountID: spent.AccountID, Account: spent.Username, Detail: detail + spent.Means,
		})
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// Issue issues an access token to a device without a proof that its user signs
// in. It is for test kits: request handlers must not call it.
func (s *Service) Issue(
	ctx context.Context, by audit.Actor, accountID int64, d device.Device,
) (plexauth.Secret, error) {
	token := newToken(s.random)
	if err := s.issue(ctx, by, accountID, d, token); err != nil {
		return "", err
	}
	return token, nil
}

// IssueKnown is Issue with a token that the caller has chosen. It is for test
// kits whose tokens are the same at each start.
func (s *Service) IssueKnown(
	ctx context.Context, by audit.Actor, accountID int64, d device.Device, token plexauth.Secret,
) error {
	if len(token) != length || strings.Trim(string(token), letters.All) != "" {
		return fault.Invalidf("token", "a token is %d letters and digits", length)
	}
	return s.issue(ctx, by, accountID, d, token)
}

func (s *Service) issue(
	ctx context.Context, by audit.Actor, accountID int64, d device.Device, token plexauth.Secret,
) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		detail, err := s.Add(ctx, tx, by, accountID, Parent{}, d, token)
		if err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.SignIn, AccountID: accountID, Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("issuing a token: %w", err)
	}
	return nil
}

// Add issues one more access token to a device of an account, in an open
// transaction, and evicts tokens beyond PerDevice. With a parent, the token is
// revoked with the parent: ErrInvalid if the parent no longer exists. Add returns
// the ID of the token, for the log. fault.Conflict if none of the device's tokens
// can be evicted.
func (s *Service) Add(
	ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64, parent Parent, d device.Device,
	token plexauth.Secret,
) (detail string, err error) {
	lineage, err := s.lineage(ctx, tx, parent)
	if err != nil {
		return "", err
	}
	deviceID, err := s.devices.SignedIn(ctx, tx, accountID, d)
	if err != nil {
		return "", err
	}
	if err := s.makeRoom(ctx, tx, by, accountID, deviceID, Access, lineage); err != nil {
		return "", fmt.Errorf("making room for a token: %w", err)
	}
	id, err := s.rows.Insert(ctx, tx, Row{
		Hash: HashOf(token), Kind: Access, AccountID: accountID, DeviceID: deviceID,
		ParentID: parent.TokenID, ExpiresAt: parent.ExpiresAt,
	})
	if err != nil {
		return "", fmt.Errorf("adding a token: %w", err)
	}
	if err := s.makeRoomForDevice(ctx, tx, by, accountID); err != nil {
		return "", fmt.Errorf("making room for a device: %w", err)
	}
	return fmt.Sprintf("token %d", id), nil
}

// AddNew is Add with a new token, which it returns.
func (s *Service) AddNew(
	ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64, parent Parent, d device.Device,
) (token plexauth.Secret, detail string, err error) {
	token = newToken(s.random)
	detail, err = s.Add(ctx, tx, by, accountID, parent, d, token)
	return token, detail, err
}

// lineage returns the IDs of a parent and of its ancestors: empty for
// no parent, and ErrInvalid if it has been revoked.
func (s *Service) lineage(ctx context.Context, tx *db.Tx, parent Parent) ([]int64, error) {
	if parent.TokenID == 0 {
		return nil, nil
	}
	ids, err := s.rows.Lineage(ctx, tx, parent.TokenID)
	if err != nil {
		return nil, fmt.Errorf("finding the parent of a token: %w", err)
	}
	if len(ids) == 0 {
		return nil, ErrInvalid
	}
	return ids, nil
}

// errFullOfAncestors reports that each of a device's tokens is an ancestor of the one that
// requests one more.
var errFullOfAncestors = fault.New(fault.Conflict,
	"the device holds as many tokens as it may, and each of them led to the one of this request")

// makeRoomForDevice signs out the devices of an account that exceed
// device.PerAccount, those that were not seen for longest.
func (s *Service) makeRoomForDevice(ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64) error {
	revoked := 0
	settle := func() error { return s.settle(ctx, tx, Selection{AccountID: accountID}) }
	devices, err := s.devices.MakeRoom(ctx, tx, accountID, settle, func(deviceID int64) error {
		n, err := s.rows.Delete(ctx, tx, Selection{DeviceID: deviceID})
		revoked += n
		return err
	})
	if err != nil || revoked == 0 {
		return err
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.TokenRevoked, AccountID: accountID,
		Detail: fmt.Sprintf("%d of the account's devices (%d), which were not seen for longest, to make room", revoked, devices),
	})
}

// makeRoom evicts a device's least recently used tokens of a kind until one more
// fits, but none of those that are to stay. Which are the least used depends on
// uses that are not in the database yet, if that matters.
func (s *Service) makeRoom(
	ctx context.Context, tx *db.Tx, by audit.Actor, accountID, deviceID int64, kind Kind, stay []int64,
) error {
	all, err := s.rows.LeastUsed(ctx, tx, deviceID, kind)
	if err != nil || len(all) < PerDevice {
		return err
	}
	if err := s.settle(ctx, tx, Selection{DeviceID: deviceID}); err != nil {
		return err
	}
	if all, err = s.rows.LeastUsed(ctx, tx, deviceID, kind); err != nil {
		return err
	}
	ids := slices.DeleteFunc(slices.Clone(all), func(id int64) bool { return slices.Contains(stay, id) })
	excess := len(all) - (PerDevice - 1)
	if len(ids) < excess {
		return errFullOfAncestors
	}
	ids = ids[len(ids)-excess:]
	evicted := 0
	for _, id := range ids {
		n, err := s.rows.Delete(ctx, tx, Selection{ID: id})
		if err != nil {
			return err
		}
		evicted += n
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.TokenRevoked, AccountID: accountID,
		Detail: fmt.Sprintf("%d of the device's, the least recently used, to make room", evicted),
	})
}

// Verify turns a presented token into a principal. The error is ErrInvalid if
// the token is invalid, and ErrExpired if it is an expired JWT; any other
// error means that the database failed.
func (s *Service) Verify(ctx context.Context, token plexauth.Secret) (Principal, error) {
	now := s.now()
	if len(token) > len(transientPrefix) && token[:len(transientPrefix)] == transientPrefix {
		return s.verifyTransient(ctx, token, now)
	}
	if IsJWT(token) {
		return s.verifyJWT(ctx, token, now)
	}
	p, err := s.lookup(ctx, HashOf(token), now)
	if p.Kind == DeviceKey {
		return Principal{}, ErrInvalid // an identifier, and not a token, for every caller
	}
	return p, err
}

func (s *Service) verifyTransient(ctx context.Context, token plexauth.Secret, now time.Time) (Principal, error) {
	c, ok := s.sealer.Load().open(token)
	if !ok && s.db.Shared() {
		var err error
		if c, ok, err = s.openOfOthers(ctx, token); err != nil {
			return Principal{}, err
		}
	}
	if !ok || now.UnixMilli() >= c.expires {
		return Principal{}, ErrInvalid
	}
	p, err := s.lookup(ctx, c.parent, now)
	if err != nil {
		return Principal{}, err
	}
	p.Kind = Transient
	p.ExpiresAt = time.UnixMilli(c.expires)
	if c.sourceID != 0 {
		p.SourceID = c.sourceID
	}
	return p, nil
}

// openOfOthers opens a transient token that another node sealed.
func (s *Service) openOfOthers(ctx context.Context, token plexauth.Secret) (c claim, ok bool, err error) {
	id, ok := idOf(token)
	if !ok || s.keys.rows == nil {
		return claim{}, false, nil
	}
	other, err := s.keys.find(ctx, id)
	if other == nil || err != nil {
		return claim{}, false, err
	}
	c, ok = other.open(token)
	return c, ok, nil
}

// lookup finds a stored token by its hash, in the cache or else in the
// database. A process that does not know the revocations of others queries the database
// for every token.
func (s *Service) lookup(ctx context.Context, h Hash, now time.Time) (Principal, error) {
	e, ok, stale, generation := s.cache.get(h, now.UnixMilli())
	if ok && s.db.Trusts() {
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
		fresh, err := s.cache.load(ctx, h, generation, func() (entry, error) { return s.ask(ctx, h) })
		switch {
		case err == nil:
			e, stale = fresh, true
		case errors.Is(err, db.ErrNotFound):
			return Principal{}, ErrInvalid
		case !ok || !s.db.Tolerates(err):
			return Principal{}, fmt.Errorf("verifying a token: %w", err)
		}
	}
	if e.disabled || e.expires != 0 && now.UnixMilli() >= e.expires {
		return Principal{}, ErrInvalid
	}
	if stale && s.cache.touch(h, now.UnixMilli()) {
		s.unrecorded.add(Use{e.tokenID, e.deviceID, now})
	}
	return e.principal(h), nil
}

// ask reads a token from the database: db.ErrNotFound.
func (s *Service) ask(ctx context.Context, h Hash) (e entry, err error) {
	err = s.db.Ask(ctx, func(ctx context.Context) error {
		g, err := s.rows.Grant(ctx, s.db, h)
		e = newEntry(g)
		return err
	})
	return e, err
}

func newEntry(g Grant) entry {
	e := entry{
		tokenID: g.TokenID, accountID: g.AccountID, deviceID: g.DeviceID, sourceID: g.SourceID,
		kind: g.Kind, admin: g.Admin, disabled: g.Disabled, noted: g.LastUsedAt.UnixMilli(),
	}
	if !g.ExpiresAt.IsZero() {
		e.expires = g.ExpiresAt.UnixMilli()
	}
	return e
}

func (e entry) principal(h Hash) Principal {
	p := Principal{
		AccountID: e.accountID, DeviceID: e.deviceID, TokenID: e.tokenID,
		Kind: e.kind, Admin: e.admin, SourceID: e.sourceID, hash: h, seed: h,
	}
	if e.expires != 0 {
		p.ExpiresAt = time.UnixMilli(e.expires)
	}
	return p
}

// MintTransient mints a transient token for p. It is revoked with p's stored token,
// expires no later than p itself, and reaches no further. A sourceID other than
// 0 makes it valid for that server only; p must reach it.
func (s *Service) MintTransient(p Principal, sourceID int64) (token plexauth.Secret, expires time.Time) {
	expires = s.now().Add(s.ttl)
	if !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(expires) {
		expires = p.ExpiresAt
	}
	if p.SourceID != 0 {
		sourceID = p.SourceID
	}
	return s.sealer.Load().seal(claim{parent: p.hash, expires: expires.UnixMilli(), sourceID: sourceID}), expires
}

// ServerToken returns the token with which p's device reaches a server: the
// same one at every call with the same token, and another one once it was
// revoked. It expires with p. p must act for its account. allow decides, in the
// transaction that adds the token, whether the account reaches the server, and
// returns the server's name. ErrInvalid if p's token has been revoked meanwhile.
func (s *Service) ServerToken(
	ctx context.Context, by audit.Actor, p Principal, sourceID int64,
	allow func(ctx context.Context, q db.Querier) (server string, err error),
) (plexauth.Secret, error) {
	token := s.ofServer(p.seed, sourceID, 0)
	if _, err := s.lookup(ctx, HashOf(token), s.now()); !errors.Is(err, ErrInvalid) {
		return token, err
	}
	revoked, err := s.rows.Revocations(ctx, s.db, p.TokenID, sourceID)
	if err != nil {
		return "", fmt.Errorf("issuing a server token: %w", err)
	}
	if revoked > 0 {
		token = s.ofServer(p.seed, sourceID, revoked)
		if _, err := s.lookup(ctx, HashOf(token), s.now()); !errors.Is(err, ErrInvalid) {
			return token, err
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		revoked, err := s.rows.Revocations(ctx, tx, p.TokenID, sourceID)
		if err != nil {
			return err
		}
		token = s.ofServer(p.seed, sourceID, revoked)
		h := HashOf(token)
		if _, err := s.rows.Grant(ctx, tx, h); !errors.Is(err, db.ErrNotFound) {
			return err // another request has added it
		}
		parent, err := s.rows.Grant(ctx, tx, p.hash)
		if errors.Is(err, db.ErrNotFound) {
			return ErrInvalid
		}
		if err != nil {
			return err
		}
		server, err := allow(ctx, tx)
		if err != nil {
			return err
		}
		id, err := s.rows.Insert(ctx, tx, Row{
			Hash: h, Kind: Server, AccountID: parent.AccountID, DeviceID: parent.DeviceID,
			ParentID: parent.TokenID, SourceID: sourceID, ExpiresAt: p.ExpiresAt,
		})
		if err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.TokenMade, AccountID: parent.AccountID, Detail: fmt.Sprintf("token %d for %s", id, server),
		})
	})
	if err != nil {
		return "", fmt.Errorf("issuing a server token: %w", err)
	}
	return token, nil
}

// ofServer returns the token for a server that an access token with a hash is
// the parent of, after some of them were revoked.
func (s *Service) ofServer(parent Hash, sourceID int64, revoked int) plexauth.Secret {
	what := strconv.AppendInt(nil, sourceID, 10)
	if revoked > 0 {
		what = fmt.Appendf(what, " %d", revoked)
	}
	return derive(s.serverKey, parent[:], what)
}

// OfPIN returns the access token of a PIN, derived from the PIN's
// nonce: only its hash is stored, and it can be derived as long as the
// nonce is stored.
func (s *Service) OfPIN(nonce [16]byte) plexauth.Secret { return derive(s.pinKey, nonce[:]) }

// derive computes a token from a key and its purpose.
func derive(key [32]byte, parts ...[]byte) plexauth.Secret {
	mac := hmac.New(sha256.New, key[:])
	for _, p := range parts {
		mac.Write(p)
	}
	return plexauth.Secret(letters.Write(mac.Sum(nil), length))
}

// Get returns a stored token. Errors: ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Token, error) {
	t, err := s.rows.Get(ctx, s.db, id)
	if errors.Is(err, db.ErrNotFound) {
		return t, ErrNotFound
	}
	if err != nil {
		return t, fmt.Errorf("reading a token: %w", err)
	}
	return t, nil
}

// List reads the tokens of an account, or of all accounts if that is 0, the newest
// first. In the order of their last use, a token that is used while the pages are
// read would be missing from all of them.
func (s *Service) List(ctx context.Context, accountID int64, r paging.Request) (paging.List[Token], error) {
	list, err := s.rows.List(ctx, s.db, accountID, r)
	if err != nil {
		return list, fmt.Errorf("listing tokens: %w", err)
	}
	return list, nil
}

// SearchText is a text to search for: the beginning of a device's description of
// itself, or of the name of an account.
type SearchText struct {
	Device   string // in the name or the program of a device; the letters A to Z match in both cases
	Username string // in the form in which names are compared
}

// Search reads the tokens whose device has a name or a program that begins with a text,
// whatever the case of the letters A to Z, and those whose account has such a name. First
// come those that the name of the device matches, then the program, then the name of the
// account. If accountID is not 0, it reads the tokens of that account only, whose device
// matches, the newest first.
func (s *Service) Search(ctx context.Context, text string, accountID int64, r paging.Request) (paging.List[Token], error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return s.List(ctx, accountID, r)
	}
	wanted := SearchText{Device: text, Username: account.SearchKey(text)}
	list, err := s.rows.Search(ctx, s.db, wanted, accountID, r)
	if err != nil {
		return list, fmt.Errorf("searching tokens: %w", err)
	}
	return list, nil
}

// Count counts the stored tokens, as far as paging.Counted.
func (s *Service) Count(ctx context.Context) (Counts, error) { return s.rows.Count(ctx, s.db) }

// CountSelected counts the tokens that revoking a selection would revoke, as far as
// paging.Counted.
func (s *Service) CountSelected(ctx context.Context, of Selection) (int, error) {
	n, err := s.rows.CountSelected(ctx, s.db, of)
	if err != nil {
		return 0, fmt.Errorf("counting tokens: %w", err)
	}
	return n, nil
}

// Stats are the statistics of the cache.
type Stats struct {
	// Cached is how many tokens are cached now.
	Cached int
	// Hits and Misses count lookups since the start.
	Hits, Misses uint64
}

// Stats returns the figures since the start.
func (s *Service) Stats() Stats { return Stats{s.cache.len(), s.hits.Load(), s.misses.Load()} }
