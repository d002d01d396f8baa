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

// pinLength is how many digits a PIN has.
const pinLength = 4

// checkPIN checks a new PIN.
func checkPIN(pin plexauth.Secret) error {
	if len(pin) != pinLength || strings.Trim(string(pin), "0123456789") != "" {
		return fault.Invalidf(PINField, "a PIN has %d digits", pinLength)
	}
	return nil
}

// ChangePIN sets or, if pin is empty, removes the PIN of an account that signs in,
// with the present PIN if there is one. fault.Invalid, ErrCurrentPIN, ErrLocked,
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
			return ErrCurrentPIN // it was changed at the same time
		}
		return nil
	})
}

// ResetPIN is ChangePIN for a user who has just entered the password of the account,
// or for the operator.
func (s *Service) ResetPIN(ctx context.Context, by audit.Actor, accountID int64, pin plexauth.Secret) error {
	return s.setPIN(ctx, by, accountID, pin, func(Home, User) error { return nil })
}

// SetManagedPIN sets or, if pin is empty, removes the PIN of a managed user or of
// the guest, as an admin of the home. fault.Invalid, ErrNotAdmin, ErrOwnPIN,
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

// setPIN replaces a PIN and forgets wrong ones, if allow has nothing against it as
// things are then.
func (s *Service) setPIN(
	ctx context.Context, by audit.Actor, accountID int64, pin plexauth.Secret, allow func(Home, User) error,
) error {
	h, err := s.Of(ctx, accountID)
	if err != nil {
		return err
	}
	if err := allow(h, h.Self); err != nil { // before the work of hashing
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

// confirm checks the present PIN of an account. ErrCurrentPIN, ErrLocked.
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

// match reports whether a PIN is a user's. It does not hash anything while no PIN
// is tried. ErrLocked, guard.ErrBusy.
func (s *Service) match(ctx context.Context, by audit.Actor, u User, pin plexauth.Secret) (bool, error) {
	if wait := s.wait(u, s.now()); wait > 0 {
		return false, fault.WithWait(ErrLocked, wait)
	}
	return s.accounts.MatchPIN(ctx, by, u.Account, pin, u.PIN)
}

// wait returns how long no PIN of a user is tried.
func (s *Service) wait(u User, now time.Time) time.Duration {
	if s.tries <= 0 {
		return 0
	}
	return max(0, u.LockedUntil.Sub(now))
}

// errWrong says that a PIN was wrong.
var errWrong = errors.New("wrong PIN")

// settle counts the outcome of a check of a PIN against a hash, in a transaction. It
// returns why the caller learns nothing, which must not undo the transaction:
// errWrong, or ErrLocked if others have used up the tries meanwhile.
func (s *Service) settle(ctx context.Context, tx *db.Tx, now User, checked plexauth.Secret, right bool) (refusal, err error) {
	wait := s.wait(now, tx.Now())
	switch {
	case wait > 0:
		return fault.WithWait(ErrLocked, wait), nil
	case now.PIN != checked:
		return errWrong, nil // it was changed meanwhile: nothing is known of this one
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

// refused returns the error for the caller of a check that failed. Wrong PINs are
// recorded; those that were not looked at are not.
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
