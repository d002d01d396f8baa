package account

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/tries"
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
	// ErrTooMany says that too many attempts were right: each costs a hash. It has
	// a wait.
	ErrTooMany = fault.New(fault.Limited, "too many sign-ins")
)

// Credentials are what someone gives to sign in.
type Credentials struct {
	// Login is a username or an e-mail address, in any case.
	Login string
	// Password may have the code at its end instead of in Code.
	Password plexauth.Secret
	// Code is a TOTP or backup code; empty without one.
	Code plexauth.Secret
	// Caller is the device that someone signs in on. The zero value is one that
	// has never signed in.
	Caller Caller
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
// the rate limit. Attempts are counted by the account, whichever of its names was
// given, and by the address of by; those of a device that has signed in before
// are counted apart. ErrCredentials, ErrCode, ErrRateLimited, ErrTooMany,
// guard.ErrBusy; ErrPasskeyOnly and ErrFactorDue if the password is right, and the
// account takes more than can be given here.
func (s *Service) Verify(ctx context.Context, by audit.Actor, c Credentials) (Verified, error) {
	v, err := s.VerifyPassword(ctx, by, c)
	if err == nil {
		err = s.complete(ctx, by, v)
	}
	if err != nil {
		return Verified{}, err
	}
	return v, nil
}

// VerifyPassword is Verify for callers that ask for the second factor in a
// second step: without a code where one is needed, the result is not Complete.
func (s *Service) VerifyPassword(ctx context.Context, by audit.Actor, c Credentials) (Verified, error) {
	t, code, err := s.tryPassword(ctx, by, c)
	if err != nil {
		return Verified{}, err
	}
	// The attempt is recorded, also if the caller hangs up.
	ctx = context.WithoutCancel(ctx)
	claim := signin.Claim{Partial: t.account.PasskeyRequired || t.account.HasSecondFactor() && code == ""}
	if t.account.HasSecondFactor() && code != "" && !claim.Partial {
		if err := s.checkCode(ctx, by, t.account, t.place, &claim, code); err != nil {
			return Verified{}, err
		}
	}
	if claim.NewPasswordHash, err = s.rehash(ctx, t); err != nil {
		return Verified{}, err
	}
	if !claim.Partial {
		t.countKnown()
	}
	return s.verified(t.account, claim), nil
}

// ConfirmPassword is VerifyPassword for someone who is signed in already: it
// checks the password and ignores a code. It proves nothing.
func (s *Service) ConfirmPassword(ctx context.Context, by audit.Actor, c Credentials) error {
	_, _, err := s.tryPassword(ctx, by, c)
	return err
}

// VerifyCode is the second step, for an account whose password was right a
// moment ago, when the account was at a revision. ErrCode, ErrCredentials if
// the account has changed since, ErrRateLimited, ErrNotFound.
func (s *Service) VerifyCode(
	ctx context.Context, by audit.Actor, from Caller, accountID, revision int64, code plexauth.Secret,
) (Verified, error) {
	a, err := s.rows.Get(ctx, s.db, accountID)
	if err != nil {
		return Verified{}, named("finding an account", err)
	}
	if a.Revision != revision || !a.CanSignIn() {
		return Verified{}, s.failed(ctx, by, a, changed, ErrCredentials)
	}
	if !a.HasSecondFactor() || a.PasskeyRequired || code == "" {
		return Verified{}, ErrCode
	}
	at, err := s.placeOf(ctx, a, by.Address, from)
	if err != nil {
		return Verified{}, err
	}
	var claim signin.Claim
	if err := s.checkCode(ctx, by, a, at, &claim, code); err != nil {
		return Verified{}, err
	}
	return s.verified(a, claim), nil
}

// verified makes the proof of a claim about an account.
func (s *Service) verified(a Account, c signin.Claim) Verified {
	c.AccountID, c.Revision = a.ID, a.Revision
	if c.Void == nil {
		c.Void = func(ctx context.Context, by audit.Actor) error {
			return s.failed(ctx, by, a, changed, ErrCredentials)
		}
	}
	return Verified{Proof: signin.NewProof(c), Account: a, Complete: !c.Partial}
}

// tryPassword checks the password of credentials, and takes a code off its end.
func (s *Service) tryPassword(ctx context.Context, by audit.Actor, c Credentials) (t try, code plexauth.Secret, err error) {
	if t, err = s.newTry(ctx, by, c); err != nil {
		return try{}, "", err
	}
	if err := t.allowed(ctx); err != nil {
		return try{}, "", err
	}
	code, right, err := s.checkInTurn(ctx, &t, c)
	if err != nil {
		return try{}, "", err
	}
	if !right || !t.account.CanSignIn() {
		ctx = context.WithoutCancel(ctx) // it is recorded, also if the caller hangs up
		return try{}, "", s.failed(ctx, by, t.account, whyFailed(t.account, right), ErrCredentials)
	}
	return t, code, nil
}

// try is one attempt at a password.
type try struct {
	account  Account         // its ID is 0 if no account has the name
	password plexauth.Secret // without a code; set once it was checked
	claim    guard.Claim     // what its turn to hash is counted by
	place    place
	limits   []limit // what its failure counts against
	signIns  limit   // what its success counts against, if there is an account
	known    limit   // the same with the second factor, if the device is known
	now      func() time.Time
}

// limit is a limit with the key that an attempt has in it.
type limit struct {
	*guard.Failures
	key        string
	everywhere *tries.Failures // the same limit on all nodes; nil: a single node
}

// newTry finds the account of credentials and what limits apply. A failure of an
// unknown device counts against three keys in its network: the account, by
// whichever of its names; the name that was given; and the network itself. The
// name is there so that names of nobody are limited as well, and is cut at the @
// so that a name and an address that begins with it are counted together whether
// they are those of one account or of nobody.
func (s *Service) newTry(ctx context.Context, by audit.Actor, c Credentials) (try, error) {
	a, err := s.rows.ByLogin(ctx, s.db, loginKey(c.Login))
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return try{}, err
	}
	at, err := s.placeOf(ctx, a, by.Address, c.Caller)
	if err != nil {
		return try{}, err
	}
	network, name := guard.Network(by.Address), "name "+limitKey(c.Login)
	t := try{account: a, place: at, now: s.now, claim: guard.Claim{Network: network, Account: name, Known: at.known}}
	if a.ID != 0 {
		t.claim.Account = strconv.FormatInt(a.ID, 10)
		t.limits = append(t.limits, limit{s.logins, t.claim.Account + " " + at.tries, s.everywhere})
		t.signIns = limit{s.signIns, t.claim.Account + " " + at.tries, nil}
		t.known = limit{s.signIns, t.claim.Account + " known", nil}
	}
	if !at.known {
		t.limits = append(t.limits, limit{s.logins, name + " " + network, s.everywhere},
			limit{s.addresses, network, nil})
	}
	return t, nil
}

// allowed returns ErrRateLimited if too many attempts have failed, and ErrTooMany
// if too many were right.
func (t *try) allowed(ctx context.Context) error {
	now := t.now()
	for _, l := range t.limits {
		wait := l.Wait(l.key, now)
		if l.everywhere != nil {
			elsewhere, err := l.everywhere.Wait(ctx, l.key, now)
			if err != nil {
				return err
			}
			wait = max(wait, elsewhere)
		}
		if wait > 0 {
			return fault.WithWait(ErrRateLimited, wait)
		}
	}
	if t.account.ID == 0 {
		return nil
	}
	wait := t.signIns.Wait(t.signIns.key, now)
	if t.place.known {
		wait = max(wait, t.known.Wait(t.known.key, now))
	}
	if wait > 0 {
		return fault.WithWait(ErrTooMany, wait)
	}
	return nil
}

// countKnown counts a sign-in on a known device, once it is complete. Attack: each
// of many devices is known after its first sign-in, and has a limit of its own.
// An attacker who has only the password does not get here, so they use up nothing of
// what the owner's devices share.
func (t *try) countKnown() {
	if t.place.known {
		t.known.Failed(t.known.key, t.now())
	}
}

// begin counts the attempt as failed until end says otherwise: attempts at the
// same time cannot exceed a limit.
func (t *try) begin(ctx context.Context) (end func(good bool), err error) {
	var begun []guard.Attempt
	for _, l := range t.limits {
		attempt, wait, err := l.Begin(ctx, l.key, t.now())
		if err == nil && wait > 0 {
			err = fault.WithWait(ErrRateLimited, wait)
		}
		if err != nil {
			for _, a := range begun {
				a.Passed()
			}
			return nil, err
		}
		begun = append(begun, attempt)
	}
	return func(good bool) {
		for _, a := range begun {
			if good {
				a.Passed()
			} else {
				a.Failed(t.now())
			}
		}
		if good {
			// Only those of the account: a name may be somebody else's, too.
			t.limits[0].Succeeded(t.limits[0].key)
		}
	}, nil
}

// checkInTurn checks the password when it is its turn, and counts the outcome.
// Attempts that waited see the failures of those before them.
func (s *Service) checkInTurn(ctx context.Context, t *try, c Credentials) (code plexauth.Secret, right bool, err error) {
	leave, err := s.enter(ctx, t.claim)
	if err != nil {
		return "", false, err
	}
	defer leave()
	end, err := t.begin(ctx)
	if err != nil {
		return "", false, err
	}
	err = t.allowed(ctx) // what failed on other nodes meanwhile
	if err == nil {
		err = t.countSignIn()
	}
	if err != nil {
		end(true)
		return "", false, err
	}
	t.password, code, right = s.checkPassword(t.account, c)
	good := right && t.account.CanSignIn()
	if !good {
		t.takeBackSignIn()
	}
	end(good)
	// It counts, also if the caller hangs up.
	return code, right, t.countEverywhere(context.WithoutCancel(ctx), good)
}

// countEverywhere counts the outcome on all nodes. Attempts at the same time on
// several nodes can exceed the limit by those that are being hashed.
func (t *try) countEverywhere(ctx context.Context, good bool) error {
	for i, l := range t.limits {
		if l.everywhere == nil {
			continue
		}
		var err error
		if !good {
			err = l.everywhere.Failed(ctx, l.key, t.now())
		} else if i == 0 { // as in begin
			err = l.everywhere.Succeeded(ctx, l.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// countSignIn counts the attempt as a sign-in. Errors: ErrTooMany.
func (t *try) countSignIn() error {
	if t.account.ID == 0 {
		return nil
	}
	if wait := t.signIns.Take(t.signIns.key, t.now()); wait > 0 {
		return fault.WithWait(ErrTooMany, wait)
	}
	return nil
}

// takeBackSignIn undoes countSignIn.
func (t *try) takeBackSignIn() {
	if t.account.ID != 0 {
		t.signIns.Return(t.signIns.key)
	}
}

// failed records a sign-in that failed for a reason, and returns the error for
// the caller. It never records the login that was given: someone may have typed
// their password into that field. Attempts beyond the rate limit do not come
// here.
func (s *Service) failed(ctx context.Context, by audit.Actor, a Account, reason string, err error) error {
	e := audit.Event{Kind: audit.SignInRefused, AccountID: a.ID, Account: a.Username, Detail: reason}
	if reason == codeMissing || reason == passkeyMissing {
		e.Kind, e.Detail = audit.SignInUnfinished, ""
	}
	if recording := s.audit.RecordFailure(ctx, by, e); recording != nil {
		return recording
	}
	return err
}

// Why a sign-in failed, as the audit log has it.
const (
	noAccount      = "no such account"
	disabled       = "the account is disabled"
	wrongPassword  = "wrong password"
	wrongCode      = "wrong verification code"
	passwordOff    = "the password is off"
	codeMissing    = "no verification code"
	passkeyMissing = "no passkey"
	factorDue      = "an admin without a second factor"
	changed        = "the account changed meanwhile"
)

// whyFailed is why an account's credentials are not accepted.
func whyFailed(a Account, right bool) string {
	switch {
	case a.ID == 0:
		return noAccount
	case right:
		return disabled
	case a.PasswordOff:
		return passwordOff
	}
	return wrongPassword
}

// checkPassword reports whether the password is right, alone or before a code
// at its end, and separates the two. An account that does not exist, has no password
// or does not take it costs as much as one with a password.
func (s *Service) checkPassword(a Account, c Credentials) (password, code plexauth.Secret, right bool) {
	have, err := parsePHC(a.PasswordHash)
	if err != nil {
		have = s.nobodys()
	}
	known := err == nil && !a.PasswordOff
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

// nobodys is a hash that takes as long to compare with as that of a new password.
func (s *Service) nobodys() phc {
	return phc{s.hasher.cost, make([]byte, saltSize), make([]byte, hashSize)}
}

// rehash hashes a password that was right again if the account's hash has another
// cost than new ones.
func (s *Service) rehash(ctx context.Context, t try) (plexauth.Secret, error) {
	have, err := parsePHC(t.account.PasswordHash)
	if err != nil || have.cost == s.hasher.cost {
		return "", err
	}
	leave, err := s.enter(ctx, t.claim)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(t.password), nil
}
