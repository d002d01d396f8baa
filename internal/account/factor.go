package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Enrolment is a second factor that is not active yet.
type Enrolment struct {
	// Secret is the seed in base32, to be typed into an authenticator.
	Secret plexauth.Secret
	// URL is the same as an otpauth:// URL, to be shown as a QR code.
	URL plexauth.Secret
}

// NewEnrolment generates a seed for an account. issuer names this server in the
// authenticator's list.
func NewEnrolment(issuer, username string) Enrolment {
	return newEnrolment(issuer, username, newSeed())
}

// KnownEnrolment returns the enrolment of a seed that the caller has chosen. It is
// for test kits. fault.Invalid if the seed is malformed.
func KnownEnrolment(issuer, username string, secret plexauth.Secret) (Enrolment, error) {
	if raw, err := base32Text.DecodeString(string(secret)); err != nil || len(raw) != seedSize {
		return Enrolment{}, fault.Invalidf("", "a seed is %d letters of base32", base32Text.EncodedLen(seedSize))
	}
	return newEnrolment(issuer, username, secret), nil
}

func newEnrolment(issuer, username string, s seed) Enrolment {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(username)
	query := url.Values{"secret": {string(s)}, "issuer": {issuer}}
	return Enrolment{s, plexauth.Secret("otpauth://totp/" + label + "?" + query.Encode())}
}

// Enrol activates a second factor, in place of any previous one, and returns
// ten backup codes. It requires no proof: it is for operators and test kits. The
// code that the authenticator shows confirms that it has the seed, and does not
// work again: ErrCode if it is wrong. An empty code skips the confirmation.
// Proofs without the second factor become invalid.
func (s *Service) Enrol(
	ctx context.Context, by audit.Actor, accountID int64, e Enrolment, code plexauth.Secret,
) ([]plexauth.Secret, error) {
	var step int64
	if code != "" {
		var err error
		if step, err = s.confirmed(e, code); err != nil {
			return nil, err
		}
	}
	codes := newBackupCodes(s.random)
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.enrol(ctx, tx, by, accountID, e, step, codes, "")
	})
	if err != nil {
		return nil, named("changing an account", err)
	}
	return codes, nil
}

// confirmed returns the time step of a code that an authenticator with the seed shows.
// Errors: ErrCode.
func (s *Service) confirmed(e Enrolment, code plexauth.Secret) (step int64, err error) {
	step, err = matchStep(e.Secret, code, s.now(), 0)
	if err == nil && step == 0 {
		err = ErrCode
	}
	return step, err
}

func newBackupCodes(random io.Reader) []plexauth.Secret {
	codes := make([]plexauth.Secret, backupCodes)
	for i := range codes {
		codes[i] = newBackupCode(random)
	}
	return codes
}

// enrol activates a second factor, in a transaction. step is the step of the code
// that confirmed it, and detail the reason.
func (s *Service) enrol(
	ctx context.Context, tx *db.Tx, by audit.Actor, id int64, e Enrolment, step int64,
	codes []plexauth.Secret, detail string,
) error {
	event := audit.Event{Kind: audit.SecondFactorAdded, Detail: detail}
	return s.changeIn(ctx, tx, by, id, event, func(ctx context.Context, tx *db.Tx, a *Account) (changed bool, err error) {
		a.TOTPStep = s.usedStep(*a, e.Secret, step)
		if a.TOTPSeed, err = s.key.Seal(seedPurpose(*a), []byte(e.Secret)); err != nil {
			return false, fmt.Errorf("sealing the seed: %w", err)
		}
		a.Revision++
		hashes := make([]signin.Hash, len(codes))
		for i, code := range codes {
			hashes[i] = hashBackup(s.key, a.UUID, code)
		}
		return true, s.replaceFactor(ctx, tx, a.ID, hashes)
	})
}

// replaceFactor removes the data of the second factor that an account had, or
// was setting up, and sets the backup codes of the next one.
func (s *Service) replaceFactor(ctx context.Context, tx *db.Tx, id int64, backup []signin.Hash) error {
	return errors.Join(
		s.rows.ClearCodeTries(ctx, tx, id),
		s.rows.DeletePendingSeeds(ctx, tx, id),
		s.rows.DeleteLink(ctx, tx, id),
		s.rows.SetBackupCodes(ctx, tx, id, backup),
	)
}

// usedStep returns the last time step whose code counts as used once a seed is active,
// given the step of the code that confirmed it. Codes of another seed do not matter. A
// seed that is enrolled again accepts no code that it accepted before; the earlier seed
// of an account without a seed is unknown.
func (s *Service) usedStep(a Account, next seed, confirmed int64) int64 {
	if a.HasSecondFactor() {
		old, err := s.key.Open(seedPurpose(a), a.TOTPSeed)
		if err != nil || !seed(old).Equal(next) {
			return confirmed
		}
	}
	return max(a.TOTPStep, confirmed)
}

// RemoveSecondFactor lets an account sign in with its password alone. It requires no
// proof: it is for operators and admins. An account without a second factor is not
// changed. Errors: ErrNotFound.
func (s *Service) RemoveSecondFactor(ctx context.Context, by audit.Actor, id int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.removeFactor(ctx, tx, by, id, "") })
	return named("changing an account", err)
}

// TurnOffSecondFactor is RemoveSecondFactor for the account's owner, who proves their
// identity with the current factor. The error of an invalid proof is the proof's own.
func (s *Service) TurnOffSecondFactor(ctx context.Context, by audit.Actor, proof signin.Proof) error {
	err := s.proofs.Spend(ctx, by, proof, func(ctx context.Context, tx *db.Tx, spent signin.Spent) error {
		return s.removeFactor(ctx, tx, by, spent.AccountID, "")
	})
	return named("turning off a second factor", err)
}

// removeFactor removes the second factor of an account, if it has one. detail is the
// reason.
func (s *Service) removeFactor(ctx context.Context, tx *db.Tx, by audit.Actor, id int64, detail string) error {
	change := func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		if !a.HasSecondFactor() {
			return false, nil
		}
		a.TOTPSeed = nil
		a.Revision++
		return true, s.replaceFactor(ctx, tx, id, nil)
	}
	return s.changeIn(ctx, tx, by, id, audit.Event{Kind: audit.SecondFactorRemoved, Detail: detail}, change)
}

// Confirm spends a proof only to confirm the user's identity. It is for changes that
// another package makes. The error of an invalid proof is the proof's
// own.
func (s *Service) Confirm(ctx context.Context, by audit.Actor, proof signin.Proof) error {
	nothing := func(context.Context, *db.Tx, signin.Spent) error { return nil }
	return named("confirming a change", s.proofs.Spend(ctx, by, proof, nothing))
}

// LostSecondFactors returns the accounts whose second factor was sealed with
// another key. They cannot sign in until the factor is replaced or removed. It
// also returns how many accounts have a second factor.
func (s *Service) LostSecondFactors(ctx context.Context) (lost []Account, sealed int, err error) {
	read := func(r paging.Request) (paging.List[Account], error) { return s.rows.Sealed(ctx, s.db, r) }
	for a, err := range paging.All(1000, read) {
		if err != nil {
			return nil, 0, named("listing second factors", err)
		}
		sealed++
		if _, err := s.key.Open(seedPurpose(a), a.TOTPSeed); err != nil {
			lost = append(lost, a)
		}
	}
	return lost, sealed, nil
}

func seedPurpose(a Account) string { return "totp seed of " + a.UUID }
