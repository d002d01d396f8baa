package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/plexauth"
)

// ErrExpired reports that a token is a JWT of this server that was valid, and has
// expired. The device can get another one with its key.
var ErrExpired = fault.New(fault.Unauthenticated, "the token has expired")

// JWTLife is the lifetime of a JWT.
const JWTLife = signing.MaxLife

// issuer is the issuer of JWTs, and Audience the audience of these and of devices'
// JWTs. Clients require these values.
const (
	issuer   = "plex.tv"
	Audience = "plex.tv"
)

// maxJWTs is the maximum number of cached verified JWTs, of about 150 bytes each.
const maxJWTs = 50_000

// jwtPrefix is the beginning of every JWT: {" in base64. No opaque token is as long as
// the shortest JWT.
const (
	jwtPrefix   = "eyJ"
	shortestJWT = 100
)

// IsJWT reports whether a token looks like a JWT.
func IsJWT(token plexauth.Secret) bool {
	return len(token) >= shortestJWT && token[:len(jwtPrefix)] == jwtPrefix
}

// NewJWT describes a JWT to issue.
type NewJWT struct {
	// Key is the hash of the device key that the JWT is revoked with, and KeyExpiresAt
	// its expiry, or zero.
	Key          Hash
	KeyExpiresAt time.Time
	// KID is the key's ID, as the device named it.
	KID string
	// Client is the client identifier of the device.
	Client string
	// ID is unique to the JWT.
	ID string
	// Nonce is the nonce of the device's own JWT.
	Nonce    string
	IssuedAt time.Time
	// User are the claims about the account.
	User any
}

// claims are the claims of usher's JWTs.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  []string `json:"aud"`
	IssuedAt  int64    `json:"iat"`
	ExpiresAt int64    `json:"exp"`
	ID        string   `json:"jti"`
	Nonce     string   `json:"nonce"`
	// Thumbprint is the device key's ID, for clients. Verification here
	// uses Key: an ID can be given to another key later.
	Thumbprint string `json:"thumbprint"`
	Key        string `json:"sid"`
	User       any    `json:"user"`
}

// IssueJWT issues a JWT. It must not be called in a transaction: it may create
// the key that signs.
func (s *Service) IssueJWT(ctx context.Context, n NewJWT) (plexauth.Secret, error) {
	expires := n.IssuedAt.Add(JWTLife)
	if !n.KeyExpiresAt.IsZero() && n.KeyExpiresAt.Before(expires) {
		expires = n.KeyExpiresAt
	}
	text, err := s.signing.Sign(ctx, claims{
		Issuer: issuer, Audience: []string{Audience, n.Client}, IssuedAt: n.IssuedAt.Unix(), ExpiresAt: expires.Unix(),
		ID: n.ID, Nonce: n.Nonce, Thumbprint: n.KID, Key: base64.RawURLEncoding.EncodeToString(n.Key[:]), User: n.User,
	})
	if err != nil {
		return "", fmt.Errorf("issuing a JWT: %w", err)
	}
	return plexauth.Secret(text), nil
}

// jwtEntry is the cache entry of a JWT with a valid signature.
type jwtEntry struct {
	key     Hash
	expires int64  // Unix seconds
	seed    Hash   // of the whole JWT
	mark    uint64 // of the whole JWT
}

// jwtCache caches JWTs with a valid signature. The other conditions are
// not cached here: the device key is looked up each time.
//
// SHA-256 of a whole JWT takes ten times as long as that of an opaque token. So
// entries are keyed by the hash of the last half of the signature, which cannot be guessed,
// and a fast hash with a random seed compares the rest. A JWT that differs is verified as
// if it were not cached.
type jwtCache struct {
	entries *db.Cache[Hash, jwtEntry]
	seed    maphash.Seed
}

func newJWTCache(d *db.DB) jwtCache {
	stale := func(c db.Change) (h Hash, scope db.Scope) {
		if c.Topic == signing.Topic {
			return h, db.Everything
		}
		return h, db.Nothing
	}
	return jwtCache{db.NewCache[Hash, jwtEntry](d, maxJWTs, stale), maphash.MakeSeed()}
}

// tailLength is the last half of a signature in base64. SHA-256 takes it in one
// block.
const tailLength = 43

// get returns the entry of a JWT, which read verifies if it is not cached.
func (c jwtCache) get(token plexauth.Secret, read func() (jwtEntry, error)) (jwtEntry, error) {
	mark := maphash.String(c.seed, string(token))
	load := func() (jwtEntry, error) {
		e, err := read()
		e.seed, e.mark = HashOf(token), mark
		return e, err
	}
	e, err := c.entries.Get(HashOf(token[len(token)-tailLength:]), load)
	if err == nil && e.mark != mark {
		return load()
	}
	return e, err
}

// verifyJWT checks the signature of a JWT, its expiry, and then its device key:
// its claims about the account are not trusted, because the account can have changed
// since.
func (s *Service) verifyJWT(ctx context.Context, token plexauth.Secret, now time.Time) (Principal, error) {
	e, err := s.jwts.get(token, func() (jwtEntry, error) { return s.readJWT(ctx, token) })
	if err != nil {
		return Principal{}, err
	}
	if now.Unix() >= e.expires {
		return Principal{}, ErrExpired
	}
	p, err := s.lookup(ctx, e.key, now)
	if err != nil {
		return Principal{}, err
	}
	if p.Kind != DeviceKey {
		return Principal{}, ErrInvalid
	}
	p.Kind, p.ExpiresAt, p.seed = JWT, time.Unix(e.expires, 0), e.seed
	return p, nil
}

// readJWT verifies the signature of a JWT. Errors: ErrInvalid.
func (s *Service) readJWT(ctx context.Context, token plexauth.Secret) (jwtEntry, error) {
	var c claims
	err := s.signing.Verify(ctx, string(token), &c)
	if errors.Is(err, signing.ErrInvalid) {
		return jwtEntry{}, ErrInvalid
	}
	if err != nil {
		return jwtEntry{}, err
	}
	key, err := base64.RawURLEncoding.DecodeString(c.Key)
	if err != nil || len(key) != len(Hash{}) || c.Issuer != issuer {
		return jwtEntry{}, ErrInvalid
	}
	return jwtEntry{key: Hash(key), expires: c.ExpiresAt}, nil
}

// AddKey adds the row of a device key, in an open transaction, and
// evicts keys beyond PerDevice. The key is revoked with its parent: ErrInvalid
// if the parent no longer exists.
func (s *Service) AddKey(
	ctx context.Context, tx *db.Tx, by audit.Actor, accountID, deviceID int64, parent Parent,
) (id int64, h Hash, err error) {
	lineage, err := s.lineage(ctx, tx, parent)
	if err != nil {
		return 0, h, err
	}
	if err := s.makeRoom(ctx, tx, by, accountID, deviceID, DeviceKey, lineage); err != nil {
		return 0, h, fmt.Errorf("making room for a device key: %w", err)
	}
	_, _ = rand.Read(h[:]) // never fails; no token has this hash
	id, err = s.rows.Insert(ctx, tx, Row{
		Hash: h, Kind: DeviceKey, AccountID: accountID, DeviceID: deviceID,
		ParentID: parent.TokenID, ExpiresAt: parent.ExpiresAt,
	})
	if err != nil {
		return 0, h, fmt.Errorf("adding a device key: %w", err)
	}
	return id, h, nil
}

// RemoveKey removes a device key, in an open transaction.
func (s *Service) RemoveKey(ctx context.Context, tx *db.Tx, id int64) error {
	_, err := s.rows.Delete(ctx, tx, Selection{ID: id})
	return err
}

// Succeed revokes the access tokens of a device that receives a JWT for its key, in
// an open transaction, and returns their number.
//
// The key replaces the token or key with replacedID, if that is not 0: it gets its parent,
// and the tokens that other devices got through it. It never moves further up: a token that
// is revoked with another one cannot be turned into one that is not. So a token of the
// device that is still an ancestor of the key stays valid.
func (s *Service) Succeed(ctx context.Context, tx *db.Tx, keyID, deviceID, replacedID int64) (ended int, err error) {
	lineage, err := s.rows.Lineage(ctx, tx, keyID)
	if err != nil {
		return 0, err
	}
	if replacedID != 0 && len(lineage) > 1 && lineage[1] == replacedID {
		if ended, err = s.replace(ctx, tx, deviceID, lineage); err != nil {
			return 0, err
		}
	}
	ids, err := s.rows.LeastUsed(ctx, tx, deviceID, Access)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if slices.Contains(lineage, id) {
			continue // the replaced one no longer exists
		}
		n, err := s.rows.Delete(ctx, tx, Selection{ID: id})
		if err != nil {
			return 0, err
		}
		ended += n
	}
	return ended, nil
}

// replace replaces the parent of a key with the key, and revokes the parent. lineage begins
// with the key and the parent.
func (s *Service) replace(ctx context.Context, tx *db.Tx, deviceID int64, lineage []int64) (ended int, err error) {
	keyID, parentID, grandparentID := lineage[0], lineage[1], int64(0)
	if len(lineage) > 2 {
		grandparentID = lineage[2]
	}
	if err := s.rows.SetParent(ctx, tx, keyID, grandparentID); err != nil {
		return 0, err
	}
	if err := s.rows.Adopt(ctx, tx, parentID, keyID, deviceID); err != nil {
		return 0, err
	}
	return s.rows.Delete(ctx, tx, Selection{ID: parentID})
}
