package store

import (
	"context"
	"fmt"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/home"
)

// Homes is the table of the residents of homes. It implements home.Rows.
type Homes struct{}

const selectHomeUser = `SELECT account_id, owner_id, role, pin_hash, wrong, locked_until, restriction, joined_at
	FROM home_user `

func scanHomeUser(row scanner) (u home.User, err error) {
	var locked, joined int64
	err = row.Scan(&u.Account.ID, &u.OwnerID, &u.Role, &u.PIN, &u.Wrong, &locked, &u.Restriction, &joined)
	u.LockedUntil, u.JoinedAt = fromMillis(locked), fromMillis(joined)
	return u, err
}

// User implements home.Rows.
func (Homes) User(ctx context.Context, q db.Querier, accountID int64) (home.User, error) {
	u, err := scanHomeUser(q.QueryRow(ctx, selectHomeUser+"WHERE account_id = $1", accountID))
	if err != nil {
		return u, db.Wrap("reading a user of a home", err)
	}
	u.Account, err = Accounts{}.Get(ctx, q, accountID)
	return u, err
}

// selectResident reads what a response has, and no secrets: token checks run it for each
// account that is not cached, and every column takes time.
const selectResident = `SELECT a.uuid, a.username, a.title, a.email, a.email <> '' AND a.email = a.confirmed_email,
	a.owner_id IS NOT NULL, a.password_hash <> '', a.totp_seed IS NOT NULL,
	EXISTS (SELECT 1 FROM backup_code b WHERE b.account_id = a.id), a.created_at,
	COALESCE(h.role, 0), COALESCE(h.pin_hash <> '', FALSE),
	(SELECT COUNT(*) FROM home_user u WHERE u.owner_id = h.owner_id)
	FROM account a LEFT JOIN home_user h ON h.account_id = a.id WHERE a.id = $1`

// Resident implements home.Rows.
func (Homes) Resident(ctx context.Context, q db.Querier, accountID int64) (home.Resident, error) {
	r := home.Resident{Profile: account.Profile{ID: accountID}}
	var created int64
	err := q.QueryRow(ctx, selectResident, accountID).Scan(&r.UUID, &r.Username, &r.Title, &r.Email, &r.EmailConfirmed,
		&r.Managed, &r.HasPassword, &r.HasSecondFactor, &r.HasBackupCodes, &created, &r.Role, &r.Protected, &r.Size)
	r.CreatedAt = fromMillis(created)
	return r, db.Wrap("reading an account with its home", err)
}

// Users implements home.Rows. A home has few users.
func (Homes) Users(ctx context.Context, q db.Querier, ownerID int64) ([]home.User, error) {
	rows, err := q.Query(ctx, selectHomeUser+"WHERE owner_id = $1 ORDER BY role, account_id", ownerID)
	list, err := collect(rows, err, scanHomeUser)
	if err != nil {
		return nil, fmt.Errorf("reading the users of a home: %w", err)
	}
	for i := range list {
		if list[i].Account, err = (Accounts{}).Get(ctx, q, list[i].Account.ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Size implements home.Rows.
func (Homes) Size(ctx context.Context, q db.Querier, ownerID int64) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM home_user WHERE owner_id = $1", ownerID).Scan(&n)
	return n, db.Wrap("counting the users of a home", err)
}

// touchHome touches every account of the home that an account is in: the answer about
// each of them has the number of users.
func touchHome(ctx context.Context, tx *db.Tx, accountID int64) error {
	return touchAccounts(ctx, tx, `SELECT account_id FROM home_user
		WHERE owner_id = (SELECT owner_id FROM home_user WHERE account_id = $1)`, accountID)
}

// Insert implements home.Rows.
func (Homes) Insert(ctx context.Context, tx *db.Tx, u home.User) error {
	err := tx.Exec(ctx, `INSERT INTO home_user (account_id, owner_id, role, pin_hash, restriction, joined_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, u.Account.ID, u.OwnerID, u.Role, u.PIN, u.Restriction, millis(u.JoinedAt))
	if err != nil {
		return db.Wrap("adding a user to a home", err)
	}
	return touchHome(ctx, tx, u.Account.ID)
}

// Update implements home.Rows.
func (Homes) Update(ctx context.Context, tx *db.Tx, u home.User) error {
	err := tx.ExecOne(ctx, `UPDATE home_user SET role = $2, pin_hash = $3, wrong = $4, locked_until = $5, restriction = $6
		WHERE account_id = $1`, u.Account.ID, u.Role, u.PIN, u.Wrong, millis(u.LockedUntil), u.Restriction)
	if err != nil {
		return db.Wrap("changing a user of a home", err)
	}
	return touchHome(ctx, tx, u.Account.ID)
}

// SetTries implements home.Rows. No cache holds them.
func (Homes) SetTries(ctx context.Context, tx *db.Tx, u home.User) error {
	err := tx.ExecOne(ctx, "UPDATE home_user SET wrong = $2, locked_until = $3 WHERE account_id = $1",
		u.Account.ID, u.Wrong, millis(u.LockedUntil))
	return db.Wrap("counting wrong PINs", err)
}

// Delete implements home.Rows.
func (Homes) Delete(ctx context.Context, tx *db.Tx, accountID int64) error {
	if err := touchHome(ctx, tx, accountID); err != nil {
		return err
	}
	return db.Wrap("removing a user of a home", tx.ExecOne(ctx, "DELETE FROM home_user WHERE account_id = $1", accountID))
}
