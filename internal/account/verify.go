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
	// ErrCredentials reports that the login or the password is wrong, or that the
	// account is disabled. Callers cannot tell which.
	ErrCredentials = fault.New(fault.Unauthenticated, "the name or the password is not right")
	// ErrCode reports that a second factor is required, or that its code is wrong. It
	// is returned only if the password is correct.
	ErrCode = fault.New(fault.Unauthenticated, "the code is not right, or was used before")
	// ErrRateLimited reports too many failed attempts. It contains the time to wait.
	ErrRateLimited = fault.New(fault.Limited, "too many failed tries")
	// ErrTooMany reports too many successful attempts, which are limited because each
	// costs a hash. It contains the time to wait.
	ErrTooMany = fault.New(fault.Limited, "too many sign-ins")
)

// Credentials are the credentials of a sign-in.
type Credentials struct {
	// Login is a username or an e-mail address, in any case.
	Login string
	// Password may end in the code, which Code then omits.
	Password plexauth.Secret
	// Code is a TOTP or backup code, or empty.
	Code plexauth.Secret
	// Caller is the device of the sign-in. The zero value is a device that has never
	// signed in.
	Caller Caller
}

// Verified is an account with the proof of its owner's identity.
type Verified struct {
	signin.Proof
	Account Account // as it was checked
	// Complete is false if the second factor is still missing.
	Complete bool
}

// Verify checks credentials. It takes the same work and returns the same error whether
// or not the account exists: the number of hashes depends on the given text only.
// Failed attempts are recorded in the audit log, except for those beyond the rate
// limit. Attempts are counted by account, whichever of its names is used, and by the
// address of by. Those of a device that has signed in before are counted separately.
// Errors: ErrCredentials, ErrCode, ErrRateLimited, ErrTooMany, guard.ErrBusy. If the
// password is correct and the account requires more than Credentials can contain, the
// error is ErrPasskeyOnly or ErrFactorDue.
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
	// The attempt is recorded even if the client disconnects.
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

// ConfirmPassword is VerifyPassword for a user who is already signed in: it checks the
// password and ignores a code. It returns no proof.
func (s *Service) ConfirmPassword(ctx context.Context, by audit.Actor, c Credentials) error {
	_, _, err := s.tryPassword(ctx, by, c)
	return err
}

// VerifyCode is the second step of VerifyPassword. revision is the revision of the
// account for which the password was checked. If the account has changed since, the
// error is ErrCredentials. Other errors: ErrCode, ErrRateLimited, ErrNotFound.
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

// verified returns the proof of a claim about an account.
func (s *Service) verified(a Account, c signin.Claim) Verified {
	c.AccountID, c.Revision = a.ID, a.Revision
	if c.Void == nil {
		c.Void = func(ctx context.Context, by audit.Actor) error {
			return s.failed(ctx, by, a, changed, ErrCredentials)
		}
	}
	return Verified{Proof: signin.NewProof(c), Account: a, Complete: !c.Partial}
}

// tryPassword checks the password of credentials, and separates a code from its end.
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
		ctx = context.WithoutCancel(ctx) // recorded even if the client disconnects
		return try{}, "", s.failed(ctx, by, t.account, whyFailed(t.account, right), ErrCredentials)
	}
	return t, code, nil
}

// try is one attempt at a password.
type try struct {
	account  Account         // its ID is 0 if no account has the name
	password plexauth.Secret // without a code; set once it was checked
	claim    guard.Claim     // for the queue of hashes
	place    place
	limits   []limit // the limits that count its failure
	signIns  limit   // the limit that counts its success, if the account exists
	known    limit   // the limit that counts a complete sign-in, if the device is known
	now      func() time.Time
}

// limit is a limit with the key of an attempt.
type limit struct {
	*guard.Failures
	key        string
	everywhere *tries.Failures // the same limit on all nodes; nil: a single node
}

// newTry finds the account of credentials and the limits that apply. A failure of an
// unknown device counts against three keys in its network: the account, whichever of
// its names was used; the given name; and the network itself. The given name is counted
// so that names without an account are limited as well. It is cut at the @, so that a
// name and an address that begins with it are counted together, whether or not they
// belong to an account.
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

// allowed returns ErrRateLimited if too many attempts have failed, and ErrTooMany if
// too many have succeeded.
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

// countKnown counts a sign-in on a known device, once it is complete. Attack: each of
// many devices is known after its first sign-in, and has a limit of its own. An
// attacker who has only the password never gets here, and so cannot use up the limit
// that the owner's devices share.
func (t *try) countKnown() {
	if t.place.known {
		t.known.Failed(t.known.key, t.now())
	}
}

// begin counts the attempt as failed until end reports the result, so that concurrent
// attempts cannot exceed a limit.
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
			// Only the failures of the account are cleared: others may have tried the
			// same name.
			t.limits[0].Succeeded(t.limits[0].key)
		}
	}, nil
}

// checkInTurn waits for a turn, checks the password, and counts the result. Attempts
// that waited see the failures of those before them.
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
	err = t.allowed(ctx) // includes failures on other nodes meanwhile
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
	// It counts even if the client disconnects.
	return code, right, t.countEverywhere(context.WithoutCancel(ctx), good)
}

// countEverywhere counts the result on all nodes. Concurrent attempts on several nodes
// can exceed the limit by the number of concurrent hashes.
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

// failed records a failed sign-in with its reason, and returns err. It never records
// the given login, because the user may have typed the password into that field. It is
// not called for attempts beyond the rate limit.
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

// The reasons for failed sign-ins, in the words of the audit log.
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

// whyFailed returns the reason why the credentials of an account are rejected.
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

// checkPassword reports whether the password is correct, alone or with a code at its
// end, and separates the two. The cost is the same for an account that does not exist,
// has no password, or does not accept it.
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

// nobodys returns a hash that matches no password. Comparing a password with it takes as
// long as with the hash of a new password.
func (s *Service) nobodys() phc {
	return phc{s.hasher.cost, make([]byte, saltSize), make([]byte, hashSize)}
}

// rehash hashes a correct password again if the cost of the account's hash is not the
// current one.
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
