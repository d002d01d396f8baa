package home

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// pinLength is the number of digits of a PIN.
const pinLength = 4

// checkPIN validates a new PIN.
func checkPIN(pin plexauth.Secret) error {
	if len(pin) != pinLength || strings.Trim(string(pin), "0123456789") != "" {
		return fault.Invalidf(PINField, "a PIN has %d digits", pinLength)
	}
	return nil
}

// ChangePIN sets or, if pin is empty, removes the PIN of an account that signs in. It
// requires the current PIN, if there is one. fault.Invalid, ErrCurrentPIN, ErrLocked,
// ErrNotAdmin for a managed user, guard.ErrBusy.
func (s *Service) ChangePIN(ctx context.Context, by audit.Actor, accountID int64, current, pin plexauth.Secret) error {
	h, err := s.Of(ctx, accountID)
	if err != nil {
		return err
	}
	u := h.Self
	switch {
	case u.Managed():
		return ErrNotAdmin
	case u.Protected() && current == "":
		return ErrCurrentPIN
	case u.Protected():
		err = s.confirm(ctx, by, u, current)
	}
	if err != nil {
		return err
	}
	return s.setPIN(ctx, by, accountID, pin, func(_ Home, now User) error {
		if now.PIN != u.PIN {
			return ErrCurrentPIN // it was changed concurrently
		}
		return nil
	})
}

// ResetPIN is ChangePIN for a user who has just entered the password of the account,
// or for the operator.
func (s *Service) ResetPIN(ctx context.Context, by audit.Actor, accountID int64, pin plexauth.Secret) error {
	return s.setPIN(ctx, by, accountID, pin, func(Home, User) error { return nil })
}

// SetManagedPIN sets or, if pin is empty, removes the PIN of a managed user or of the
// guest, as an admin of the home. Errors: fault.Invalid, ErrNotAdmin, ErrOwnPIN,
// ErrNotFound, guard.ErrBusy.
func (s *Service) SetManagedPIN(ctx context.Context, by audit.Actor, as int64, who string, pin plexauth.Secret) error {
	h, err := s.Of(ctx, as)
	if err != nil {
		return err
	}
	u, err := h.Find(who)
	if err != nil {
		return err
	}
	return s.setPIN(ctx, by, u.Account.ID, pin, func(now Home, u User) error {
		self, err := now.Find(fmt.Sprint(as))
		switch {
		case err != nil || !self.Admin():
			return ErrNotAdmin
		case !u.Managed():
			return ErrOwnPIN
		}
		return account.CheckMayChange(by, self.Account)
	})
}

// setPIN replaces a PIN and resets the count of wrong ones, if allow accepts the state
// of the home in the transaction.
func (s *Service) setPIN(
	ctx context.Context, by audit.Actor, accountID int64, pin plexauth.Secret, allow func(Home, User) error,
) error {
	h, err := s.Of(ctx, accountID)
	if err != nil {
		return err
	}
	if err := allow(h, h.Self); err != nil { // before the expensive hash
		return err
	}
	var hash plexauth.Secret
	if pin != "" {
		if err := checkPIN(pin); err != nil {
			return err
		}
		if hash, err = s.accounts.HashPIN(ctx, by, h.Self.Account, pin); err != nil {
			return err
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err := s.of(ctx, tx, accountID)
		if err != nil {
			return err
		}
		if err := account.CheckMayChange(by, h.Self.Account); err != nil {
			return err
		}
		if err := allow(h, h.Self); err != nil {
			return err
		}
		if hash == "" && !h.Self.Protected() {
			return nil
		}
		if err := s.found(ctx, tx, by, h); err != nil {
			return err
		}
		u, kind := h.Self, audit.HomePINChanged
		u.PIN, u.Wrong, u.LockedUntil = hash, 0, time.Time{}
		if hash == "" {
			kind = audit.HomePINRemoved
		}
		if err := s.rows.Update(ctx, tx, u); err != nil {
			return err
		}
		return s.record(ctx, tx, by, kind, u, "")
	})
	return named("changing a PIN", err)
}

// confirm checks the current PIN of an account. Errors: ErrCurrentPIN, ErrLocked.
func (s *Service) confirm(ctx context.Context, by audit.Actor, u User, pin plexauth.Secret) error {
	right, err := s.match(ctx, by, u, pin)
	if err != nil {
		return err
	}
	var refusal error
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, err := s.rows.User(ctx, tx, u.Account.ID)
		if err != nil {
			return err
		}
		refusal, err = s.settle(ctx, tx, now, u.PIN, right)
		return err
	})
	if err == nil && refusal != nil {
		err = s.refused(ctx, by, u, refusal, ErrCurrentPIN)
	}
	return named("checking a PIN", err)
}

// match reports whether a PIN is correct. It does not hash anything while the user is
// locked. Errors: ErrLocked, guard.ErrBusy.
func (s *Service) match(ctx context.Context, by audit.Actor, u User, pin plexauth.Secret) (bool, error) {
	if wait := s.wait(u, s.now()); wait > 0 {
		return false, fault.WithWait(ErrLocked, wait)
	}
	return s.accounts.MatchPIN(ctx, by, u.Account, pin, u.PIN)
}

// wait returns how long the PINs of a user are locked.
func (s *Service) wait(u User, now time.Time) time.Duration {
	if s.tries <= 0 {
		return 0
	}
	return max(0, u.LockedUntil.Sub(now))
}

// errWrong reports a wrong PIN.
var errWrong = errors.New("wrong PIN")

// settle records the result of checking a PIN against a hash, in a transaction. refusal
// is the reason why the check fails: errWrong, or ErrLocked if concurrent attempts have
// used up the tries. It must not roll back the transaction.
func (s *Service) settle(ctx context.Context, tx *db.Tx, now User, checked plexauth.Secret, right bool) (refusal, err error) {
	wait := s.wait(now, tx.Now())
	switch {
	case wait > 0:
		return fault.WithWait(ErrLocked, wait), nil
	case now.PIN != checked:
		return errWrong, nil // the PIN was changed meanwhile, so the result does not apply to it
	case right && now.Wrong == 0:
		return nil, nil
	case right:
		now.Wrong, now.LockedUntil = 0, time.Time{}
	default:
		refusal = errWrong
		now.Wrong++
		if s.tries > 0 {
			if lock := account.LockAfter(now.Wrong, s.tries); lock > 0 {
				now.LockedUntil = tx.Now().Add(lock)
			}
		}
	}
	return refusal, s.rows.SetTries(ctx, tx, now)
}

// refused returns the error for the caller of a check that failed. It records wrong
// PINs, but not those that were not checked.
func (s *Service) refused(ctx context.Context, by audit.Actor, u User, refusal, wrong error) error {
	if !errors.Is(refusal, errWrong) {
		return refusal
	}
	e := audit.Event{Kind: audit.HomePINRefused, AccountID: u.Account.ID, Account: u.Account.Username}
	if err := s.audit.RecordFailure(ctx, by, e); err != nil {
		return err
	}
	return wrong
}
