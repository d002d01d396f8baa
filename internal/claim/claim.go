// Package claim manages claims: the codes with which a user connects a media server to
// an account.
//
// It owns the codes: their lifetime, their single use, and their revocation with the
// token that requested them. It does not own what a claimed server can do: this server
// already belongs to its admins.
package claim

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// ErrInvalid reports that a claim is unknown, used or expired, or that the token that
// requested it was revoked. Callers cannot tell which.
var ErrInvalid = fault.Invalidf("token", "the claim token is not valid: it works once, for four minutes")

// Life is the lifetime of a claim (from a client's source).
const Life = 4 * time.Minute

// prefix is the beginning of a claim, by which clients recognize it.
const prefix = "claim-"

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// UseNonce marks a one-time text as used, and deletes those that have expired. The
	// error is db.ErrConflict if it was used before.
	UseNonce(ctx context.Context, tx *db.Tx, nonce string, until, now time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Accounts and Tokens manage the accounts and the tokens that claims belong to.
	// Required.
	Accounts *account.Service
	Tokens   *token.Service
	// Key authenticates claims. Required.
	Key *seal.Key
	// Random is the source of randomness of claims. If nil, it is crypto/rand.Reader.
	// Any other source makes them predictable, and is for tests only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service creates and redeems claims. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	accounts *account.Service
	tokens   *token.Service
	key      [32]byte
	now      func() time.Time
	random   io.Reader
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{cfg.DB, cfg.Rows, cfg.Accounts, cfg.Tokens, cfg.Key.Derive("claims"), cfg.Now, cfg.Random}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// A claim consists of the ID of the token that requested it, the time, a random number,
// and an HMAC over them. So nothing is stored until it is used.
const (
	bodySize = 8 + 8 + 8
	macSize  = 16
)

// New creates a claim for the account of a principal.
func (s *Service) New(p token.Principal) plexauth.Secret {
	var b [bodySize]byte
	binary.BigEndian.PutUint64(b[:], uint64(p.TokenID))
	binary.BigEndian.PutUint64(b[8:], uint64(s.now().Unix()))
	_, _ = io.ReadFull(s.random, b[16:]) // crypto/rand never fails
	return plexauth.Secret(prefix + base64.RawURLEncoding.EncodeToString(append(b[:], s.mac(b[:])...)))
}

func (s *Service) mac(body []byte) []byte {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write(body)
	return mac.Sum(nil)[:macSize]
}

// Redeem uses up a claim, and returns its account. Errors: ErrInvalid.
func (s *Service) Redeem(ctx context.Context, claim plexauth.Secret) (account.Account, error) {
	text, ok := strings.CutPrefix(string(claim), prefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) != bodySize+macSize || !hmac.Equal(b[bodySize:], s.mac(b[:bodySize])) {
		return account.Account{}, ErrInvalid
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0).Add(Life)
	if !s.now().Before(until) {
		return account.Account{}, ErrInvalid
	}
	owner, err := s.tokens.Get(ctx, int64(binary.BigEndian.Uint64(b)))
	if errors.Is(err, token.ErrNotFound) {
		return account.Account{}, ErrInvalid
	}
	if err != nil {
		return account.Account{}, err
	}
	var found account.Account
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if err := s.rows.UseNonce(ctx, tx, text, until, tx.Now()); err != nil {
			return err
		}
		found, err = s.accounts.Active(ctx, tx, owner.AccountID)
		return err
	})
	if errors.Is(err, db.ErrConflict) || errors.Is(err, account.ErrNotFound) {
		return account.Account{}, ErrInvalid
	}
	if err != nil {
		return account.Account{}, fmt.Errorf("redeeming a claim: %w", err)
	}
	return found, nil
}
