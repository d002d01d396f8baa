package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Passkey is a row of passkey: a key pair of which an account gave the public
// half.
type Passkey struct {
	ID        int64
	AccountID int64
	// CredentialID is what the authenticator calls it.
	CredentialID []byte
	// Credential is the public key and what else verifying takes, as package
	// passkey writes it.
	Credential []byte
	// Name is for people.
	Name      string
	CreatedAt time.Time
	// LastUsedAt is zero until it is used.
	LastUsedAt time.Time
}

// PasskeyUse is the use of a passkey, as part of a sign-in.
type PasskeyUse struct {
	// ID is the passkey's; 0: none was used.
	ID int64
	// Was and Is are its Credential before and after. When it is not Was any
	// more, because the passkey is gone or was used at the same time, the
	// sign-in fails with ErrConflict.
	Was, Is []byte
}

const selectPasskey = "SELECT id, account_id, credential_id, credential, name, created_at, last_used_at FROM passkey "

func scanPasskey(row scanner) (p Passkey, err error) {
	var created, used int64
	err = row.Scan(&p.ID, &p.AccountID, &p.CredentialID, &p.Credential, &p.Name, &created, &used)
	p.CreatedAt, p.LastUsedAt = fromMillis(created), fromMillis(used)
	return p, err
}

// AddPasskey adds a passkey and fills in its ID and CreatedAt. ErrFull when the
// account has most of them already; ErrConflict when the credential is known.
func (s *Store) AddPasskey(ctx context.Context, p Passkey, most int) (Passkey, error) {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		var have int
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM passkey WHERE account_id = $1", p.AccountID).Scan(&have); err != nil {
			return err
		}
		if have >= most {
			return ErrFull
		}
		p.CreatedAt = s.now()
		err := tx.QueryRow(ctx, `INSERT INTO passkey (account_id, credential_id, credential, name, created_at, last_used_at)
			VALUES ($1, $2, $3, $4, $5, 0) RETURNING id`,
			p.AccountID, p.CredentialID, p.Credential, p.Name, millis(p.CreatedAt)).Scan(&p.ID)
		if err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: EventPasskeyAdded, AccountID: p.AccountID, Detail: describePasskey(p.ID, p.Name)})
	})
	return p, db.Wrap("adding a passkey", err)
}

// Passkeys lists an account's passkeys in the order in which they were added.
func (s *Store) Passkeys(ctx context.Context, account int64) ([]Passkey, error) {
	rows, err := s.db.Query(ctx, selectPasskey+"WHERE account_id = $1 ORDER BY id", account)
	list, err := collect(rows, err, scanPasskey)
	return list, db.Wrap("listing passkeys", err)
}

// PasskeyByCredential finds a passkey by what its authenticator calls it.
// ErrNotFound.
func (s *Store) PasskeyByCredential(ctx context.Context, credentialID []byte) (Passkey, error) {
	p, err := scanPasskey(s.db.QueryRow(ctx, selectPasskey+"WHERE credential_id = $1", credentialID))
	return p, db.Wrap("finding a passkey", err)
}

// RemovePasskey removes a passkey of an account. ErrNotFound.
func (s *Store) RemovePasskey(ctx context.Context, account, id int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		var name string
		err := tx.QueryRow(ctx, "DELETE FROM passkey WHERE id = $1 AND account_id = $2 RETURNING name", id, account).Scan(&name)
		if err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: EventPasskeyRemoved, AccountID: account, Detail: describePasskey(id, name)})
	})
	return db.Wrap(fmt.Sprintf("removing passkey %d", id), err)
}

// spendPasskey writes down the use of an account's passkey. ErrConflict.
func spendPasskey(ctx context.Context, tx *tx, account int64, username string, use PasskeyUse) error {
	var name string
	err := tx.QueryRow(ctx, `UPDATE passkey SET credential = $4, last_used_at = $5
		WHERE id = $1 AND account_id = $2 AND credential = $3 RETURNING name`,
		use.ID, account, use.Was, use.Is, millis(tx.Now())).Scan(&name)
	if err = db.Wrap("using a passkey", err); errors.Is(err, ErrNotFound) {
		return ErrConflict
	}
	if err != nil {
		return err
	}
	return tx.note(ctx, Event{
		Kind: EventPasskeyUsed, AccountID: account, Account: username, Detail: describePasskey(use.ID, name),
	})
}

func describePasskey(id int64, name string) string { return fmt.Sprintf("passkey %d, %s", id, name) }
