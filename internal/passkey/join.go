package passkey

import (
	"context"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

// BeginJoin is BeginAdd for somebody who has no account yet, and is about to make one
// with a username. The caller must have checked that they may. The account must then
// have the UUID that FinishJoin returns: the authenticator keeps it.
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

// Joining is a passkey that somebody made for the account that they are about to have.
type Joining struct {
	// UUID is what the account must have.
	UUID    string
	passkey Passkey
}

// FinishJoin checks the passkey that a browser created for BeginJoin. Store stores it.
// ErrChallenge, ErrRejected.
func (s *Service) FinishJoin(ctx context.Context, party Party, browser, name string, answer []byte) (Joining, error) {
	begun, err := s.joining.take(ctx, browser, s.now())
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

// Store stores the passkey of an account that was just made, in the transaction that
// makes it. ErrExists.
func (s *Service) Store(ctx context.Context, tx *db.Tx, by audit.Actor, j Joining, accountID int64) error {
	j.passkey.AccountID = accountID
	return s.addIn(ctx, tx, by, j.passkey)
}
