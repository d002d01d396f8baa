package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Errors of a sign-in.
var (
	// ErrCredentials says that the login or the password is wrong, or the
	// account is disabled. It does not say which.
	ErrCredentials = fault.New(fault.Unauthenticated, "the name or the password is not right")
	// ErrCode says that a second factor is needed or its code is wrong. It is
	// returned only if the password is right.
	ErrCode = fault.New(fault.Unauthenticated, "the code is not right, or was used before")
	// ErrRateLimited says that too many attempts have failed. It has a wait.
	ErrRateLimited = fault.New(fault.Limited, "too many failed tries")
)

// Credentials are what someone gives to sign in.
type Credentials struct {
	// Login is a username or an e-mail address, in any case.
	Login string
	// Password may have the code at its end instead of in Code.
	Password plexauth.Secret
	// Code is a TOTP or backup code; empty without one.
	Code plexauth.Secret
}

// Verified is an account with the proof that someone signs in to it.
type Verified struct {
	signin.Proof
	Account Account // as it was checked
	// Complete is false if the second factor is still missing.
	Complete bool
}

// Verify checks credentials. It takes the same work and returns the same error
// whether the account exists or not: what is hashed depends on the given text
// alone. Failed attempts are recorded in the audit log, except for those beyond
// the rate limit. Attempts are counted by the address of by. ErrCredentials,
// ErrCode, ErrRateLimited, guard.ErrBusy.
func (s *Service) Verify(ctx context.Context, by audit.Actor, c Credentials) (Verified, error) {
	v, err := s.VerifyPassword(ctx, by, c)
	if err == nil && !v.Complete {
		err = s.failed(ctx, by, v.Account, codeMissing, ErrCode)
	}
	if err != nil {
		return Verified{}, err
	}
	return v, nil
}

// VerifyPassword is Verify for callers that ask for the second factor in a
// second step: without a code where one is needed, the result is not Complete.
func (s *Service) VerifyPassword(ctx context.Context, by audit.Actor, c Credentials) (Verified, error) {
	t := s.newTry(c, by.Address)
	if err := t.allowed(); err != nil {
		return Verified{}, err
	}
	a, err := s.rows.ByLogin(ctx, s.db, t.login)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return Verified{}, err
	}
	password, code, right, err := s.checkInTurn(ctx, t, a, c)
	if err != nil {
		return Verified{}, err
	}
	// From here on the attempt is recorded, also if the caller hangs up.
	ctx = context.WithoutCancel(ctx)
	if !right || a.Disabled {
		return Verified{}, s.failed(ctx, by, a, whyFailed(a, right), ErrCredentials)
	}
	claim := signin.Claim{Partial: a.HasSecondFactor() && code == ""}
	if a.HasSecondFactor() && code != "" {
		if err := s.checkCode(ctx, by, a, &claim, code); err != nil {
			return Verified{}, err
		}
	}
	if claim.NewPasswordHash, err = s.rehash(ctx, t, a, password); err != nil {
		return Verified{}, err
	}
	return s.verified(a, claim), nil
}

// VerifyCode is the second step, for an account whose password was right a
// moment ago, when the account was at a revision. ErrCode, ErrCredentials if
// the account has changed since, ErrRateLimited, ErrNotFound.
func (s *Service) VerifyCode(
	ctx context.Context, by audit.Actor, accountID, revision int64, code plexauth.Secret,
) (Verified, error) {
	a, err := s.rows.Get(ctx, s.db, accountID)
	if err != nil {
		return Verified{}, named("finding an account", err)
	}
	if a.Revision != revision || a.Disabled {
		return Verified{}, s.failed(ctx, by, a, changed, ErrCredentials)
	}
	if !a.HasSecondFactor() || code == "" {
		return Verified{}, ErrCode
	}
	var claim signin.Claim
	if err := s.checkCode(ctx, by, a, &claim, code); err != nil {
		return Verified{}, err
	}
	return s.verified(a, claim), nil
}

// verified makes the proof of a claim about an account.
func (s *Service) verified(a Account, c signin.Claim) Verified {
	c.AccountID, c.Revision = a.ID, a.Revision
	usedCode := c.TOTPStep > 0 || c.UsedBackup
	c.Void = func(ctx context.Context, by audit.Actor) error {
		if !usedCode {
			return s.failed(ctx, by, a, changed, ErrCredentials)
		}
		// The code was used meanwhile, or there is no such backup code.
		s.codes.Failed(codeKey(a), s.now())
		return s.failed(ctx, by, a, wrongCode, ErrCode)
	}
	return Verified{Proof: signin.NewProof(c), Account: a, Complete: !c.Partial}
}

// try is one attempt at a password, as the rate limits count it.
type try struct {
	service          *Service
	login            string // folded
	account, network string // the keys
}

func (s *Service) newTry(c Credentials, address string) try {
	login, network := loginKey(c.Login), guard.Network(address)
	return try{s, login, login + "\x00" + network, network}
}

// claim is what the attempt's turn to hash is counted by.
func (t try) claim() guard.Claim { return guard.Claim{Network: t.network, Account: t.login} }

// allowed returns ErrRateLimited if too many attempts have failed.
func (t try) allowed() error {
	s, now := t.service, t.service.now()
	if wait := max(s.logins.Wait(t.account, now), s.addresses.Wait(t.network, now)); wait > 0 {
		return fault.WithWait(ErrRateLimited, wait)
	}
	return nil
}

// count counts a failure against the account and the address, or clears the
// account's failures after a success.
func (t try) count(good bool) {
	s, now := t.service, t.service.now()
	if good {
		s.logins.Succeeded(t.account)
		return
	}
	s.logins.Failed(t.account, now)
	s.addresses.Failed(t.network, now)
}

// checkInTurn checks the password when it is its turn, and counts the outcome.
// Attempts that waited see the failures of those before them: concurrent
// attempts can exceed the limit by the number of hashing slots. Holding back an
// attempt before it has failed would hold back people who have the password
// right, too.
func (s *Service) checkInTurn(
	ctx context.Context, t try, a Account, c Credentials,
) (password, code plexauth.Secret, right bool, err error) {
	leave, err := s.enter(ctx, t.claim())
	if err != nil {
		return "", "", false, err
	}
	defer leave()
	if err := t.allowed(); err != nil {
		return "", "", false, err
	}
	password, code, right = s.checkPassword(a, c)
	t.count(right && !a.Disabled)
	return password, code, right, nil
}

// failed records a sign-in that failed for a reason, and returns the error for
// the caller. It never records the login that was given: someone may have typed
// their password into that field. Attempts beyond the rate limit do not come
// here.
func (s *Service) failed(ctx context.Context, by audit.Actor, a Account, reason string, err error) error {
	e := audit.Event{Kind: audit.SignInRefused, AccountID: a.ID, Account: a.Username, Detail: reason}
	if reason == codeMissing {
		e.Kind, e.Detail = audit.SignInUnfinished, ""
	}
	if recording := s.audit.RecordFailure(ctx, by, e); recording != nil {
		return recording
	}
	return err
}

// Why a sign-in failed, as the audit log has it.
const (
	noAccount     = "no such account"
	disabled      = "the account is disabled"
	wrongPassword = "wrong password"
	wrongCode     = "wrong verification code"
	codeMissing   = "no verification code"
	changed       = "the account changed meanwhile"
)

// whyFailed is why an account's credentials are not accepted.
func whyFailed(a Account, right bool) string {
	switch {
	case a.ID == 0:
		return noAccount
	case right:
		return disabled
	}
	return wrongPassword
}

// checkPassword reports whether the password is right, alone or before a code
// at its end, and separates the two. An account that does not exist, or has no
// password, costs as much as one with a password.
func (s *Service) checkPassword(a Account, c Credentials) (password, code plexauth.Secret, right bool) {
	have, err := parsePHC(a.PasswordHash)
	if err != nil {
		have = phc{s.hasher.cost, make([]byte, saltSize), make([]byte, hashSize)}
	}
	known := err == nil
	whole := s.hasher.matches(c.Password, have) && known
	if c.Code != "" {
		return c.Password, c.Code, whole
	}
	rest, code, split := splitCode(c.Password)
	if !split {
		return c.Password, "", whole
	}
	before := s.hasher.matches(rest, have) && known
	if !whole && before && a.HasSecondFactor() {
		return rest, code, true
	}
	return c.Password, "", whole
}

// codeKey is what failed codes are counted by: the account and not the address,
// since only someone who has the password gets this far.
func codeKey(a Account) string { return strconv.FormatInt(a.ID, 10) }

// checkCode finds out what the code is and puts it into the claim.
func (s *Service) checkCode(
	ctx context.Context, by audit.Actor, a Account, claim *signin.Claim, code plexauth.Secret,
) error {
	now, key := s.now(), codeKey(a)
	if wait := s.codes.Wait(key, now); wait > 0 {
		return fault.WithWait(ErrRateLimited, wait)
	}
	opened, err := s.key.Open(seedPurpose(a), a.TOTPSeed)
	if err != nil {
		return fmt.Errorf("opening the seed of account %d: %w", a.ID, err)
	}
	if claim.TOTPStep, err = matchStep(seed(opened), code, now, a.TOTPStep); err != nil {
		return err
	}
	if claim.TOTPStep > 0 {
		s.codes.Succeeded(key)
		return nil
	}
	if len(normalBackup(code)) == backupGroups*backupGroup {
		claim.BackupCode, claim.UsedBackup = hashBackup(s.key, a.UUID, code), true
		return nil // spending it shows whether there is such a code
	}
	s.codes.Failed(key, now)
	return s.failed(ctx, by, a, wrongCode, ErrCode)
}

// rehash hashes the password again if the account's hash has another cost than
// new ones.
func (s *Service) rehash(
	ctx context.Context, t try, a Account, password plexauth.Secret,
) (plexauth.Secret, error) {
	have, err := parsePHC(a.PasswordHash)
	if err != nil || have.cost == s.hasher.cost {
		return "", err
	}
	leave, err := s.enter(ctx, t.claim())
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(password), nil
}
