package account

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// CodeTries counts how often in a row a device sent a wrong code of the second factor. The
// zero value counts none.
type CodeTries struct {
	Wrong int
	// LockedUntil is when it can try again.
	LockedUntil time.Time
}

// Guesses are wrong codes after the right password of an account, which are shown to its
// owner. The zero value means that there were no wrong codes.
type Guesses struct {
	Wrong         int
	First, Latest time.Time
}

// CodeRows stores wrong codes. Package store implements it.
type CodeRows interface {
	// CodeTries returns the wrong codes of a device of an account.
	CodeTries(ctx context.Context, q db.Querier, id int64, device string) (CodeTries, error)
	// SetCodeTries replaces them.
	SetCodeTries(ctx context.Context, tx *db.Tx, id int64, device string, t CodeTries) error
	// DeleteCodeTries removes the count of a device, and ClearCodeTries all counts.
	DeleteCodeTries(ctx context.Context, tx *db.Tx, id int64, device string) error
	ClearCodeTries(ctx context.Context, tx *db.Tx, id int64) error
	// HasBackupCode reports whether an account has a backup code.
	HasBackupCode(ctx context.Context, q db.Querier, id int64, code signin.Hash) (bool, error)
	// Guesses returns the unread guesses of an account.
	Guesses(ctx context.Context, q db.Querier, id int64) (Guesses, error)
	// SetGuesses replaces it, and DeleteGuesses removes it.
	SetGuesses(ctx context.Context, tx *db.Tx, id int64, g Guesses) error
	DeleteGuesses(ctx context.Context, tx *db.Tx, id int64) error
}

const (
	// firstLock is how long a device waits when it has used up its tries. Each
	// further wrong code doubles it, up to longestLock: an attacker who has the
	// password and guesses for a year succeeds with a chance of one in 800.
	firstLock   = time.Minute
	longestLock = 24 * time.Hour
)

// lockAfter returns how long a device waits after wrong codes in a row, of which
// some are free.
func lockAfter(wrong, free int) time.Duration {
	lock := firstLock
	for range wrong - free {
		if lock *= 2; lock >= longestLock {
			return longestLock
		}
	}
	if wrong < free {
		return 0
	}
	return lock
}

// checkCode finds out what the code is and puts it into the claim. The check and the
// count are one transaction: concurrent codes cannot exceed the limit, and no code is
// checked while the device is locked. Spending the proof of a right code resets the
// count. Errors: ErrCode, ErrRateLimited.
func (s *Service) checkCode(
	ctx context.Context, by audit.Actor, a Account, at place, claim *signin.Claim, code plexauth.Secret,
) error {
	var right bool
	var wait time.Duration
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		right, wait = false, 0
		tries, err := s.rows.CodeTries(ctx, tx, a.ID, at.codes)
		if err != nil {
			return err
		}
		if wait = tries.LockedUntil.Sub(tx.Now()); wait > 0 && s.wrongCodes > 0 {
			return nil
		}
		if right, err = s.match(ctx, tx, a, claim, code); err != nil || right || s.wrongCodes <= 0 {
			return err
		}
		return s.countWrong(ctx, tx, by, a, at, tries)
	})
	switch {
	case err != nil:
		return named("checking a code", err)
	case right:
		claim.Void = func(ctx context.Context, by audit.Actor) error { return s.failed(ctx, by, a, wrongCode, ErrCode) }
		claim.Spent = func(ctx context.Context, tx *db.Tx) error { return s.rows.DeleteCodeTries(ctx, tx, a.ID, at.codes) }
		return nil
	case wait > 0 && s.wrongCodes > 0:
		return fault.WithWait(ErrRateLimited, wait)
	}
	return s.failed(ctx, by, a, wrongCode, ErrCode)
}

// match reports whether a code is right, and puts it into the claim. Spending the
// claim shows whether it still is: the code can be used concurrently.
func (s *Service) match(
	ctx context.Context, q db.Querier, a Account, claim *signin.Claim, code plexauth.Secret,
) (right bool, err error) {
	opened, err := s.key.Open(seedPurpose(a), a.TOTPSeed)
	if err != nil {
		return false, fmt.Errorf("opening the seed of account %d: %w", a.ID, err)
	}
	if claim.TOTPStep, err = matchStep(seed(opened), code, s.now(), a.TOTPStep); err != nil || claim.TOTPStep > 0 {
		return err == nil, err
	}
	if len(normalBackup(code)) != backupGroups*backupGroup {
		return false, nil
	}
	claim.BackupCode = hashBackup(s.key, a.UUID, code)
	claim.UsedBackup, err = s.rows.HasBackupCode(ctx, q, a.ID, claim.BackupCode)
	return claim.UsedBackup, err
}

// countWrong counts a wrong code. If the tries are used up, the device is locked
// and the account's owner is notified.
func (s *Service) countWrong(
	ctx context.Context, tx *db.Tx, by audit.Actor, a Account, at place, t CodeTries,
) error {
	t.Wrong++
	lock := lockAfter(t.Wrong, s.wrongCodes)
	if lock > 0 {
		t.LockedUntil = tx.Now().Add(lock)
	}
	if err := s.rows.SetCodeTries(ctx, tx, a.ID, at.codes, t); err != nil || lock == 0 {
		return err
	}
	g, err := s.rows.Guesses(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	if g.First.IsZero() {
		g.First = tx.Now()
	}
	g.Wrong, g.Latest = max(g.Wrong, t.Wrong), tx.Now()
	if err := s.rows.SetGuesses(ctx, tx, a.ID, g); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.SecondFactorGuessed, AccountID: a.ID, Account: a.Username,
		Detail: fmt.Sprintf("%d wrong codes in a row, locked for %s", t.Wrong, lock),
	})
}

// Guesses returns the guesses that the owner of an account has not read yet.
func (s *Service) Guesses(ctx context.Context, id int64) (Guesses, error) {
	g, err := s.rows.Guesses(ctx, s.db, id)
	return g, named("reading guesses", err)
}

// ReadGuesses marks the guesses of an account as read. The lock stays.
func (s *Service) ReadGuesses(ctx context.Context, id int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.rows.DeleteGuesses(ctx, tx, id) })
	return named("removing a notice", err)
}
