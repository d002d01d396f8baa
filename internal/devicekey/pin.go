package devicekey

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// Claim is the proof of a device that polls a PIN that it has the PIN's key.
type Claim struct {
	key    PublicKey
	claims claims
}

// Claim checks a JWT that the device of a PIN signed. It needs no nonce, because it is
// valid only until the PIN expires. ok is false if another key signed it: the device
// then gets an ordinary token (from a client's source).
func (s *Service) Claim(jwk []byte, client, text string) (c Claim, ok bool, err error) {
	key, err := ParsePublicKey(jwk)
	if err != nil {
		return Claim{}, false, nil
	}
	signed, err := parse(text)
	if err != nil {
		return Claim{}, false, err
	}
	if signed.kid != key.ID || signed.algorithm != string(key.algorithm) {
		return Claim{}, false, nil
	}
	opened, err := signed.open(key, client, s.now())
	if errors.Is(err, ErrSignature) {
		return Claim{}, false, nil
	}
	if err != nil {
		return Claim{}, false, err
	}
	return Claim{key, opened}, true, nil
}

// ExchangePIN registers the key of a claim for its device, in an open transaction, in
// place of the access token that the PIN was linked with. It returns the hash of the
// key. Errors: ErrTaken.
func (s *Service) ExchangePIN(
	ctx context.Context, tx *db.Tx, by audit.Actor, c Claim, p token.Principal,
) (token.Hash, error) {
	k, err := s.add(ctx, tx, by, owner{p.AccountID, p.DeviceID, p.Parent()}, c.key)
	if err != nil {
		return token.Hash{}, err
	}
	return k.Hash, s.succeed(ctx, tx, by, k)
}

// OfPIN returns the JWT for a claim, the same one at every call. h is the result of
// ExchangePIN. The error is token.ErrInvalid if the key was revoked.
func (s *Service) OfPIN(ctx context.Context, c Claim, h token.Hash) (plexauth.Secret, error) {
	k, err := s.rows.ByKID(ctx, s.db, c.key.ID)
	if errors.Is(err, db.ErrNotFound) || err == nil && k.Hash != h {
		return "", token.ErrInvalid
	}
	if err != nil {
		return "", err
	}
	return s.issue(ctx, k, c.claims, hex.EncodeToString(k.Hash[:16]), k.CreatedAt)
}
