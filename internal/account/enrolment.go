package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// ErrLink reports that a link of NewLink is invalid: it was used, has expired, or
// was replaced by a newer one.
var ErrLink = fault.New(fault.Denied,
	"this link was used already, has expired or was replaced by a newer one; ask an admin for another one")

// LinkHash is the SHA-256 of a link's secret, which is all that is stored of one.
type LinkHash [sha256.Size]byte

// EnrolmentRows stores second factors that are being set up. Package store implements
// it.
type EnrolmentRows interface {
	// PendingSeed returns the sealed seed that a session is setting up, if it was
	// generated after a time, or db.ErrNotFound.
	PendingSeed(ctx context.Context, q db.Querier, sessionID int64, since time.Time) ([]byte, error)
	// SetPendingSeed replaces it.
	SetPendingSeed(ctx context.Context, tx *db.Tx, sessionID int64, seed []byte) error
	// DeletePendingSeeds removes the seeds of all sessions of an account.
	DeletePendingSeeds(ctx context.Context, tx *db.Tx, id int64) error
	// LinkAccount returns the account of a link that has not expired, and the admin who
	// made it, or 0, or db.ErrNotFound.
	LinkAccount(ctx context.Context, q db.Querier, h LinkHash, now time.Time) (id, makerID int64, err error)
	// SetLink replaces the link of an account, and DeleteLink removes it.
	SetLink(ctx context.Context, tx *db.Tx, id int64, h LinkHash, makerID int64, expires time.Time) error
	DeleteLink(ctx context.Context, tx *db.Tx, id int64) error
}

const (
	// pendingLife is how long a seed is shown before there is another one.
	pendingLife = time.Hour
	// LinkLife is how long a link works.
	LinkLife = 24 * time.Hour
)

// Pending returns the second factor that a session of an account is setting up. It
// generates one if necessary. Only the server knows the seed: no form
// submits it.
func (s *Service) Pending(ctx context.Context, issuer string, a Account, sessionID int64) (e Enrolment, err error) {
	if e, err = s.pending(ctx, s.db, issuer, a, sessionID); !errors.Is(err, db.ErrNotFound) {
		return e, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if e, err = s.pending(ctx, tx, issuer, a, sessionID); !errors.Is(err, db.ErrNotFound) {
			return err // another request of the session was first
		}
		e = NewEnrolment(issuer, a.Username)
		sealed, err := s.key.Seal(pendingPurpose(a, sessionID), []byte(e.Secret))
		if err != nil {
			return err
		}
		return s.rows.SetPendingSeed(ctx, tx, sessionID, sealed)
	})
	return e, named("beginning to enrol", err)
}

func (s *Service) pending(ctx context.Context, q db.Querier, issuer string, a Account, sessionID int64) (Enrolment, error) {
	sealed, err := s.rows.PendingSeed(ctx, q, sessionID, s.now().Add(-pendingLife))
	if err != nil {
		return Enrolment{}, err
	}
	opened, err := s.key.Open(pendingPurpose(a, sessionID), sealed)
	if err != nil {
		return Enrolment{}, fmt.Errorf("opening the seed of session %d: %w", sessionID, err)
	}
	return newEnrolment(issuer, a.Username, seed(opened)), nil
}

func pendingPurpose(a Account, sessionID int64) string {
	return fmt.Sprintf("seed that session %d of %s enrols", sessionID, a.UUID)
}

// CheckPending checks that the authenticator shows the code of the seed that a
// session is setting up. ErrCode, also if the seed has expired.
func (s *Service) CheckPending(ctx context.Context, a Account, sessionID int64, code plexauth.Secret) error {
	_, _, err := s.confirmPending(ctx, s.db, a, sessionID, code)
	return err
}

func (s *Service) confirmPending(
	ctx context.Context, q db.Querier, a Account, sessionID int64, code plexauth.Secret,
) (e Enrolment, step int64, err error) {
	e, err = s.pending(ctx, q, "", a, sessionID)
	if errors.Is(err, db.ErrNotFound) {
		return e, 0, ErrCode
	}
	if err == nil {
		step, err = s.confirmed(e, code)
	}
	return e, step, err
}

// EnrolPending is Enrol for the account's owner, with the seed that their session
// is setting up. They prove their identity with the current factor, if they have
// one. ErrCode; the error of an invalid proof is the proof's
// own.
func (s *Service) EnrolPending(
	ctx context.Context, by audit.Actor, proof signin.Proof, sessionID int64, code plexauth.Secret,
) ([]plexauth.Secret, error) {
	codes := newBackupCodes(s.random)
	err := s.proofs.Spend(ctx, by, proof, func(ctx context.Context, tx *db.Tx, spent signin.Spent) error {
		return s.enrolPending(ctx, tx, by, spent.AccountID, sessionID, code, codes, "")
	})
	if err != nil {
		return nil, named("enrolling", err)
	}
	return codes, nil
}

func (s *Service) enrolPending(
	ctx context.Context, tx *db.Tx, by audit.Actor, id, sessionID int64, code plexauth.Secret,
	codes []plexauth.Secret, detail string,
) error {
	a, err := s.rows.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	e, step, err := s.confirmPending(ctx, tx, a, sessionID, code)
	if err != nil {
		return err
	}
	return s.enrol(ctx, tx, by, id, e, step, codes, detail)
}

// NewLink creates a link for an account's owner to set up a second factor without a
// code of the current one, which they may have lost. It replaces an earlier link, works
// once, and only with the account's password: the admin who creates it does not learn
// the seed. Errors: ErrNotFound.
func (s *Service) NewLink(ctx context.Context, by audit.Actor, id int64) (secret plexauth.Secret, expires time.Time, err error) {
	secret = plexauth.Secret(rand.Text())
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.rows.Get(ctx, tx, id)
		if err == nil {
			err = CheckMayChange(by, a)
		}
		if err != nil {
			return err
		}
		expires = tx.Now().Add(LinkLife)
		if err := s.rows.SetLink(ctx, tx, id, hashLink(secret), by.MakerID(), expires); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SecondFactorLink, AccountID: id, Account: a.Username,
		})
	})
	return secret, expires, named("making a link", err)
}

func hashLink(secret plexauth.Secret) LinkHash { return sha256.Sum256([]byte(secret)) }

// ByLink returns the account of a link. Errors: ErrLink.
func (s *Service) ByLink(ctx context.Context, secret plexauth.Secret) (Account, error) {
	id, err := s.linked(ctx, s.db, secret, s.now())
	if err != nil {
		return Account{}, named("reading a link", err)
	}
	return s.Get(ctx, id)
}

// linked returns the account of a valid link. Attack: an admin who knows the password
// of an account creates a link, and uses it after being demoted. Errors: ErrLink.
func (s *Service) linked(ctx context.Context, q db.Querier, secret plexauth.Secret, now time.Time) (id int64, err error) {
	id, makerID, err := s.rows.LinkAccount(ctx, q, hashLink(secret), now)
	if errors.Is(err, db.ErrNotFound) {
		return 0, ErrLink
	}
	if err != nil || makerID == 0 {
		return id, err
	}
	admin, err := s.IsAdmin(ctx, q, makerID)
	if err == nil && !admin {
		err = ErrLink
	}
	return id, err
}

// EnrolByLink is EnrolPending with a link instead of a proof, which it uses up. The
// caller must have checked that the session is one of the link's account. Errors:
// ErrLink, ErrCode.
func (s *Service) EnrolByLink(
	ctx context.Context, by audit.Actor, secret plexauth.Secret, sessionID int64, code plexauth.Secret,
) ([]plexauth.Secret, error) {
	codes := newBackupCodes(s.random)
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, err := s.linked(ctx, tx, secret, tx.Now())
		if err != nil {
			return err
		}
		return s.enrolPending(ctx, tx, by, id, sessionID, code, codes, audit.ByAdminLink)
	})
	if err != nil {
		return nil, named("enrolling by a link", err)
	}
	return codes, nil
}
