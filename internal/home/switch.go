package home

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// needsPIN reports whether u can switch to target only with target's PIN. See the
// package comment.
func needsPIN(u, target User) bool {
	switch {
	case target.Managed() && target.Protected():
		return !u.Admin()
	case target.Managed():
		return false
	case target.Protected():
		return true
	}
	return u.Account.ID != target.Account.ID
}

// Switch issues a token of another user of the home, or another one of the same
// account, for the device of a principal. The token is a child of the principal's
// token: it is revoked with it, and expires with it. If a PIN is given, it must be
// correct, even if none is required.
//
// Attack: a managed user becomes the owner. Attack: someone guesses the PIN, also on
// several nodes at the same time. So the result is returned only if the user is not locked in
// the transaction that counts it. Attack: a user leaves the home and switches at the
// same time. So the users of the home and the PIN are read again in that transaction.
//
// ErrPIN, ErrLocked, ErrNotFound, guard.ErrBusy, token.ErrInvalid.
func (s *Service) Switch(
	ctx context.Context, by audit.Actor, p token.Principal, who string, pin plexauth.Secret, d device.Device,
) (account.Account, plexauth.Secret, error) {
	if !p.ActsForAccount() {
		return account.Account{}, "", token.ErrInvalid // no route permits this
	}
	var tok plexauth.Secret
	u, err := s.become(ctx, by, p.AccountID, who, pin, needsPIN, func(ctx context.Context, tx *db.Tx, u User) error {
		var detail string
		var err error
		tok, detail, err = s.tokens.AddNew(ctx, tx, by, u.Account.ID, p.Parent(), d)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.HomeSwitched, u, detail)
	})
	if err != nil {
		return account.Account{}, "", named("switching in a home", err)
	}
	return u.Account, tok, nil
}

// Choose returns the account that was chosen on a shared screen, where a member of the
// home is signed in on a page: the member, a managed user or the guest. Other accounts
// sign in themselves. If the chosen user has a PIN, it is required, because anyone may
// be in front of the screen. Errors: ErrPIN, ErrLocked, ErrNotFound, guard.ErrBusy.
func (s *Service) Choose(
	ctx context.Context, by audit.Actor, as int64, who string, pin plexauth.Secret,
) (account.Account, error) {
	needs := func(u, target User) bool {
		return target.Protected() || !target.Managed() && target.Account.ID != u.Account.ID
	}
	u, err := s.become(ctx, by, as, who, pin, needs, func(_ context.Context, _ *db.Tx, u User) error {
		if !u.Managed() && u.Account.ID != as {
			return ErrNotFound
		}
		return nil
	})
	return u.Account, named("choosing a user of a home", err)
}

// become checks that a user may switch to another one, and performs the switch, in one
// transaction.
func (s *Service) become(
	ctx context.Context, by audit.Actor, as int64, who string, pin plexauth.Secret,
	needs func(u, target User) bool, do func(context.Context, *db.Tx, User) error,
) (User, error) {
	target, err := s.targetOf(ctx, s.db, as, who, pin, needs)
	if err != nil {
		return User{}, err
	}
	checked, right := target.PIN, false
	if pin != "" {
		if right, err = s.match(ctx, by, target, pin); err != nil {
			return User{}, err
		}
	}
	var refusal error
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		refusal = nil
		now, err := s.targetOf(ctx, tx, as, who, pin, needs)
		if err != nil {
			return err
		}
		if pin != "" {
			if refusal, err = s.settle(ctx, tx, now, checked, right); refusal != nil || err != nil {
				return err
			}
		}
		target = now
		return do(ctx, tx, now)
	})
	if err == nil && refusal != nil {
		err = s.refused(ctx, by, target, refusal, ErrPIN)
	}
	return target, err
}

// targetOf returns the user to switch to. It makes all checks that do not depend on the
// PIN.
func (s *Service) targetOf(
	ctx context.Context, q db.Querier, as int64, who string, pin plexauth.Secret, needs func(u, target User) bool,
) (User, error) {
	h, err := s.of(ctx, q, as)
	// Attack: a switch that began before the account was disabled leads to a token that
	// is not a child of a token that was revoked then.
	if errors.Is(err, account.ErrNotFound) || err == nil && h.Self.Account.Disabled {
		return User{}, token.ErrInvalid
	}
	if err != nil {
		return User{}, err
	}
	target, err := h.Find(who)
	switch {
	case err != nil:
		return User{}, err
	case target.Account.Disabled:
		return User{}, ErrNotFound
	}
	// Attack: a PIN of four digits replaces the passkey that the rules of the account
	// require, or the second factor that an admin needs.
	closed, err := s.accounts.Closed(ctx, q, target.Account)
	switch {
	case err != nil:
		return User{}, err
	case closed && target.Account.ID != h.Self.Account.ID:
		return User{}, ErrPIN
	case pin == "" && needs(h.Self, target), pin != "" && !target.Protected():
		return User{}, ErrPIN
	}
	return target, nil
}
