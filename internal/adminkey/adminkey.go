// Package adminkey manages the keys with which programs use the admin API.
//
// It owns the keys: their format, their scopes, their maker, their expiry, and the
// limit on guessing. It does not own the operations that a scope permits: the route
// table in package api names the scope of each route.
//
// A key is not a token: it works on the admin API only, and no token works there. It
// does not act for an account. It is valid until it is revoked, until it expires, or
// until the account that created it is demoted or removed. While that account is
// disabled, the key is invalid. A key that was created on the command line has no such
// account.
package adminkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// Topic is announced for every key that is added or revoked. The key of the change
// is its ID.
const Topic db.Topic = "admin-key"

// Errors that callers distinguish.
var (
	// ErrInvalid reports that a key is unknown, revoked or expired, or that the account
	// that created it is disabled or not an admin. Callers cannot tell which.
	ErrInvalid = fault.New(fault.Unauthenticated, "the key of the admin API is not valid")
	// ErrRateLimited reports that too many wrong keys came from a network. It contains
	// the time to wait.
	ErrRateLimited = fault.New(fault.Limited, "too many wrong keys of the admin API")
	// ErrNotFound reports that there is no such key.
	ErrNotFound = fault.New(fault.NotFound, "there is no such key of the admin API")
	// ErrExists reports that another key has the name.
	ErrExists = fault.WithField(fault.New(fault.Exists, "a key of the admin API with this name exists already"), NameField, "")
	// ErrNotAdmin reports that the account that would create a key is not an admin.
	ErrNotAdmin = fault.New(fault.Denied, "only admins can create keys of the admin API")
	// ErrFull reports that there are already Most keys.
	ErrFull = fault.New(fault.Conflict, "there are as many keys of the admin API as there can be: revoke one first")
)

// The fields that an invalid error names.
const (
	NameField    = "name"
	ExpiresField = "expires"
)

const (
	// Prefix is the beginning of each key, by which scanners find leaked keys.
	Prefix = "usher_ak_"
	// length is the number of letters and digits after the prefix, which hold 190 bits.
	length = 32
	// maxName is the maximum length of a name, in characters.
	maxName = 40
	// Most is the maximum number of keys.
	Most = 200
	// touchEvery is the precision of the last use: further uses within it are not
	// written.
	touchEvery = time.Minute
	// cached is the maximum number of keys in the cache.
	cached = 2 * Most
	// familiar is the maximum number of networks of valid keys that are stored.
	familiar = 1000
)

// Hash is the SHA-256 of a key's secret, which is all that is stored of it. Secrets are
// looked up by their hash, so the time of a lookup reveals nothing about any secret.
type Hash [sha256.Size]byte

func hashOf(secret plexauth.Secret) Hash { return sha256.Sum256([]byte(secret)) }

// Key is a key without its secret.
type Key struct {
	ID     int64
	Name   string  // unique; identifies the key in the audit log
	Scopes []Scope // in the order of Scopes
	// MakerID is the account that created the key, and Maker its name. It is 0 for the
	// command line.
	MakerID    int64
	Maker      string
	CreatedAt  time.Time // to the millisecond, UTC
	LastUsedAt time.Time // to the minute; zero: never
	ExpiresAt  time.Time // zero: never
}

// Stored is a key with the properties of its maker that decide whether it is valid.
type Stored struct {
	Key
	// MakerAdmin and MakerDisabled are properties of the account that created it.
	MakerAdmin, MakerDisabled bool
}

// Valid reports whether the key is valid at a time.
func (s Stored) Valid(now time.Time) bool {
	made := s.MakerID == 0 || s.MakerAdmin && !s.MakerDisabled
	return made && (s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt))
}

// Actor returns the key as an actor of the audit log, named with its maker. The name
// contains spaces, so it cannot be a username.
func (k Key) Actor(address string) audit.Actor {
	maker := k.Maker
	if k.MakerID == 0 {
		maker = "the command line"
	}
	return audit.Actor{
		Name: fmt.Sprintf("admin key %s of %s", k.Name, maker), Device: fmt.Sprintf("admin API, key %d", k.ID), Address: address,
		ForID: k.MakerID, KeyID: k.ID, MembersOnly: !k.Allows(AdminsWrite),
	}
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// ByHash returns a key, valid or not, or db.ErrNotFound.
	ByHash(ctx context.Context, q db.Querier, h Hash) (Stored, error)
	// Get returns the key with an ID, and ByName the key with a name, or
	// db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (Stored, error)
	ByName(ctx context.Context, q db.Querier, name string) (Stored, error)
	// List reads the keys by name.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Stored], error)
	// Count counts the keys, up to paging.Counted.
	Count(ctx context.Context, q db.Querier) (int, error)
	// Insert adds a key and returns its ID. The error is db.ErrConflict if the name is
	// taken.
	Insert(ctx context.Context, tx *db.Tx, k Key, h Hash) (id int64, err error)
	// Delete removes a key. The error is db.ErrNotFound if it does not exist.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// NoteUse writes the time of a key's last use with db.Note: it ignores a removed
	// key, and announces nothing.
	NoteUse(ctx context.Context, d *db.DB, id int64, at time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Accounts manages the accounts that create keys, and Audit is the audit log.
	// Required.
	Accounts *account.Service
	Audit    *audit.Log
	// FailedTries is the number of consecutive wrong keys from a network after which
	// each further one must wait a minute. If zero, there is no limit.
	FailedTries int
	// Random is the source of randomness of secrets. If nil, it is crypto/rand.Reader.
	// Any other source makes them predictable, and is for tests only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service creates, verifies and revokes keys. It is safe for concurrent use.
type Service struct {
	cfg     Config
	cache   *db.Cache[Hash, Stored]
	guesses *guard.Failures // wrong keys, by network

	mu       sync.Mutex
	used     map[int64]time.Time // the last uses that were written
	familiar map[Hash]bool       // valid keys with the networks that used them; see familiarity
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{
		cfg: cfg, guesses: &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute},
		used: make(map[int64]time.Time), familiar: make(map[Hash]bool),
		// There are few keys, and accounts change rarely, so a change of an account
		// invalidates all keys in the cache.
		cache: db.NewCache[Hash, Stored](cfg.DB, cached, func(c db.Change) (h Hash, scope db.Scope) {
			if c.Topic == Topic || c.Topic == account.Topic {
				return h, db.Everything
			}
			return h, db.Nothing
		}),
	}
}

// NewKey describes a key to create.
type NewKey struct {
	Name   string   // letters, digits, and . - _ between them
	Scopes []string // names of scopes
	// Expires is when the key expires. If zero, it never does.
	Expires time.Time
	// MakerID is the account that creates it, which must be an admin. It is 0 for the
	// command line.
	MakerID int64
}

// Check validates a new key. The error lists every invalid field. Errors:
// fault.Invalid.
func (s *Service) Check(n NewKey) error {
	_, err := ParseScopes(n.Scopes)
	err = fault.Join(checkName(strings.TrimSpace(n.Name)), err)
	if !n.Expires.IsZero() && !n.Expires.After(s.cfg.Now()) {
		err = fault.Join(err, fault.Invalidf(ExpiresField, "the key would have expired already"))
	}
	return err
}

// Make creates a key, and returns its secret, which cannot be read again. Errors:
// fault.Invalid, ErrExists, ErrNotAdmin, ErrFull.
func (s *Service) Make(ctx context.Context, by audit.Actor, n NewKey) (plexauth.Secret, Key, error) {
	k := Key{Name: strings.TrimSpace(n.Name), MakerID: n.MakerID, ExpiresAt: n.Expires}
	if err := s.Check(n); err != nil {
		return "", Key{}, err
	}
	var err error
	if k.Scopes, err = ParseScopes(n.Scopes); err != nil {
		return "", Key{}, err
	}
	secret := Prefix + plexauth.Secret(letters.Draw(s.cfg.Random, letters.All, length))
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if n.MakerID != 0 {
			maker, err := s.cfg.Accounts.Active(ctx, tx, n.MakerID)
			if err != nil {
				return err
			}
			if !maker.Admin {
				return ErrNotAdmin
			}
			k.Maker = maker.Username
		}
		if have, err := s.cfg.Rows.Count(ctx, tx); err != nil || have >= Most {
			return errors.Join(err, ErrFull)
		}
		k.CreatedAt = tx.Now()
		if k.ID, err = s.cfg.Rows.Insert(ctx, tx, k, hashOf(secret)); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.AdminKeyMade, k)
	})
	if err != nil {
		return "", Key{}, named("making a key of the admin API", err)
	}
	return secret, k, nil
}

// checkName validates the name of a key. In the audit log, it must not be mistaken for
// anything else.
func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.Trim(name, letters.All+"-_.") != "" || strings.Trim(name, "-_.") == "" {
		return fault.Invalidf(NameField, "a name has letters, digits, dots, dashes and underscores, at most %d", maxName)
	}
	return nil
}

func (s *Service) record(ctx context.Context, tx *db.Tx, by audit.Actor, kind audit.Kind, k Key) error {
	detail := "key " + k.Name + ": " + joined(k.Scopes)
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: kind, AccountID: k.MakerID, Account: k.Maker, Detail: detail})
}

func joined(list []Scope) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

// List reads the keys by name, including invalid ones.
func (s *Service) List(ctx context.Context, r paging.Request) (paging.List[Stored], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, r)
	return list, named("listing the keys of the admin API", err)
}

// Get returns a key. Errors: ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Stored, error) {
	k, err := s.cfg.Rows.Get(ctx, s.cfg.DB, id)
	return k, named("reading a key of the admin API", err)
}

// ByName returns the key with a name. Errors: ErrNotFound.
func (s *Service) ByName(ctx context.Context, name string) (Stored, error) {
	k, err := s.cfg.Rows.ByName(ctx, s.cfg.DB, name)
	return k, named("reading a key of the admin API", err)
}

// Revoke revokes a key: immediately here, and within a second on other nodes of the
// database. Errors: ErrNotFound.
func (s *Service) Revoke(ctx context.Context, by audit.Actor, id int64) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		k, err := s.cfg.Rows.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.cfg.Rows.Delete(ctx, tx, id); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.AdminKeyRevoked, k.Key)
	})
	return named("revoking a key of the admin API", err)
}

// Verify returns the key with a secret, and records its use. Attack: guessing. After
// too many wrong keys from a network, keys are rejected unchecked for a while, except
// for those that were used from there before: a program with a valid key is not locked
// out by another one. Errors: ErrInvalid, ErrRateLimited.
func (s *Service) Verify(ctx context.Context, address string, secret plexauth.Secret) (Key, error) {
	network, now := guard.Network(address), s.cfg.Now()
	h := hashOf(secret)
	known := familiarity(h, network)
	if s.isFamiliar(known) {
		k, err := s.verify(ctx, h, secret, now)
		if !errors.Is(err, ErrInvalid) {
			return k, err
		}
		s.setFamiliar(known, false) // the key was revoked or has expired
	}
	attempt, wait, err := s.guesses.Begin(ctx, network, now)
	if err != nil {
		return Key{}, err
	}
	if wait > 0 {
		return Key{}, fault.WithWait(ErrRateLimited, wait)
	}
	k, err := s.verify(ctx, h, secret, now)
	if errors.Is(err, ErrInvalid) {
		attempt.Failed(now)
		return Key{}, errors.Join(err, s.refused(ctx, address))
	}
	attempt.Passed()
	if err == nil {
		s.setFamiliar(known, true)
	}
	return k, err
}

// refused records a wrong key.
func (s *Service) refused(ctx context.Context, address string) error {
	return s.cfg.Audit.RecordFailure(ctx, audit.Actor{Address: address}, audit.Event{Kind: audit.AdminKeyRefused})
}

func (s *Service) verify(ctx context.Context, h Hash, secret plexauth.Secret, now time.Time) (Key, error) {
	if len(secret) != len(Prefix)+length || !strings.HasPrefix(string(secret), Prefix) {
		return Key{}, ErrInvalid
	}
	found, err := s.cache.Get(h, func() (k Stored, err error) {
		err = s.cfg.DB.Ask(ctx, func(ctx context.Context) error {
			k, err = s.cfg.Rows.ByHash(ctx, s.cfg.DB, h)
			return err
		})
		return k, err
	})
	if errors.Is(err, db.ErrNotFound) || err == nil && !found.Valid(now) {
		return Key{}, ErrInvalid
	}
	if err != nil {
		return Key{}, fmt.Errorf("verifying a key of the admin API: %w", err)
	}
	return found.Key, s.touch(ctx, found.Key, now)
}

// touch writes the use of a key, at most once a minute.
func (s *Service) touch(ctx context.Context, k Key, now time.Time) error {
	s.mu.Lock()
	last, ok := s.used[k.ID]
	if !ok {
		last = k.LastUsedAt
	}
	due := now.Sub(last) >= touchEvery
	if due {
		if len(s.used) >= cached {
			clear(s.used)
		}
		s.used[k.ID] = now
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	err := s.cfg.Rows.NoteUse(ctx, s.cfg.DB, k.ID, now)
	if errors.Is(err, db.ErrUnavailable) {
		return nil // the next use is written
	}
	return named("recording the use of a key of the admin API", err)
}

// familiarity returns a hash of a key and a network.
func familiarity(h Hash, network string) Hash {
	return sha256.Sum256(append(h[:], network...))
}

func (s *Service) isFamiliar(key Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.familiar[key]
}

func (s *Service) setFamiliar(key Hash, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.familiar, key)
	if !is {
		return
	}
	if len(s.familiar) >= familiar {
		clear(s.familiar)
	}
	s.familiar[key] = true
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
