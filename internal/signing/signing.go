// Package signing manages the keys with which this server signs JWTs.
//
// It owns the keys: when one is created, when it signs, and how long its signatures are
// accepted. It signs and verifies any claims. It does not own what the claims mean
// (package token), nor the keys of devices (package devicekey).
//
// # Rotation
//
// A key signs for 90 days. Its successor is published a day before it signs, so that
// clients that cache the published keys have it by then. A key that has stopped signing
// stays published until the last JWT that it signed has expired. So the key of every
// valid JWT is published.
package signing

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
)

// ErrInvalid reports that a text is not a JWT that this server signed with a key that
// is still accepted.
var ErrInvalid = fault.New(fault.Unauthenticated, "the token is not valid")

// ErrTooMany reports that keys were replaced so often that MaxKeys are still published.
var ErrTooMany = fault.New(fault.Conflict,
	"the signing key was replaced too often: wait until the JWTs of an earlier one have expired")

// MaxKeys is the maximum number of keys.
const MaxKeys = 10

// Topic is announced for every key that is added or removed. The key of the
// change is its ID.
const Topic db.Topic = "signing-key"

const (
	// MaxLife is the maximum lifetime of a JWT.
	MaxLife = 7 * 24 * time.Hour

	signsFor = 90 * 24 * time.Hour
	// lead is how long a key is published before it signs.
	lead = 24 * time.Hour
	// slack is how long a key stays published after its last JWT has expired, because
	// the clocks of servers differ.
	slack = time.Hour
	// skew is how long before its SignsFrom a key may sign: for a server whose clock is
	// behind, a key that another one has just created is from the future.
	skew = 5 * time.Second
)

// Key is a key pair.
type Key struct {
	// ID is the thumbprint of the public key (RFC 7638). It is the kid of JWTs.
	ID     string
	Public ed25519.PublicKey
	// Sealed is the private key, encrypted with the database's key.
	Sealed []byte
	// SignsFrom is when it begins to sign.
	SignsFrom time.Time
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// List returns the keys in ascending order of SignsFrom.
	List(ctx context.Context, q db.Querier) ([]Key, error)
	// Insert adds a key.
	Insert(ctx context.Context, tx *db.Tx, k Key) error
	// Delete removes a key.
	Delete(ctx context.Context, tx *db.Tx, id string) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Key seals the private keys. Required.
	Key *seal.Key
	// Audit is the audit log. Required for Replace.
	Audit *audit.Log
	// Random is the source of randomness of keys. If nil, it is crypto/rand.Reader. Any
	// other source makes them predictable, and is for tests only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service signs and verifies. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	rows   Rows
	key    *seal.Key
	audit  *audit.Log
	now    func() time.Time
	random io.Reader
	cached *db.Cache[struct{}, []Key]
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{db: cfg.DB, rows: cfg.Rows, key: cfg.Key, audit: cfg.Audit, now: cfg.Now, random: cfg.Random}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.cached = db.NewCache[struct{}, []Key](cfg.DB, 1, func(c db.Change) (k struct{}, scope db.Scope) {
		if c.Topic == Topic {
			return k, db.Everything
		}
		return k, db.Nothing
	})
	return s
}

func (s *Service) list(ctx context.Context) ([]Key, error) {
	keys, err := s.cached.Get(struct{}{}, func() ([]Key, error) { return s.rows.List(ctx, s.db) })
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	return keys, nil
}

// ready returns the keys. It ensures that there is a key to sign with, creates its
// successor in time, and removes keys that are not needed any more.
func (s *Service) ready(ctx context.Context) ([]Key, error) {
	keys, err := s.list(ctx)
	if err != nil || !s.due(keys, s.now()) {
		return keys, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if keys, err = s.rows.List(ctx, tx); err != nil || !s.due(keys, tx.Now()) {
			return err // another process was faster
		}
		if err := s.turn(ctx, tx, keys); err != nil {
			return err
		}
		keys, err = s.rows.List(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the signing keys: %w", err)
	}
	return keys, nil
}

// due reports whether it is time for another key.
func (s *Service) due(keys []Key, now time.Time) bool {
	if _, err := s.signer(keys, now); err != nil {
		return true // there is none, or it was sealed with another key file
	}
	newest := keys[len(keys)-1]
	return !now.Before(newest.SignsFrom.Add(signsFor - lead))
}

// turn adds a key and removes those whose JWTs have all expired. The key signs after
// the lead, or immediately if there is no other.
func (s *Service) turn(ctx context.Context, tx *db.Tx, keys []Key) error {
	from := tx.Now()
	if _, err := s.signer(keys, from); err == nil {
		from = from.Add(lead)
	}
	return s.add(ctx, tx, keys, from)
}

// add adds a key that signs from a time on, and removes those whose JWTs have all
// expired.
func (s *Service) add(ctx context.Context, tx *db.Tx, keys []Key, from time.Time) error {
	var seed [ed25519.SeedSize]byte
	_, _ = io.ReadFull(s.random, seed[:]) // crypto/rand never fails
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	k := Key{Public: public, SignsFrom: from}
	var err error
	if k.ID, err = thumbprint(public); err != nil {
		return err
	}
	if k.Sealed, err = s.key.Seal(purpose(k.ID), private.Seed()); err != nil {
		return err
	}
	for i, old := range keys {
		if i+1 < len(keys) && tx.Now().After(keys[i+1].SignsFrom.Add(MaxLife+slack)) {
			if err := s.rows.Delete(ctx, tx, old.ID); err != nil {
				return err
			}
		}
	}
	return s.rows.Insert(ctx, tx, k)
}

// purpose returns the purpose that a private key is sealed for.
func purpose(id string) string { return "signing key " + id }

// thumbprint returns the thumbprint of a public key (RFC 7638).
func thumbprint(public ed25519.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("computing a thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// errNoSigner reports that no key can sign.
var errNoSigner = errors.New("there is no key to sign with")

// signer returns the index of the key that signs now: the newest one whose time
// has come and that this process can open.
func (s *Service) signer(keys []Key, now time.Time) (int, error) {
	for i, k := range slices.Backward(keys) {
		if k.SignsFrom.After(now.Add(skew)) {
			continue
		}
		if _, err := s.key.Open(purpose(k.ID), k.Sealed); err == nil {
			return i, nil
		}
	}
	return 0, errNoSigner
}

// afterSigner returns now or, if it is later, the first time at which a new key takes
// precedence over every key that signs on any server. The clock of the server that
// created that key may be ahead.
func afterSigner(keys []Key, now time.Time) time.Time {
	now = now.Truncate(time.Millisecond) // as stored
	for _, k := range slices.Backward(keys) {
		if !k.SignsFrom.Before(now) && k.SignsFrom.Before(now.Add(2*skew)) {
			return k.SignsFrom.Add(time.Millisecond)
		}
	}
	return now
}

// Sign returns a JWT with these claims. It must not be called in a transaction:
// it may write a new key.
func (s *Service) Sign(ctx context.Context, claims any) (string, error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	at, err := s.signer(keys, s.now())
	if err != nil {
		return "", err
	}
	seed, err := s.key.Open(purpose(keys[at].ID), keys[at].Sealed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return "", fmt.Errorf("opening signing key %s: %w", keys[at].ID, errors.Join(err, errNoSigner))
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: ed25519.NewKeyFromSeed(seed), KeyID: keys[at].ID}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return jws.CompactSerialize()
}

// Verify decodes the claims of a JWT that this server signed. It verifies the signature
// only: the caller must check the claims, including the expiry. Errors: ErrInvalid.
//
// The algorithm is fixed, whatever the header says. Of the header, only the key ID is
// used: keys that the header contains or references are ignored.
func (s *Service) Verify(ctx context.Context, text string, claims any) error {
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(jws.Signatures) != 1 || !Canonical(text) {
		return ErrInvalid
	}
	key, err := s.find(ctx, jws.Signatures[0].Protected.KeyID)
	if err != nil {
		return err
	}
	payload, err := jws.Verify(key.Public)
	if err != nil {
		return ErrInvalid
	}
	if err := json.Unmarshal(payload, claims); err != nil {
		return ErrInvalid
	}
	return nil
}

// Canonical reports whether a JWT is written as its signer wrote it. A decoder passes
// over line breaks and over bits that the last character of a part does not need, so that
// many texts would be one JWT.
func Canonical(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
			return false
		}
	}
	return true
}

// find returns the key with an ID. Errors: ErrInvalid. It reads an unknown key from the
// database, because another process may have just created it.
func (s *Service) find(ctx context.Context, id string) (Key, error) {
	keys, err := s.list(ctx)
	if err != nil {
		return Key{}, err
	}
	is := func(k Key) bool { return k.ID == id }
	at := slices.IndexFunc(keys, is)
	if at < 0 {
		if keys, err = s.rows.List(ctx, s.db); err != nil {
			return Key{}, fmt.Errorf("reading the signing keys: %w", err)
		}
		at = slices.IndexFunc(keys, is)
	}
	if at < 0 {
		return Key{}, ErrInvalid
	}
	return keys[at], nil
}

// Public is the public part of a key.
type Public struct {
	ID  string
	Key ed25519.PublicKey
}

// Published returns the public keys that JWTs can be verified with. The one that
// signs now is the last: a client (PlexAPI) tries them from the end.
func (s *Service) Published(ctx context.Context) ([]Public, error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	at, err := s.signer(keys, s.now())
	if err != nil {
		return nil, err
	}
	list := make([]Public, 0, len(keys))
	for _, k := range slices.Concat(keys[at+1:], keys[:at+1]) {
		list = append(list, Public{k.ID, k.Public})
	}
	return list, nil
}

// State is a key without its private part, and its role.
type State struct {
	Public
	// SignsFrom is when it starts or started to sign.
	SignsFrom time.Time
	// Signs reports that it is the key that currently signs.
	Signs bool
}

// List returns the keys in ascending order of SignsFrom.
func (s *Service) List(ctx context.Context) ([]State, error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	at, err := s.signer(keys, s.now())
	if err != nil {
		return nil, err
	}
	list := make([]State, 0, len(keys))
	for i, k := range keys {
		list = append(list, State{Public{k.ID, k.Public}, k.SignsFrom, i == at})
	}
	return list, nil
}

// Replace adds a key before the rotation is due. It signs after a day, when all clients
// that cache the published keys have it. If atOnce is true, because the current key was
// stolen, it signs immediately. Otherwise, a successor that is already published stays
// as it is. JWTs of the earlier keys stay valid until they expire. Errors: ErrTooMany.
func (s *Service) Replace(ctx context.Context, by audit.Actor, atOnce bool) error {
	if _, err := s.ready(ctx); err != nil {
		return err
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		keys, err := s.rows.List(ctx, tx)
		if err != nil {
			return err
		}
		from := afterSigner(keys, tx.Now())
		detail := "signs at once"
		if !atOnce {
			if n := len(keys); n > 0 && keys[n-1].SignsFrom.After(from) {
				return nil
			}
			from, detail = from.Add(lead), "signs in a day"
		}
		if len(keys) >= MaxKeys {
			return ErrTooMany
		}
		if err := s.add(ctx, tx, keys, from); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.SigningKeyReplaced, Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("replacing the signing key: %w", err)
	}
	return nil
}
