package account

import (
	"context"
	"fmt"
	"net/url"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Enrolment is a second factor that is not in force yet.
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

func newEnrolment(issuer, username string, s seed) Enrolment {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(username)
	query := url.Values{"secret": {string(s)}, "issuer": {issuer}}
	return Enrolment{s, plexauth.Secret("otpauth://totp/" + label + "?" + query.Encode())}
}

// ReadEnrolment returns the enrolment of a seed that NewEnrolment generated.
// fault.Invalid if the seed is malformed.
func ReadEnrolment(issuer, username string, secret plexauth.Secret) (Enrolment, error) {
	if raw, err := base32Text.DecodeString(string(secret)); err != nil || len(raw) != seedSize {
		return Enrolment{}, fault.Invalidf("", "the key is not one that was made here")
	}
	return newEnrolment(issuer, username, secret), nil
}

// Enrol puts a second factor in force, in place of any before it, and returns
// ten backup codes. The code that the authenticator shows confirms that it has
// the seed, and does not work again: ErrCode if it is wrong. An empty code asks
// for no confirmation. Proofs without the second factor are void.
func (s *Service) Enrol(
	ctx context.Context, by audit.Actor, accountID int64, e Enrolment, code plexauth.Secret,
) ([]plexauth.Secret, error) {
	var step int64
	if code != "" {
		var err error
		if step, err = matchStep(e.Secret, code, s.now(), 0); err != nil {
			return nil, err
		}
		if step == 0 {
			return nil, ErrCode
		}
	}
	codes := make([]plexauth.Secret, backupCodes)
	for i := range codes {
		codes[i] = newBackupCode()
	}
	change := func(ctx context.Context, tx *db.Tx, a *Account) (changed bool, err error) {
		a.TOTPStep = s.usedStep(*a, e.Secret, step)
		if a.TOTPSeed, err = s.key.Seal(seedPurpose(*a), []byte(e.Secret)); err != nil {
			return false, fmt.Errorf("sealing the seed: %w", err)
		}
		a.Revision++
		hashes := make([]signin.Hash, len(codes))
		for i, code := range codes {
			hashes[i] = hashBackup(s.key, a.UUID, code)
		}
		return true, s.rows.SetBackupCodes(ctx, tx, a.ID, hashes)
	}
	if err := s.change(ctx, by, accountID, audit.SecondFactorAdded, change); err != nil {
		return nil, err
	}
	return codes, nil
}

// usedStep returns the last time step whose code counts as used once a seed is
// in force, given the step of the code that confirmed it. Codes of another seed
// do not count. A seed that is enrolled again takes no code that it took
// before; of an account without a seed, nobody knows which one it had.
func (s *Service) usedStep(a Account, next seed, confirmed int64) int64 {
	if a.HasSecondFactor() {
		old, err := s.key.Open(seedPurpose(a), a.TOTPSeed)
		if err != nil || !seed(old).Equal(next) {
			return confirmed
		}
	}
	return max(a.TOTPStep, confirmed)
}

// RemoveSecondFactor lets an account sign in with its password alone. An
// account without a second factor is left alone. ErrNotFound.
func (s *Service) RemoveSecondFactor(ctx context.Context, by audit.Actor, id int64) error {
	change := func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		if !a.HasSecondFactor() {
			return false, nil
		}
		a.TOTPSeed = nil
		a.Revision++
		return true, s.rows.SetBackupCodes(ctx, tx, id, nil)
	}
	return s.change(ctx, by, id, audit.SecondFactorRemoved, change)
}

// LostSecondFactors returns the accounts whose second factor was sealed with
// another key. They cannot sign in until the factor is replaced or removed. It
// also returns how many accounts have a second factor.
func (s *Service) LostSecondFactors(ctx context.Context) (lost []Account, sealed int, err error) {
	list, err := s.List(ctx)
	for _, a := range list {
		if !a.HasSecondFactor() {
			continue
		}
		sealed++
		if _, err := s.key.Open(seedPurpose(a), a.TOTPSeed); err != nil {
			lost = append(lost, a)
		}
	}
	return lost, sealed, err
}

func seedPurpose(a Account) string { return "totp seed of " + a.UUID }
