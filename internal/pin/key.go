package pin

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// GetJWT is Get for a device that signs its poll with the key of the PIN. Once the PIN
// is linked, it returns a JWT in place of a token: the key replaces the token, and each
// poll returns the same JWT. If another key signed the poll, or if the PIN needs a
// proof, it returns the same as Get. Errors: ErrNotFound, fault.Limited, and those of
// package devicekey.
func (s *Service) GetJWT(
	ctx context.Context, by audit.Actor, id int64, client, signed string,
) (PIN, plexauth.Secret, error) {
	p, err := s.find(ctx, id, client, by.Address)
	if err != nil {
		return PIN{}, "", err
	}
	if p.AccountID == 0 || p.Forward != "" {
		return s.answer(p)
	}
	claim, ok, err := s.keys.Claim(p.JWK, client, signed)
	if err != nil {
		return PIN{}, "", err
	}
	if !ok {
		return s.answer(p)
	}
	if p, err = s.exchange(ctx, by, p, claim); err != nil {
		return PIN{}, "", named("exchanging a PIN", err)
	}
	jwt, err := s.keys.OfPIN(ctx, claim, p.TokenHash)
	if errors.Is(err, token.ErrInvalid) {
		err = fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return p, jwt, err
}

// exchange replaces the token of a PIN with the device's key, unless an earlier poll
// has done so.
func (s *Service) exchange(ctx context.Context, by audit.Actor, p PIN, claim devicekey.Claim) (PIN, error) {
	tok := s.tokens.OfPIN(p.Nonce)
	if p.TokenHash != token.HashOf(tok) {
		return p, nil
	}
	principal, err := s.tokens.Verify(ctx, tok)
	if err != nil && !errors.Is(err, token.ErrInvalid) {
		return p, err
	}
	by.AccountID = p.AccountID
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if p, err = s.rows.Get(ctx, tx, p.ID); err != nil {
			return err
		}
		switch {
		case p.Revoked:
			return ErrNotFound
		case p.TokenHash != token.HashOf(tok):
			return nil // another poll was faster
		case principal.TokenID == 0:
			return ErrNotFound // the PIN has expired
		}
		if p.TokenHash, err = s.keys.ExchangePIN(ctx, tx, by, claim, principal); err != nil {
			return err
		}
		return s.rows.SetLinked(ctx, tx, p.ID, p.AccountID, p.TokenHash)
	})
	return p, err
}
