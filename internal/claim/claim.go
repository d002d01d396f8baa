// Package claim is the codes by which a person ties a media server to an account.
//
// It owns the codes: how long one works, that it works once, and that it ends
// with the token that asked for it. It does not own what a claim leads to: this
// server belongs to its admins already.
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

// ErrInvalid reports that a claim is unknown, used or expired, or that the token
// that asked for it was revoked. It does not say which.
var ErrInvalid = fault.Invalidf("token", "the claim token is not valid: it works once, for four minutes")

// Life is how long a claim works (a client's source).
const Life = 4 * time.Minute

// prefix is how clients tell a claim.
const prefix = "claim-"

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// UseNonce uses a text that works once, and forgets those that have expired by
	// now: db.ErrConflict if it was used before.
	UseNonce(ctx context.Context, tx *db.Tx, nonce string, until, now time.Time) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Accounts and Tokens are whose claims they are. Required.
	Accounts *account.Service
	Tokens   *token.Service
	// Key is what claims are authenticated with. Required.
	Key *seal.Key
	// Random gives the bits of claims. Nil: crypto/rand.Reader. Anything else makes
	// them predictable, and is for tests.
	Random io.Reader
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service makes and redeems claims. It is safe for concurrent use.
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

// A claim is the ID of the token that asked, the time, a random number, and an
// HMAC over them: nothing is stored until it is used.
const (
	bodySize = 8 + 8 + 8
	macSize  = 16
)

// New makes a claim for the account of a principal.
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

// Redeem uses a claim, and returns the account that it is of. ErrInvalid.
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
