package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

// SignOut revokes the principal's stored token and all its descendants.
// ErrInvalid if it has been revoked meanwhile.
func (s *Service) SignOut(ctx context.Context, by audit.Actor, p Principal) error {
	err := s.revokeOne(ctx, by, p.TokenID, audit.SignOut)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrInvalid, err)
	}
	return err
}

// Revoke revokes a token and all its descendants. Errors: ErrNotFound.
func (s *Service) Revoke(ctx context.Context, by audit.Actor, id int64) error {
	return s.revokeOne(ctx, by, id, audit.TokenRevoked)
}

func (s *Service) revokeOne(ctx context.Context, by audit.Actor, id int64, kind audit.Kind) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.rows.Get(ctx, tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := s.CheckMayChange(ctx, tx, by, t.AccountID); err != nil {
			return err
		}
		n, err := s.rows.Delete(ctx, tx, Selection{ID: id})
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("token %d", id)
		if d := t.Device.Describe(); d != "" {
			detail += " of " + d
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: kind, AccountID: t.AccountID, Account: t.Username, Detail: detail + AndTokens(n-1),
		})
	})
	if err != nil {
		return fmt.Errorf("revoking token %d: %w", id, err)
	}
	return nil
}

// RevokeDevice revokes every token of one of an account's devices. ErrNoDevice
// if it holds none.
func (s *Service) RevokeDevice(ctx context.Context, by audit.Actor, accountID, deviceID int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if accountID == 0 || deviceID == 0 {
			return ErrNoDevice // in a selection, 0 would mean all
		}
		if err := s.CheckMayChange(ctx, tx, by, accountID); err != nil {
			return err
		}
		n, err := s.rows.Delete(ctx, tx, Selection{AccountID: accountID, DeviceID: deviceID})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNoDevice
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.TokenRevoked, AccountID: accountID, Detail: fmt.Sprintf("%d of device %d", n, deviceID),
		})
	})
	if err != nil {
		return fmt.Errorf("revoking device %d: %w", deviceID, err)
	}
	return nil
}

// CheckMayChange returns an error unless an actor can revoke the tokens and sessions of
// an account, in an open transaction. Errors: account.ErrMembersOnly.
func (s *Service) CheckMayChange(ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64) error {
	if s.accounts == nil {
		return nil
	}
	return s.accounts.CheckMayChangeID(ctx, tx, by, accountID)
}

// RevokeAccount revokes every token of an account, in an open transaction, and returns
// how many there were.
func (s *Service) RevokeAccount(ctx context.Context, tx *db.Tx, accountID int64) (int, error) {
	return s.rows.Delete(ctx, tx, Selection{AccountID: accountID})
}

// RevokeSwitched revokes the tokens from home switches from and to an account, in an
// open transaction, and returns their number.
func (s *Service) RevokeSwitched(ctx context.Context, tx *db.Tx, accountID int64) (int, error) {
	return s.rows.RevokeSwitched(ctx, tx, accountID)
}

// RevokeServer revokes the tokens for a server, in an open
// transaction: those of one account or, if that is 0, of all. It returns their
// number.
func (s *Service) RevokeServer(ctx context.Context, tx *db.Tx, sourceID, accountID int64) (int, error) {
	if sourceID == 0 {
		return 0, nil // in a selection, 0 would mean all
	}
	return s.rows.Delete(ctx, tx, Selection{SourceID: sourceID, AccountID: accountID})
}

// AndTokens returns the end of a sentence about how many tokens were revoked with
// something.
func AndTokens(n int) string {
	switch {
	case n <= 0:
		return ""
	case n == 1:
		return ", and one token"
	}
	return fmt.Sprintf(", and %d tokens", n)
}
