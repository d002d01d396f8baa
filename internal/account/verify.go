package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/store"
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
	// Address is where the try comes from, as failures are counted.
	Address string
}

// Proof says that credentials were right, as part of the sign-in that will
// spend it: store.SignIn uses up the code and adds the token, or does neither.
// The device and the token are for whoever mints the token to fill in.
type Proof struct {
	store.SignIn
	// Account is whose credentials they were.
	Account store.Account
}

// Verify checks credentials. It takes the same work and gives the same error
// whether the account exists or not: what is hashed depends on the text given
// alone. What it refuses is told in the audit log, but for what is beyond the
// limits on failures. ErrCredentials, ErrCode, ErrRateLimited, guard.ErrBusy.
func (s *Service) Verify(ctx context.Context, c Credentials) (Proof, error) {
	p, complete, err := s.VerifyPassword(ctx, c)
	if err == nil && !complete {
		err = s.refused(ctx, p.Account, codeMissing, ErrCode)
	}
	if err != nil {
		return Proof{}, err
	}
	return p, nil
}

// VerifyPassword is Verify for those who ask for the second factor in a second
// step: without a code where one is needed, the proof is of the password only,
// and not complete.
func (s *Service) VerifyPassword(ctx context.Context, c Credentials) (p Proof, complete bool, err error) {
	t := s.newTry(c)
	if err := t.allowed(); err != nil {
		return Proof{}, false, err
	}
	a, err := s.store.AccountByLogin(ctx, t.login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Proof{}, false, err
	}
	password, code, right, err := s.checkInTurn(ctx, t, a, c)
	if err != nil {
		return Proof{}, false, err
	}
	// From here on it is told of, whether or not somebody waits for the answer.
	ctx = context.WithoutCancel(ctx)
	if !right || a.Disabled {
		return Proof{}, false, s.refused(ctx, a, refusal(a, right), ErrCredentials)
	}
	now := s.now()
	p = newProof(a)
	if complete = a.TOTPSeed == nil || code != ""; a.TOTPSeed != nil && code != "" {
		if err := s.checkCode(ctx, &p, code, now); err != nil {
			return Proof{}, false, err
		}
	}
	p.NewPasswordHash, err = s.rehash(ctx, a, password)
	return p, complete, err
}

// try is one try of a password, as failures are counted.
type try struct {
	service          *Service
	login            string // folded
	account, network string // the keys
}

func (s *Service) newTry(c Credentials) try {
	login, network := loginKey(c.Login), guard.Network(c.Address)
	return try{s, login, login + "\x00" + network, network}
}

// allowed returns ErrRateLimited when too many have failed before.
func (t try) allowed() error {
	s, now := t.service, t.service.now()
	if wait := max(s.logins.Wait(t.account, now), s.addresses.Wait(t.network, now)); wait > 0 {
		return fault.WithWait(ErrRateLimited, wait)
	}
	return nil
}

// count holds a failure against the account and the address, or forgives the
// account those before.
func (t try) count(good bool) {
	s, now := t.service, t.service.now()
	if good {
		s.logins.Succeeded(t.account)
		return
	}
	s.logins.Failed(t.account, now)
	s.addresses.Failed(t.network, now)
}

// checkInTurn checks the password when it is its turn, and counts how that
// ended. Of tries that come at once, those that waited see the failures of the
// ones before them: no more get through than the limit and as many as are
// hashed at once. Holding back a try before it has failed would hold back those
// who have the password right as well.
func (s *Service) checkInTurn(ctx context.Context, t try, a store.Account, c Credentials) (password, code plexauth.Secret, right bool, err error) {
	leave, err := s.enter(ctx)
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

// VerifyCode is the second step, for an account whose password was right a
// moment ago. ErrCode, ErrRateLimited, ErrNotFound.
func (s *Service) VerifyCode(ctx context.Context, accountID int64, code plexauth.Secret) (Proof, error) {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return Proof{}, named(err)
	}
	p := newProof(a)
	if a.TOTPSeed == nil || code == "" {
		return Proof{}, ErrCode
	}
	if err := s.checkCode(ctx, &p, code, s.now()); err != nil {
		return Proof{}, err
	}
	return p, nil
}

// newProof is the proof of who an account is, before any code.
func newProof(a store.Account) Proof {
	return Proof{store.SignIn{AccountID: a.ID, PasswordHash: a.PasswordHash}, a}
}

// refused tells the audit log of a sign-in that failed for a reason, and
// returns the error for whoever tried. It never tells the login that was
// given, which may be a password that was typed into the wrong box. Tries
// beyond the limits on failures do not come here.
func (s *Service) refused(ctx context.Context, a store.Account, reason string, err error) error {
	e := store.Event{Kind: store.EventSignInRefused, AccountID: a.ID, Account: a.Username, Detail: reason}
	if reason == codeMissing {
		e.Kind, e.Detail = store.EventSignInUnfinished, ""
	}
	if failed := s.store.Note(ctx, e); failed != nil {
		return failed
	}
	return err
}

// Why a sign-in is refused, as the audit log has it.
const (
	noAccount     = "no such account"
	disabled      = "the account is disabled"
	wrongPassword = "wrong password"
	wrongCode     = "wrong verification code"
	codeMissing   = "no verification code"
	changed       = "the account changed meanwhile"
)

// refusal is why the account's credentials do not do.
func refusal(a store.Account, right bool) string {
	switch {
	case a.ID == 0:
		return noAccount
	case right:
		return disabled
	}
	return wrongPassword
}

// checkPassword reports whether the password is right, alone or before a code
// at its end, and takes the two apart. An account that does not exist, or has
// no password, costs what one with a password costs.
func (s *Service) checkPassword(a store.Account, c Credentials) (password, code plexauth.Secret, right bool) {
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
	if !whole && before && a.TOTPSeed != nil {
		return rest, code, true
	}
	return c.Password, "", whole
}

// checkCode finds what the code is and puts it into the proof. Failures are
// counted by account and not by address: who comes this far has the password.
func (s *Service) checkCode(ctx context.Context, p *Proof, code plexauth.Secret, now time.Time) error {
	key := strconv.FormatInt(p.Account.ID, 10)
	if wait := s.codes.Wait(key, now); wait > 0 {
		return fault.WithWait(ErrRateLimited, wait)
	}
	sealed, err := s.key.Open(seedPurpose(p.Account), p.Account.TOTPSeed)
	if err != nil {
		return fmt.Errorf("opening the seed of account %d: %w", p.Account.ID, err)
	}
	if p.TOTPStep, err = matchStep(seed(sealed), code, now, p.Account.TOTPStep); err != nil {
		return err
	}
	if p.TOTPStep > 0 {
		s.codes.Succeeded(key)
		return nil
	}
	if len(normalBackup(code)) == backupGroups*backupGroup {
		p.BackupCode, p.UsedBackup = hashBackup(s.key, p.Account.UUID, code), true
		return nil // the store knows whether there is such a code, and says when it is spent
	}
	s.codes.Failed(key, now)
	return s.refused(ctx, p.Account, wrongCode, ErrCode)
}

// Rejected tells that a proof could not be spent: its code was used meanwhile,
// or never was one. It returns the error for whoever signs in.
func (s *Service) Rejected(ctx context.Context, p Proof) error {
	if p.TOTPStep > 0 || p.UsedBackup {
		s.codes.Failed(strconv.FormatInt(p.Account.ID, 10), s.now())
		return s.refused(ctx, p.Account, wrongCode, ErrCode)
	}
	return s.refused(ctx, p.Account, changed, ErrCredentials)
}

// rehash hashes the password anew when the account's hash is of another cost.
func (s *Service) rehash(ctx context.Context, a store.Account, password plexauth.Secret) (string, error) {
	have, err := parsePHC(a.PasswordHash)
	if err != nil || have.cost == s.hasher.cost {
		return "", err
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(password), nil
}
