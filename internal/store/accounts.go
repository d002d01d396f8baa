package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Account is a row of account. IDs are below 2^31 for as long as fewer than
// two billion accounts are made: clients read them as 32 bits.
type Account struct {
	ID       int64
	UUID     string
	Username string
	// UsernameKey and EmailKey are the folded forms that logins are compared
	// with. EmailKey is empty when Email is.
	UsernameKey  string
	Email        string
	EmailKey     string
	Title        string
	PasswordHash string
	Admin        bool
	Disabled     bool
	// TOTPSeed is sealed; nil without a second factor.
	TOTPSeed []byte
	// TOTPStep is the last time step whose code was used.
	TOTPStep int64
	// BackupCodes is how many are left.
	BackupCodes int
	CreatedAt   time.Time
}

const selectAccount = `SELECT id, uuid, username, username_key, email, COALESCE(email_key, ''), title, password_hash,
	admin, disabled, totp_seed, totp_step, created_at,
	(SELECT COUNT(*) FROM backup_code WHERE account_id = account.id) FROM account `

// scanner is a row of either kind.
type scanner interface{ Scan(dest ...any) error }

func scanAccount(row scanner) (a Account, err error) {
	var created int64
	err = row.Scan(&a.ID, &a.UUID, &a.Username, &a.UsernameKey, &a.Email, &a.EmailKey, &a.Title, &a.PasswordHash,
		&a.Admin, &a.Disabled, &a.TOTPSeed, &a.TOTPStep, &created, &a.BackupCodes)
	a.CreatedAt = fromMillis(created)
	return a, err
}

// collect scans every row of a query and closes it.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// AddAccount adds an account and fills in its ID and CreatedAt. ErrConflict
// when another account has the name or the e-mail, also as the other of the
// two: a login must mean one account.
func (s *Store) AddAccount(ctx context.Context, a Account) (Account, error) {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		return s.addAccount(ctx, tx, &a)
	})
	return a, db.Wrap("adding account "+a.Username, err)
}

// AddFirstAccount is AddAccount when there is no account yet, and ErrConflict
// otherwise, however many processes try at once.
func (s *Store) AddFirstAccount(ctx context.Context, a Account) (Account, error) {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM account").Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrConflict
		}
		return s.addAccount(ctx, tx, &a)
	})
	return a, db.Wrap("adding the first account", err)
}

func (s *Store) addAccount(ctx context.Context, tx *tx, a *Account) error {
	if err := checkTaken(ctx, tx, *a); err != nil {
		return err
	}
	a.CreatedAt = s.now()
	err := tx.QueryRow(ctx, `INSERT INTO account
		(uuid, username, username_key, email, email_key, title, password_hash, admin, disabled, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		a.UUID, a.Username, a.UsernameKey, a.Email, nullText(a.EmailKey), a.Title, a.PasswordHash,
		a.Admin, a.Disabled, millis(a.CreatedAt)).Scan(&a.ID)
	if err != nil {
		return err
	}
	e := Event{Kind: EventAccountAdded, AccountID: a.ID, Account: a.Username}
	if a.Admin {
		e.Detail = "admin"
	}
	return tx.note(ctx, e)
}

// checkTaken returns ErrConflict when another account has a's name or e-mail.
func checkTaken(ctx context.Context, tx *tx, a Account) error {
	var taken int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM account
		WHERE id <> $3 AND (username_key IN ($1, $2) OR email_key IN ($1, $2))`,
		a.UsernameKey, nullText(a.EmailKey), a.ID).Scan(&taken)
	if err == nil && taken > 0 {
		err = ErrConflict
	}
	return err
}

// nullText keeps an absent value out of UNIQUE columns.
func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// AccountByLogin finds an account by its folded name or e-mail.
func (s *Store) AccountByLogin(ctx context.Context, key string) (Account, error) {
	a, err := scanAccount(s.db.QueryRow(ctx, selectAccount+"WHERE username_key = $1 OR email_key = $1", key))
	return a, db.Wrap("finding an account by login", err)
}

// Account finds an account by ID.
func (s *Store) Account(ctx context.Context, id int64) (Account, error) {
	a, err := scanAccount(s.db.QueryRow(ctx, selectAccount+"WHERE id = $1", id))
	return a, db.Wrap(fmt.Sprintf("finding account %d", id), err)
}

// Accounts lists every account in order of ID.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	rows, err := s.db.Query(ctx, selectAccount+"ORDER BY id")
	list, err := collect(rows, err, scanAccount)
	return list, db.Wrap("listing accounts", err)
}

// SetIdentity replaces an account's name, e-mail and title, with the folded
// forms of them. ErrConflict as in AddAccount. It is told of where one of them
// is another than before.
func (s *Store) SetIdentity(ctx context.Context, a Account) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := checkTaken(ctx, tx, a); err != nil {
			return err
		}
		var same bool
		err := tx.QueryRow(ctx, "SELECT username = $2 AND email = $3 AND title = $4 FROM account WHERE id = $1",
			a.ID, a.Username, a.Email, a.Title).Scan(&same)
		if err != nil || same {
			return err
		}
		tx.Touch(AccountTopic, db.IDKey(a.ID))
		if err := tx.note(ctx, Event{Kind: EventAccountChanged, AccountID: a.ID}); err != nil { // by its old name
			return err
		}
		return tx.ExecOne(ctx, `UPDATE account SET username = $2, username_key = $3, email = $4, email_key = $5, title = $6
			WHERE id = $1`, a.ID, a.Username, a.UsernameKey, a.Email, nullText(a.EmailKey), a.Title)
	})
	return db.Wrap("changing a name", err)
}

// SetPasswordHash replaces the hash of an account's password.
func (s *Store) SetPasswordHash(ctx context.Context, id int64, hash string) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		return tx.updateAccount(ctx, id, EventPasswordChanged, "UPDATE account SET password_hash = $2 WHERE id = $1", id, hash)
	})
	return db.Wrap("setting a password", err)
}

// SetDisabled keeps an account from signing in and its tokens from working, or
// lets it again: the tokens themselves stay. An account that is so already is
// left alone, and nothing is told. ErrLastAdmin.
func (s *Store) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	kind := EventAccountEnabled
	if disabled {
		kind = EventAccountDisabled
	}
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		var was bool
		err := tx.QueryRow(ctx, "SELECT disabled FROM account WHERE id = $1", id).Scan(&was)
		if err != nil || was == disabled {
			return err
		}
		return tx.updateAccount(ctx, id, kind, "UPDATE account SET disabled = $2 WHERE id = $1", id, disabled)
	})
	return db.Wrap("disabling or enabling an account", err)
}

// RemoveAccount removes an account with its devices, tokens and shares. The
// servers it owned go to the admins. ErrLastAdmin.
func (s *Store) RemoveAccount(ctx context.Context, id int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		return tx.updateAccount(ctx, id, EventAccountRemoved, "DELETE FROM account WHERE id = $1", id)
	})
	return db.Wrap("removing an account", err)
}

func (t *tx) updateAccount(ctx context.Context, id int64, kind EventKind, query string, args ...any) error {
	t.Touch(AccountTopic, db.IDKey(id))
	if kind == EventAccountDisabled || kind == EventAccountRemoved {
		if err := t.checkLastAdmin(ctx, id); err != nil {
			return err
		}
	}
	if err := t.note(ctx, Event{Kind: kind, AccountID: id}); err != nil { // while it has a name
		return err
	}
	return t.ExecOne(ctx, query, args...)
}

// checkLastAdmin returns ErrLastAdmin when an account is the only admin who is
// not disabled. It is asked in the transaction that takes the account away: of
// two admins who remove each other at once, one stays.
func (t *tx) checkLastAdmin(ctx context.Context, id int64) error {
	var last bool
	err := t.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account WHERE id = $1 AND admin AND NOT disabled)
		AND NOT EXISTS (SELECT 1 FROM account WHERE id <> $1 AND admin AND NOT disabled)`, id).Scan(&last)
	if err == nil && last {
		err = ErrLastAdmin
	}
	return err
}

// SetSecondFactor gives an account a sealed TOTP seed and backup codes in
// place of those it had; a nil seed removes the second factor, and where there
// is none nothing is told. step is the time step of the code that confirmed
// the seed, so that it does not work again.
func (s *Store) SetSecondFactor(ctx context.Context, id int64, seed []byte, step int64, backup []Hash) error {
	kind := EventSecondFactorAdded
	if seed == nil {
		kind = EventSecondFactorRemoved
	}
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		var has bool
		err := tx.QueryRow(ctx, "SELECT totp_seed IS NOT NULL FROM account WHERE id = $1", id).Scan(&has)
		if err != nil || seed == nil && !has {
			return err
		}
		tx.Touch(AccountTopic, db.IDKey(id))
		if err := tx.note(ctx, Event{Kind: kind, AccountID: id}); err != nil {
			return err
		}
		if err := tx.ExecOne(ctx, "UPDATE account SET totp_seed = $2, totp_step = $3 WHERE id = $1", id, seed, step); err != nil {
			return err
		}
		if err := tx.Exec(ctx, "DELETE FROM backup_code WHERE account_id = $1", id); err != nil {
			return err
		}
		for _, hash := range backup {
			if err := tx.Exec(ctx, "INSERT INTO backup_code (account_id, hash) VALUES ($1, $2)", id, hash[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return db.Wrap("setting a second factor", err)
}
