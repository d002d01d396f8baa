package passkey

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

// BeginJoin is BeginAdd for a new user who is about to create an account with a
// username. The caller must have checked that the user may do so. The account must get
// the UUID that FinishJoin returns, because the authenticator stores it.
func (s *Service) BeginJoin(ctx context.Context, party Party, username, browser string) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	u := &user{account: account.Account{Username: username, UUID: s.accounts.NewUUID()}}
	options, session, err := lib.BeginRegistration(u)
	if err != nil {
		return nil, fmt.Errorf("beginning to make a passkey for a new account: %w", err)
	}
	return s.begin(ctx, s.joining, browser, 0, session, options)
}

// Joining is a passkey for an account that is about to be created.
type Joining struct {
	// UUID is the UUID that the account must get.
	UUID    string
	passkey Passkey
}

// FinishJoin checks the passkey that a browser created for BeginJoin. Store stores it.
// Errors: ErrChallenge, ErrRejected.
func (s *Service) FinishJoin(ctx context.Context, party Party, browser, name string, answer []byte) (Joining, error) {
	return s.FinishReplace(ctx, party, 0, browser, name, answer)
}

// FinishReplace checks the passkey that a browser created for BeginReplace. Replacing
// stores it. Errors: ErrChallenge, ErrRejected.
func (s *Service) FinishReplace(
	ctx context.Context, party Party, accountID int64, browser, name string, answer []byte,
) (Joining, error) {
	begun, err := s.joining.take(ctx, browser, s.now())
	if err == nil && begun.Account != accountID {
		err = ErrChallenge
	}
	if err != nil {
		return Joining{}, err
	}
	lib, err := s.at(party)
	if err != nil {
		return Joining{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Joining{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	uuid := string(begun.Session.UserID)
	key, err := lib.CreateCredential(&user{account: account.Account{UUID: uuid}}, begun.Session, parsed)
	if err != nil {
		return Joining{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	credential, err := newRecord(party, *key)
	if err != nil {
		return Joining{}, err
	}
	return Joining{uuid, Passkey{CredentialID: key.ID, Credential: credential, Name: cleanName(name)}}, nil
}

// Store stores the passkey of a new account, in the transaction that creates the
// account. Errors: ErrExists.
func (s *Service) Store(ctx context.Context, tx *db.Tx, by audit.Actor, j Joining, accountID int64) error {
	j.passkey.AccountID = accountID
	return s.addIn(ctx, tx, by, j.passkey)
}

// BeginReplace is BeginAdd for a user who has lost the account's passkeys and opened a
// reset link. The caller must have checked the link.
func (s *Service) BeginReplace(ctx context.Context, party Party, a account.Account, browser string) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	options, session, err := lib.BeginRegistration(&user{account: a})
	if err != nil {
		return nil, fmt.Errorf("beginning to replace passkeys: %w", err)
	}
	return s.begin(ctx, s.joining, browser, a.ID, session, options)
}

// Replacing returns a function that replaces the passkeys of an account with a new one,
// in a transaction. Errors: ErrExists.
func (s *Service) Replacing(by audit.Actor, j Joining) func(ctx context.Context, tx *db.Tx, accountID int64) error {
	return func(ctx context.Context, tx *db.Tx, accountID int64) error {
		return s.replace(ctx, tx, by, j, accountID)
	}
}

func (s *Service) replace(ctx context.Context, tx *db.Tx, by audit.Actor, j Joining, accountID int64) error {
	old, err := s.rows.List(ctx, tx, accountID)
	if err != nil {
		return err
	}
	for _, p := range old {
		if _, err := s.rows.Delete(ctx, tx, accountID, p.ID); err != nil {
			return err
		}
	}
	if len(old) > 0 {
		e := audit.Event{Kind: audit.PasskeyRemoved, AccountID: accountID, Detail: audit.ByResetLink}
		if err := s.audit.Record(ctx, tx, by, e); err != nil {
			return err
		}
	}
	j.passkey.AccountID, j.passkey.CreatedAt = accountID, tx.Now()
	if _, err := s.rows.Insert(ctx, tx, j.passkey); errors.Is(err, db.ErrConflict) {
		return ErrExists
	} else if err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.PasskeyAdded, AccountID: accountID, Detail: audit.ByResetLink})
}
