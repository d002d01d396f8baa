package devicekey

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

var (
	// ErrTaken reports that the key or its ID belongs to another device.
	ErrTaken = fault.New(fault.Conflict, "thumbprint has already been taken")
	// ErrNeedsProof reports that a JWT is not sufficient to register a key.
	ErrNeedsProof = fault.New(fault.Denied,
		"a JWT registers no other key without deviceJWT, which the present key has signed")
	// ErrRateLimited reports that a network requested too many nonces, or sent too many
	// invalid JWTs.
	ErrRateLimited = fault.New(fault.Limited, "API rate limit exceeded")
)

// Key is the key of a device.
type Key struct {
	// TokenID and Hash identify the token row through which the key is revoked.
	TokenID int64
	Hash    token.Hash
	// JWK is the public key.
	JWK []byte
	KID string
	// ReplacesID is the token or key that the first JWT of this key revokes, or 0.
	ReplacesID int64

	AccountID, DeviceID int64
	// ClientIdentifier is the client identifier of the device that registered the key.
	// That device may have been merged into another one since.
	ClientIdentifier     string
	CreatedAt, ExpiresAt time.Time
	// Disabled reports whether the account is disabled.
	Disabled bool
}

// Row is a new key to store.
type Row struct {
	TokenID    int64
	KID        string
	JWK        []byte
	Thumbprint [32]byte
	ReplacesID int64
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// ByKID returns the key with an ID, and ByThumbprint the key with a thumbprint, or
	// db.ErrNotFound.
	ByKID(ctx context.Context, q db.Querier, kid string) (Key, error)
	ByThumbprint(ctx context.Context, q db.Querier, thumbprint [32]byte) (Key, error)
	// ByToken returns the key of a token row, or db.ErrNotFound.
	ByToken(ctx context.Context, q db.Querier, tokenID int64) (Key, error)
	// Client returns the client identifier of a device, or db.ErrNotFound.
	Client(ctx context.Context, q db.Querier, deviceID int64) (string, error)
	// Insert adds a key to its token row.
	Insert(ctx context.Context, tx *db.Tx, r Row) error
	// SetReplaced records that the token or key that this key replaces was revoked.
	SetReplaced(ctx context.Context, tx *db.Tx, tokenID int64) error
	// UseNonce marks a nonce as used, and deletes those that have expired. The error is
	// db.ErrConflict if it was used before.
	UseNonce(ctx context.Context, tx *db.Tx, nonce string, until, now time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Accounts manages the accounts of the devices. Required.
	Accounts *account.Service
	// Tokens issues the JWTs. Required.
	Tokens *token.Service
	// Audit is the audit log. Required.
	Audit *audit.Log
	// Key authenticates the nonces. Required.
	Key *seal.Key
	// FailedTries enables the rate limits, as in the other services. If zero, nothing
	// is limited.
	FailedTries int
	// Random is the source of randomness for nonces and JWT IDs. If nil, it is
	// crypto/rand.Reader. Any other source makes them predictable, and is for tests
	// only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service manages the keys of devices. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	accounts *account.Service
	tokens   *token.Service
	audit    *audit.Log
	nonces   nonces
	now      func() time.Time
	random   io.Reader

	drawn, failed *guard.Failures // by network
}

// The rate limits for each network. They are high because many devices may be behind
// one router, and may send requests at the same time after an outage of the server.
const (
	burst  = 300
	refill = 200 * time.Millisecond
)

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{
		db: cfg.DB, rows: cfg.Rows, accounts: cfg.Accounts, tokens: cfg.Tokens, audit: cfg.Audit,
		now: cfg.Now, random: cfg.Random,
		drawn: &guard.Failures{Refill: refill}, failed: &guard.Failures{Refill: refill},
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	s.nonces = nonces{cfg.Key.Derive("nonces"), s.random}
	if cfg.FailedTries > 0 {
		s.drawn.Burst, s.failed.Burst = burst, burst
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Nonce returns a nonce that the client can use once within five minutes. Errors:
// fault.Limited.
func (s *Service) Nonce(client, address string) (string, error) {
	now := s.now()
	if wait := s.drawn.Take(guard.Network(address), now); wait > 0 {
		return "", fault.WithWait(ErrRateLimited, wait)
	}
	return s.nonces.draw(client, now), nil
}

// Register registers a key for the principal's device. A key that the device already
// has stays as it is, unless another token of the device registers it again. If p
// authenticated with a JWT, proof is required: a JWT over a nonce that the current key
// signed. The error is ErrNeedsProof without it, and ErrTaken if the key belongs to
// another device.
func (s *Service) Register(
	ctx context.Context, by audit.Actor, p token.Principal, key PublicKey, proof string,
) error {
	parent := p.Parent()
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if p.Kind == token.JWT {
			own, err := s.rows.ByToken(ctx, tx, p.TokenID)
			if errors.Is(err, db.ErrNotFound) {
				return token.ErrInvalid // revoked a moment ago
			}
			if err != nil {
				return err
			}
			if known, err := ParsePublicKey(own.JWK); err == nil && known.Thumbprint == key.Thumbprint && own.KID == key.ID {
				return nil // the key is already registered
			}
			if err := s.prove(ctx, tx, own, proof); err != nil {
				return err
			}
			parent.ExpiresAt = own.ExpiresAt
		}
		_, err := s.add(ctx, tx, by, owner{p.AccountID, p.DeviceID, parent}, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("registering a device key: %w", err)
	}
	return nil
}

// prove checks that a key signed a proof over a nonce, and marks the nonce as used.
func (s *Service) prove(ctx context.Context, tx *db.Tx, own Key, text string) error {
	if text == "" {
		return ErrNeedsProof
	}
	signed, err := parse(text)
	if err != nil {
		return err
	}
	if signed.kid != own.KID {
		return ErrUnknownKey
	}
	c, err := s.openProof(signed, own)
	if err != nil {
		return err
	}
	return s.useNonce(ctx, tx, own.ClientIdentifier, c.nonce)
}

// owner identifies the device of a new key, and its parent token.
type owner struct {
	accountID, deviceID int64
	parent              token.Parent
}

// add adds a key that replaces its parent when its first JWT is issued. Errors:
// ErrTaken.
func (s *Service) add(ctx context.Context, tx *db.Tx, by audit.Actor, of owner, key PublicKey) (Key, error) {
	for _, find := range []func() (Key, error){
		func() (Key, error) { return s.rows.ByThumbprint(ctx, tx, key.Thumbprint) },
		func() (Key, error) { return s.rows.ByKID(ctx, tx, key.ID) },
	} {
		known, err := find()
		if errors.Is(err, db.ErrNotFound) {
			continue
		}
		if err != nil {
			return Key{}, err
		}
		if mine, err := s.isOf(ctx, tx, known, of); err != nil {
			return Key{}, err
		} else if !mine {
			return Key{}, ErrTaken
		}
		if known.ReplacesID == of.parent.TokenID && known.KID == key.ID && string(known.JWK) == string(key.JWK) {
			return known, nil // registered a moment ago by the same token
		}
		if known.TokenID == of.parent.TokenID {
			return Key{}, ErrTaken // a different key with the ID of the one that signed the proof
		}
		// The device registers it again, with another token than before.
		if err := s.tokens.RemoveKey(ctx, tx, known.TokenID); err != nil {
			return Key{}, err
		}
	}
	id, _, err := s.tokens.AddKey(ctx, tx, by, of.accountID, of.deviceID, of.parent)
	if err != nil {
		return Key{}, err
	}
	row := Row{TokenID: id, KID: key.ID, JWK: key.JWK, Thumbprint: key.Thumbprint, ReplacesID: of.parent.TokenID}
	if err := s.rows.Insert(ctx, tx, row); err != nil {
		return Key{}, err
	}
	err = s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.DeviceKeyAdded, AccountID: of.accountID, Detail: fmt.Sprintf("token %d of device %d", id, of.deviceID),
	})
	if err != nil {
		return Key{}, err
	}
	return s.rows.ByToken(ctx, tx, id)
}

// isOf reports whether a key belongs to a device: the device has it, or the device
// registered it before it was merged into the one that has it, and signs in again.
func (s *Service) isOf(ctx context.Context, tx *db.Tx, k Key, of owner) (bool, error) {
	if k.AccountID != of.accountID || k.DeviceID == of.deviceID {
		return k.AccountID == of.accountID, nil
	}
	client, err := s.rows.Client(ctx, tx, of.deviceID)
	return err == nil && client == k.ClientIdentifier, err
}

// Exchange returns a JWT of this server in exchange for one that a device signed over a
// nonce. The first one revokes the tokens that the device had before. The error is one
// of this package, token.ErrInvalid if the account is disabled, or fault.Limited.
func (s *Service) Exchange(ctx context.Context, by audit.Actor, text string) (plexauth.Secret, error) {
	now, network := s.now(), guard.Network(by.Address)
	if wait := s.failed.Take(network, now); wait > 0 {
		return "", fault.WithWait(ErrRateLimited, wait)
	}
	jwt, err := s.exchange(ctx, by, text)
	if err != nil {
		return "", fmt.Errorf("exchanging a device's JWT: %w", err)
	}
	s.failed.Return(network)
	return jwt, nil
}

func (s *Service) exchange(ctx context.Context, by audit.Actor, text string) (plexauth.Secret, error) {
	signed, err := parse(text)
	if err != nil {
		return "", err
	}
	found, err := s.rows.ByKID(ctx, s.db, signed.kid)
	if errors.Is(err, db.ErrNotFound) {
		return "", ErrUnknownKey
	}
	if err != nil {
		return "", err
	}
	c, err := s.openProof(signed, found)
	if err != nil {
		return "", err
	}
	by.AccountID = found.AccountID
	var issuedAt time.Time
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		k, err := s.rows.ByToken(ctx, tx, found.TokenID)
		if errors.Is(err, db.ErrNotFound) {
			return ErrUnknownKey // revoked a moment ago
		}
		if err != nil {
			return err
		}
		if k.Disabled || !k.ExpiresAt.IsZero() && !tx.Now().Before(k.ExpiresAt) {
			return token.ErrInvalid
		}
		if err := s.useNonce(ctx, tx, k.ClientIdentifier, c.nonce); err != nil {
			return err
		}
		issuedAt = tx.Now()
		return s.succeed(ctx, tx, by, k)
	})
	if err != nil {
		return "", err
	}
	return s.issue(ctx, found, c, newID(s.random), issuedAt)
}

// openProof verifies a device's JWT with its key.
func (s *Service) openProof(signed proof, k Key) (claims, error) {
	key, err := ParsePublicKey(k.JWK)
	if err != nil {
		return claims{}, fmt.Errorf("reading the stored key %d: %s", k.TokenID, err.Error()) // an internal error, not the caller's
	}
	return signed.open(key, k.ClientIdentifier, s.now())
}

func (s *Service) useNonce(ctx context.Context, tx *db.Tx, client, nonce string) error {
	if nonce == "" {
		return errNoNonce
	}
	until, ok := s.nonces.check(client, nonce, s.now())
	if !ok {
		return ErrNonce
	}
	err := s.rows.UseNonce(ctx, tx, nonce, until, tx.Now())
	if errors.Is(err, db.ErrConflict) {
		return ErrNonceUsed
	}
	return err
}

// succeed revokes the token or key that a key replaces and every access token of its
// device, and records that a JWT is issued.
func (s *Service) succeed(ctx context.Context, tx *db.Tx, by audit.Actor, k Key) error {
	ended, err := s.tokens.Succeed(ctx, tx, k.TokenID, k.DeviceID, k.ReplacesID)
	if err != nil {
		return err
	}
	if k.ReplacesID != 0 {
		if err := s.rows.SetReplaced(ctx, tx, k.TokenID); err != nil {
			return err
		}
	}
	detail := fmt.Sprintf("for device key %d", k.TokenID)
	if ended > 0 {
		detail += fmt.Sprintf(", in place of %d tokens", ended)
	}
	return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.JWTIssued, AccountID: k.AccountID, Detail: detail})
}

// issue issues a JWT with the claims that the device requested.
func (s *Service) issue(ctx context.Context, k Key, c claims, id string, at time.Time) (plexauth.Secret, error) {
	a, err := s.accounts.Get(ctx, k.AccountID)
	if errors.Is(err, account.ErrNotFound) {
		return "", token.ErrInvalid // removed a moment ago
	}
	if err != nil {
		return "", err
	}
	nonce := c.nonce
	if nonce == "" {
		nonce = id // clients require a nonce, and the poll of a PIN has none
	}
	return s.tokens.IssueJWT(ctx, token.NewJWT{
		Key: k.Hash, KeyExpiresAt: k.ExpiresAt, KID: k.KID, Client: k.ClientIdentifier,
		ID: id, Nonce: nonce, IssuedAt: at, User: user(a, c.scopes),
	})
}

// user returns the claims about an account for some scopes.
func user(a account.Account, scopes []string) map[string]any {
	all := map[string]any{
		scopeUsername: a.Username, scopeEmail: a.Email, scopeFriendlyName: a.Title,
		scopeRestricted: a.Managed(), scopeAnonymous: false, scopeJoinedAt: a.CreatedAt.Unix(),
	}
	says := map[string]any{"id": a.ID, "uuid": a.UUID}
	for _, name := range scopes {
		says[name] = all[name]
	}
	return says
}

// newID generates the ID of a JWT.
func newID(random io.Reader) string {
	var b [16]byte
	_, _ = io.ReadFull(random, b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}
