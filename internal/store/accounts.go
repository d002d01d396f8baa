package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signin"
)

// Accounts is the tables of accounts and backup codes. It implements
// account.Rows.
type Accounts struct{}

const accountColumns = `id, uuid, username, username_key, email, COALESCE(email_key, ''), confirmed_email, title,
	password_hash, admin, disabled, totp_seed, totp_step, revision, created_at,
	(SELECT COUNT(*) FROM backup_code WHERE account_id = account.id), COALESCE(owner_id, 0),
	password_off, passkey_required, admin_since`

const selectAccount = "SELECT " + accountColumns + " FROM account "

func scanAccount(row scanner) (a account.Account, err error) {
	var created, since int64
	err = row.Scan(&a.ID, &a.UUID, &a.Username, &a.UsernameKey, &a.Email, &a.EmailKey, &a.ConfirmedEmail, &a.Title,
		&a.PasswordHash, &a.Admin, &a.Disabled, &a.TOTPSeed, &a.TOTPStep, &a.Revision, &created, &a.BackupCodes,
		&a.OwnerID, &a.PasswordOff, &a.PasskeyRequired, &since)
	a.CreatedAt, a.AdminSince = fromMillis(created), fromMillis(since)
	return a, err
}

// Get implements account.Rows.
func (Accounts) Get(ctx context.Context, q db.Querier, id int64) (account.Account, error) {
	a, err := scanAccount(q.QueryRow(ctx, selectAccount+"WHERE id = $1", id))
	return a, db.Wrap(fmt.Sprintf("reading account %d", id), err)
}

// ByLogin implements account.Rows.
func (Accounts) ByLogin(ctx context.Context, q db.Querier, key string) (account.Account, error) {
	a, err := scanAccount(q.QueryRow(ctx, selectAccount+"WHERE username_key = $1 OR email_key = $1", key))
	return a, db.Wrap("reading an account by login", err)
}

// ByUUID implements account.Rows.
func (Accounts) ByUUID(ctx context.Context, q db.Querier, uuid string) (account.Account, error) {
	a, err := scanAccount(q.QueryRow(ctx, selectAccount+"WHERE uuid = $1", uuid))
	return a, db.Wrap("reading an account by UUID", err)
}

// FirstAdmin implements account.Rows.
func (Accounts) FirstAdmin(ctx context.Context, q db.Querier) (account.Account, error) {
	a, err := scanAccount(q.QueryRow(ctx, selectAccount+"WHERE admin AND NOT disabled ORDER BY id LIMIT 1"))
	return a, db.Wrap("reading an admin", err)
}

// accounts are listed in the order in which they were added.
var accounts = listing[account.Account]{
	query: selectAccount, scan: scanAccount, order: []string{"id"}, start: []any{lowest},
	place: func(a account.Account) []any { return []any{a.ID} },
}

// List implements account.Rows.
func (Accounts) List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
	return accounts.page(ctx, q, r, "")
}

// Newest implements account.Rows.
func (Accounts) Newest(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
	l := accounts
	l.desc, l.start = true, []any{highest}
	return l.page(ctx, q, r, "")
}

// Sealed implements account.Rows.
func (Accounts) Sealed(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
	return accounts.page(ctx, q, r, "totp_seed IS NOT NULL")
}

// accountSearches are read one after the other. The first finds the accounts whose name
// begins with a text, ordered by name. The second finds the other accounts whose e-mail
// address begins with a text, ordered by address; it skips those that the first one found.
var accountSearches = [...]accountSearch{
	{"username_key", "", func(a account.Account) string { return a.UsernameKey }},
	{"email_key", "NOT (username_key >= $4 AND username_key < $5) AND ", func(a account.Account) string { return a.EmailKey }},
}

// accountSearch is a search by the beginning of a text.
type accountSearch struct {
	// column has the text, and an index.
	column string
	// besides is another condition, on parameters from $4 on.
	besides string
	of      func(account.Account) string
}

// statement reads the rows of a span.
func (s accountSearch) statement(in span) string {
	return fmt.Sprintf("%sWHERE %[2]s%[3]s %[4]s $1 AND %[3]s < $2 ORDER BY %[3]s %[5]s LIMIT $3",
		selectAccount, s.besides, s.column, in.compare, in.direction)
}

// foundAccount is an account that one of accountSearches found.
type foundAccount struct {
	account.Account
	search int
}

func (f foundAccount) place() paging.Cursor {
	return paging.NewCursor(int64(f.search), accountSearches[f.search].of(f.Account))
}

// accountPlace reads a cursor of a search for some texts: which of them found the row,
// and the name in it.
func accountPlace(c paging.Cursor, prefixes []string) (search int, key string, ok bool) {
	values, ok := c.Values(2)
	if !ok {
		return 0, "", false
	}
	index, isIndex := values[0].(int64)
	key, isKey := values[1].(string)
	if !isIndex || !isKey || index < 0 || index >= int64(len(prefixes)) || !strings.HasPrefix(key, prefixes[index]) {
		return 0, "", false
	}
	return int(index), key, true
}

// Search implements account.Rows.
func (Accounts) Search(
	ctx context.Context, q db.Querier, name, email string, r paging.Request,
) (l paging.List[account.Account], err error) {
	prefixes := []string{name, email}
	if email == "" {
		prefixes = prefixes[:1]
	}
	from, back := r.After, false
	if from == "" && r.Before != "" {
		from, back = r.Before, true
	}
	at, key, known := accountPlace(from, prefixes)
	back = back && known
	step, inside := 1, known
	if back {
		step = -1
	}
	var read []foundAccount
	for ; at >= 0 && at < len(prefixes) && len(read) <= r.Max(); at, inside = at+step, false {
		in := newSpan(prefixes[at], key, inside, back)
		args := []any{in.first, in.end, r.Max() + 1 - len(read)}
		if at > 0 {
			args = append(args, name, name+lastRune)
		}
		rows, err := q.Query(ctx, accountSearches[at].statement(in), args...)
		part, err := collect(rows, err, scanAccount)
		if err != nil {
			return l, err
		}
		for _, a := range part {
			read = append(read, foundAccount{a, at})
		}
	}
	found := paging.Cut(read, r, back, known, foundAccount.place)
	for _, f := range found.Rows {
		l.Rows = append(l.Rows, f.Account)
	}
	l.Next, l.Previous, l.Restarted = found.Next, found.Previous, found.Restarted
	return l, nil
}

// Any implements account.Rows.
func (Accounts) Any(ctx context.Context, q db.Querier) (exists bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM account)").Scan(&exists)
	return exists, err
}

// Count implements account.Rows.
func (Accounts) Count(ctx context.Context, q db.Querier) (c account.Counts, err error) {
	err = q.QueryRow(ctx, "SELECT "+count("account", "id > 0")+", "+count("account", "admin")+", "+
		count("account", "disabled")).Scan(&c.Accounts, &c.Admins, &c.Disabled)
	return c, err
}

// Taken implements account.Rows.
func (Accounts) Taken(ctx context.Context, q db.Querier, id int64, key string) (taken bool, err error) {
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account
		WHERE id <> $2 AND (username_key = $1 OR email_key = $1))`, key, id).Scan(&taken)
	return taken, err
}

// Alike implements account.Rows.
func (Accounts) Alike(ctx context.Context, q db.Querier, id int64, skeleton string) (alike bool, err error) {
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account_skeleton
		WHERE skeleton = $1 AND account_id <> $2)`, skeleton, id).Scan(&alike)
	return alike, err
}

// SetSkeletons implements account.Rows. No cache holds them.
func (Accounts) SetSkeletons(ctx context.Context, tx *db.Tx, id int64, version int, skeletons []string) error {
	if err := tx.Exec(ctx, "DELETE FROM account_skeleton WHERE account_id = $1", id); err != nil {
		return fmt.Errorf("removing skeletons: %w", err)
	}
	for _, skeleton := range skeletons {
		err := tx.Exec(ctx, "INSERT INTO account_skeleton (skeleton, account_id) VALUES ($1, $2)", skeleton, id)
		if err != nil {
			return fmt.Errorf("adding a skeleton: %w", err)
		}
	}
	return tx.ExecOne(ctx, "UPDATE account SET skeleton_version = $2 WHERE id = $1", id, version)
}

// OldSkeletons implements account.Rows.
func (Accounts) OldSkeletons(ctx context.Context, q db.Querier, version, limit int) ([]account.Account, error) {
	rows, err := q.Query(ctx, selectAccount+"WHERE skeleton_version < $1 ORDER BY skeleton_version, id LIMIT $2",
		version, limit)
	return collect(rows, err, scanAccount)
}

// HasOtherAdmin implements account.Rows.
func (Accounts) HasOtherAdmin(ctx context.Context, q db.Querier, id int64) (has bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM account WHERE id <> $1 AND admin AND NOT disabled)", id).
		Scan(&has)
	return has, err
}

// Insert implements account.Rows.
func (Accounts) Insert(ctx context.Context, tx *db.Tx, a account.Account) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO account (uuid, username, username_key, email, email_key, title,
		password_hash, admin, disabled, totp_seed, totp_step, revision, created_at, confirmed_email, owner_id,
		password_off, passkey_required, admin_since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id`,
		a.UUID, a.Username, a.UsernameKey, a.Email, nullText(a.EmailKey), a.Title, a.PasswordHash, a.Admin,
		a.Disabled, a.TOTPSeed, a.TOTPStep, a.Revision, millis(a.CreatedAt), a.ConfirmedEmail,
		nullID(a.OwnerID), a.PasswordOff, a.PasskeyRequired, millis(a.AdminSince)).Scan(&id)
	return id, db.Wrap("adding an account", err)
}

// Managed implements account.Rows.
func (Accounts) Managed(ctx context.Context, q db.Querier, ownerID int64) ([]account.Account, error) {
	rows, err := q.Query(ctx, selectAccount+"WHERE owner_id = $1 ORDER BY id", ownerID)
	return collect(rows, err, scanAccount)
}

// Update implements account.Rows. It touches the accounts that the account's home
// manages, too: they are disabled with it.
func (Accounts) Update(ctx context.Context, tx *db.Tx, a account.Account) error {
	tx.Touch(account.Topic, db.IDKey(a.ID))
	if err := touchAccounts(ctx, tx, "SELECT id FROM account WHERE owner_id = $1", a.ID); err != nil {
		return err
	}
	err := tx.ExecOne(ctx, `UPDATE account SET username = $2, username_key = $3, email = $4, email_key = $5,
		title = $6, password_hash = $7, admin = $8, disabled = $9, totp_seed = $10, totp_step = $11,
		revision = $12, confirmed_email = $13, password_off = $14, passkey_required = $15, admin_since = $16 WHERE id = $1`,
		a.ID, a.Username, a.UsernameKey, a.Email, nullText(a.EmailKey),
		a.Title, a.PasswordHash, a.Admin, a.Disabled, a.TOTPSeed, a.TOTPStep, a.Revision, a.ConfirmedEmail,
		a.PasswordOff, a.PasskeyRequired, millis(a.AdminSince))
	return db.Wrap("changing an account", err)
}

// touchAccounts touches the accounts whose IDs a query returns.
func touchAccounts(ctx context.Context, tx *db.Tx, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	ids, err := collect(rows, err, scanID)
	if err != nil {
		return fmt.Errorf("reading whose accounts change: %w", err)
	}
	for _, id := range ids {
		tx.Touch(account.Topic, db.IDKey(id))
	}
	return nil
}

// RevokeSwitched implements account.Rows.
func (Accounts) RevokeSwitched(ctx context.Context, tx *db.Tx, id int64) (int, error) {
	return Tokens{}.revokeAll(ctx, tx, switchedBy, id)
}

// Delete implements account.Rows. A foreign key deletes the managed accounts. Caches
// about an account are dropped with the account; each token of other accounts that is
// deleted, too, is touched.
func (Accounts) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	tx.Touch(account.Topic, db.IDKey(id))
	if err := touchHome(ctx, tx, id); err != nil {
		return err
	}
	if err := touchAccounts(ctx, tx, "SELECT id FROM account WHERE owner_id = $1", id); err != nil {
		return err
	}
	if _, err := (Tokens{}).revokeAll(ctx, tx, switchedByAny, id); err != nil {
		return err
	}
	return db.Wrap("removing an account", tx.ExecOne(ctx, "DELETE FROM account WHERE id = $1", id))
}

// SetBackupCodes implements account.Rows.
func (Accounts) SetBackupCodes(ctx context.Context, tx *db.Tx, id int64, codes []signin.Hash) error {
	tx.Touch(account.Topic, db.IDKey(id))
	if err := tx.Exec(ctx, "DELETE FROM backup_code WHERE account_id = $1", id); err != nil {
		return fmt.Errorf("removing backup codes: %w", err)
	}
	for _, code := range codes {
		err := tx.Exec(ctx, "INSERT INTO backup_code (account_id, hash) VALUES ($1, $2)", id, code[:])
		if err != nil {
			return fmt.Errorf("adding a backup code: %w", err)
		}
	}
	return nil
}

// adminRuleSetting is the setting that holds whether admins need a second factor.
const adminRuleSetting = "second factor of admins"

// AdminRule implements account.RuleRows.
func (Accounts) AdminRule(ctx context.Context, q db.Querier) (rule []byte, err error) {
	err = q.QueryRow(ctx, findSetting, adminRuleSetting).Scan(&rule)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return rule, db.Wrap("reading whether admins need a second factor", err)
}

// BeginAdminRule stores the rule in a new database, in the transaction that creates it.
func (Accounts) BeginAdminRule(ctx context.Context, exec db.Exec, rule []byte) error {
	return db.Wrap("storing whether admins need a second factor", exec(ctx, putSetting, adminRuleSetting, rule))
}

// SetAdminRule implements account.RuleRows. No cache holds it.
func (Accounts) SetAdminRule(ctx context.Context, tx *db.Tx, rule []byte) error {
	if rule == nil {
		rule = []byte{}
	}
	return db.Wrap("storing whether admins need a second factor", tx.Exec(ctx, putSetting, adminRuleSetting, rule))
}
