package account

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/signin"
)

// Errors of a sign-up.
var (
	// ErrSignUpClosed reports that users cannot sign up.
	ErrSignUpClosed = fault.New(fault.Denied, "sign-up is off on this server: an admin adds accounts")
	// ErrSignUps reports that too many accounts were requested from one network. It
	// contains the time to wait.
	ErrSignUps = fault.New(fault.Limited, "too many sign-ups from this network")
)

// signUpRefill is the time after which a sign-up of a network is forgotten. Sign-ups
// are limited because each one reveals whether a name is taken, and costs a hash and a
// row.
const signUpRefill = 6 * time.Minute

// SignUpOpen reports whether users can sign up. The operator must have added the first
// account.
func (s *Service) SignUpOpen(ctx context.Context) (bool, error) {
	if !s.signUp {
		return false, nil
	}
	return s.Any(ctx)
}

// SignUp is Add for a visitor, who becomes a member with an unconfirmed e-mail address.
// It also returns the proof that the caller, who has just chosen the password, is that
// account. Sign-ups are counted by network, including those that fail because a name is
// taken. Errors: fault.Invalid, ErrExists, ErrAlike, ErrSignUpClosed, ErrSignUps,
// guard.ErrBusy.
func (s *Service) SignUp(ctx context.Context, by audit.Actor, n NewAccount) (Verified, error) {
	open, err := s.SignUpOpen(ctx)
	if err == nil && !open {
		err = ErrSignUpClosed
	}
	if err != nil {
		return Verified{}, err
	}
	a, err := newNames(n.Username, n.Email)
	if err = fault.Join(err, CheckPassword(n.Password)); err == nil {
		err = s.countSignUp(ctx, by)
	}
	if err == nil {
		a.PasswordHash, err = s.hash(ctx, by, n.Password)
	}
	if err != nil {
		return Verified{}, named("signing up", err)
	}
	a.UUID, a.ConfirmedEmail = s.NewUUID(), ""
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.insert(ctx, tx, by, &a, "sign-up") })
	if err != nil {
		return Verified{}, named("signing up", err)
	}
	return s.verified(a, signin.Claim{}), nil
}

// countSignUp counts a sign-up against its network. Errors: ErrSignUps.
func (s *Service) countSignUp(ctx context.Context, by audit.Actor) error {
	wait, err := s.signUps.Take(ctx, guard.Network(by.Address), s.now())
	if err == nil && wait > 0 {
		err = fault.WithWait(ErrSignUps, wait)
	}
	return err
}
