// Package signin defines the proof of a user's identity, and how it is spent.
//
// It owns the proof, the account revision for which it is valid, and spending it: once,
// in the transaction that creates the token or session. It does not own the checks.
// Only packages account and passkey create proofs, which a test verifies.
//
// A proof is valid for one revision of the account. Each change of the password or of
// the second factor moves the account to the next revision, and voids every proof of an
// earlier one, even a recent one.
package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/plexauth"
)

// Hash is the keyed hash of a backup code.
type Hash [sha256.Size]byte

// Claim is the content of a proof. The packages that check the credentials fill it in.
type Claim struct {
	AccountID int64
	// Revision is the revision of the account that the proof was checked
	// against.
	Revision int64
	// Partial reports that the second factor is still missing. The proof is then valid
	// only for a session that waits for the second factor.
	Partial bool
	// NewPasswordHash replaces the account's password hash, because the hashing
	// parameters have become stronger. If it is empty, the hash stays.
	NewPasswordHash plexauth.Secret
	// TOTPStep is the time step of the verification code; 0 if none was used.
	TOTPStep int64
	// BackupCode is the backup code that was used, if UsedBackup.
	BackupCode Hash
	UsedBackup bool
	// Passkey is the passkey that was used, if its ID is not 0.
	Passkey PasskeyUse
	// If not nil, Spent is called in the transaction that spends the proof.
	Spent func(ctx context.Context, tx *db.Tx) error
	// Void is called if the proof has become void before it is spent. It records the
	// failed attempt, and returns the error for the caller. Required.
	Void func(ctx context.Context, by audit.Actor) error
}

// PasskeyUse is the use of a passkey.
type PasskeyUse struct {
	ID int64
	// Was and Is are its stored credential before and after the use. If the stored one
	// is not Was, because the passkey was removed or used concurrently, the proof is
	// void.
	Was, Is []byte
}

// Proof is the proof of a user's identity. It can be spent once. The zero value proves
// nothing.
type Proof struct {
	claim *Claim
	spent *atomic.Bool
}

// NewProof returns the proof of a claim. Only packages account and passkey may
// call it.
func NewProof(c Claim) Proof { return Proof{&c, new(atomic.Bool)} }

// String keeps the content of the proof out of logs.
func (Proof) String() string { return "…" }

// GoString keeps the content of the proof out of %#v.
func (Proof) GoString() string { return "…" }

// AccountID returns the account whose owner is proved, or 0 for the zero value.
func (p Proof) AccountID() int64 {
	if p.claim == nil {
		return 0
	}
	return p.claim.AccountID
}

// Revision returns the revision of the account that the proof was checked
// against.
func (p Proof) Revision() int64 {
	if p.claim == nil {
		return 0
	}
	return p.claim.Revision
}

// Account holds the properties of an account that spending a proof needs.
type Account struct {
	ID       int64  // of the account
	Username string // at the time
	Disabled bool   // cannot sign in
	Revision int64  // see account.Account
	// TOTPStep is the last time step whose code was used.
	TOTPStep int64
}

// Rows is what spending needs stored. Package store implements it.
type Rows interface {
	// Account returns an account, or db.ErrNotFound.
	Account(ctx context.Context, q db.Querier, id int64) (Account, error)
	// SetPasswordHash replaces an account's password hash.
	SetPasswordHash(ctx context.Context, tx *db.Tx, id int64, hash plexauth.Secret) error
	// SetTOTPStep replaces the last used time step.
	SetTOTPStep(ctx context.Context, tx *db.Tx, id, step int64) error
	// DeleteBackupCode removes a backup code. The error is db.ErrNotFound if it does
	// not exist.
	DeleteBackupCode(ctx context.Context, tx *db.Tx, id int64, code Hash) error
	// ReplaceCredential writes a passkey's credential and time of use, and returns its
	// name. If the stored credential is not use.Was, the error is db.ErrNotFound.
	ReplaceCredential(ctx context.Context, tx *db.Tx, id int64, use PasskeyUse) (name string, err error)
}

// Config configures a Spender.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Audit is the audit log. Required.
	Audit *audit.Log
}

// Spender spends proofs. It is safe for concurrent use.
type Spender struct {
	db    *db.DB
	rows  Rows
	audit *audit.Log
}

// New returns a Spender.
func New(cfg Config) *Spender { return &Spender{cfg.DB, cfg.Rows, cfg.Audit} }

// Spent describes a proof to the transaction that spent it.
type Spent struct {
	AccountID int64  // the account that signs in
	Username  string // its current name
	Revision  int64  // the revision of the proof
	// Means names the factors other than the password, as the end of a sentence: "", or
	// ", with a verification code".
	Means string
}

// errVoid reports that a proof has become void.
var errVoid = errors.New("the proof is void")

// Spend spends a proof in one transaction with do: either both take effect or neither.
// If the proof is void, because the account changed or the code was used, the error is
// that of Claim.Void.
//
// It does so even if ctx has ended, so that a proved sign-in is recorded even if the
// client disconnects before the response.
//
// A partial proof is an error of the caller, which must ask for the second factor
// first.
func (s *Spender) Spend(
	ctx context.Context, by audit.Actor, p Proof, do func(context.Context, *db.Tx, Spent) error,
) error {
	if p.claim != nil && p.claim.Partial {
		return errors.New("spending a proof that lacks the second factor")
	}
	return s.SpendPartial(ctx, by, p, do)
}

// SpendPartial is Spend for a session that waits for the second factor. It accepts
// every proof.
func (s *Spender) SpendPartial(
	ctx context.Context, by audit.Actor, p Proof, do func(context.Context, *db.Tx, Spent) error,
) error {
	if p.claim == nil {
		return errors.New("spending the zero proof")
	}
	ctx = context.WithoutCancel(ctx)
	// Outside the transaction, which can run more than once.
	if !p.spent.CompareAndSwap(false, true) {
		return p.claim.Void(ctx, by)
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		spent, err := s.spend(ctx, tx, by, p)
		if err != nil {
			return err
		}
		return do(ctx, tx, spent)
	})
	if errors.Is(err, errVoid) {
		return p.claim.Void(ctx, by)
	}
	return err
}

// spend checks that the proof is not void, and uses up its one-time codes.
func (s *Spender) spend(ctx context.Context, tx *db.Tx, by audit.Actor, p Proof) (Spent, error) {
	c := p.claim
	a, err := s.rows.Account(ctx, tx, c.AccountID)
	if errors.Is(err, db.ErrNotFound) {
		return Spent{}, errVoid
	}
	if err != nil {
		return Spent{}, fmt.Errorf("spending a proof: %w", err)
	}
	if a.Disabled || a.Revision != c.Revision || c.TOTPStep != 0 && c.TOTPStep <= a.TOTPStep {
		return Spent{}, errVoid
	}
	if err := s.use(ctx, tx, by, a, c); err != nil {
		return Spent{}, err
	}
	spent := Spent{AccountID: a.ID, Username: a.Username, Revision: a.Revision}
	if c.TOTPStep > 0 {
		spent.Means = ", with a verification code"
	}
	return spent, nil
}

// use marks the codes and the passkey of a proof as used.
func (s *Spender) use(ctx context.Context, tx *db.Tx, by audit.Actor, a Account, c *Claim) error {
	if c.NewPasswordHash != "" {
		if err := s.rows.SetPasswordHash(ctx, tx, a.ID, c.NewPasswordHash); err != nil {
			return fmt.Errorf("replacing a password hash: %w", err)
		}
	}
	if c.TOTPStep > 0 {
		if err := s.rows.SetTOTPStep(ctx, tx, a.ID, c.TOTPStep); err != nil {
			return fmt.Errorf("using a verification code: %w", err)
		}
	}
	if c.UsedBackup {
		if err := s.useBackupCode(ctx, tx, by, a, c.BackupCode); err != nil {
			return err
		}
	}
	if c.Passkey.ID != 0 {
		if err := s.usePasskey(ctx, tx, by, a, c.Passkey); err != nil {
			return err
		}
	}
	if c.Spent != nil {
		return c.Spent(ctx, tx)
	}
	return nil
}

func (s *Spender) useBackupCode(ctx context.Context, tx *db.Tx, by audit.Actor, a Account, code Hash) error {
	err := s.rows.DeleteBackupCode(ctx, tx, a.ID, code)
	if errors.Is(err, db.ErrNotFound) {
		return errVoid
	}
	if err != nil {
		return fmt.Errorf("using a backup code: %w", err)
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.BackupCodeUsed, AccountID: a.ID, Account: a.Username,
	})
}

func (s *Spender) usePasskey(ctx context.Context, tx *db.Tx, by audit.Actor, a Account, use PasskeyUse) error {
	name, err := s.rows.ReplaceCredential(ctx, tx, a.ID, use)
	if errors.Is(err, db.ErrNotFound) {
		return errVoid
	}
	if err != nil {
		return fmt.Errorf("using a passkey: %w", err)
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.PasskeyUsed, AccountID: a.ID, Account: a.Username,
		Detail: fmt.Sprintf("passkey %d, %s", use.ID, name),
	})
}
