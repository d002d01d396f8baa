package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
)

// AdminKeys is the table of the keys of the admin API. It implements adminkey.Rows.
type AdminKeys struct{}

const selectAdminKey = `SELECT k.id, k.name, k.scopes, COALESCE(k.account_id, 0), COALESCE(a.username, ''), k.created_at,
	k.last_used_at, k.expires_at, COALESCE(a.admin, FALSE), COALESCE(a.disabled, FALSE)
	FROM admin_key k LEFT JOIN account a ON a.id = k.account_id `

func scanAdminKey(row scanner) (k adminkey.Stored, err error) {
	var scopes string
	var created, used, expires int64
	err = row.Scan(&k.ID, &k.Name, &scopes, &k.MakerID, &k.Maker, &created, &used, &expires, &k.MakerAdmin, &k.MakerDisabled)
	for name := range strings.FieldsSeq(scopes) {
		k.Scopes = append(k.Scopes, adminkey.Scope(name))
	}
	k.CreatedAt, k.LastUsedAt, k.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return k, err
}

func (AdminKeys) one(ctx context.Context, q db.Querier, where string, arg any) (adminkey.Stored, error) {
	k, err := scanAdminKey(q.QueryRow(ctx, selectAdminKey+where, arg))
	return k, db.Wrap("reading a key of the admin API", err)
}

// ByHash implements adminkey.Rows.
func (t AdminKeys) ByHash(ctx context.Context, q db.Querier, h adminkey.Hash) (adminkey.Stored, error) {
	return t.one(ctx, q, "WHERE k.hash = $1", h[:])
}

// Get implements adminkey.Rows.
func (t AdminKeys) Get(ctx context.Context, q db.Querier, id int64) (adminkey.Stored, error) {
	return t.one(ctx, q, "WHERE k.id = $1", id)
}

// ByName implements adminkey.Rows.
func (t AdminKeys) ByName(ctx context.Context, q db.Querier, name string) (adminkey.Stored, error) {
	return t.one(ctx, q, "WHERE k.name = $1", name)
}

// adminKeys are listed by name.
var adminKeys = listing[adminkey.Stored]{
	query: selectAdminKey, scan: scanAdminKey, order: []string{"k.name"}, start: []any{""},
	place: func(k adminkey.Stored) []any { return []any{k.Name} },
}

// List implements adminkey.Rows.
func (AdminKeys) List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[adminkey.Stored], error) {
	return adminKeys.page(ctx, q, r, "")
}

// Count implements adminkey.Rows.
func (AdminKeys) Count(ctx context.Context, q db.Querier) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT "+count("admin_key", "id > 0")).Scan(&n)
	return n, err
}

// Insert implements adminkey.Rows.
func (AdminKeys) Insert(ctx context.Context, tx *db.Tx, k adminkey.Key, h adminkey.Hash) (id int64, err error) {
	names := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		names[i] = string(s)
	}
	err = tx.QueryRow(ctx, `INSERT INTO admin_key (hash, name, scopes, account_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`, h[:], k.Name, strings.Join(names, " "), nullID(k.MakerID),
		millis(k.CreatedAt), millis(k.ExpiresAt)).Scan(&id)
	if err != nil {
		return 0, db.Wrap("adding a key of the admin API", err)
	}
	tx.Touch(adminkey.Topic, db.IDKey(id))
	return id, nil
}

// Delete implements adminkey.Rows.
func (AdminKeys) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	tx.Touch(adminkey.Topic, db.IDKey(id))
	return db.Wrap("removing a key of the admin API", tx.ExecOne(ctx, "DELETE FROM admin_key WHERE id = $1", id))
}

// NoteUse implements adminkey.Rows. Caches only need the time that they read first, to
// decide when to note the next use.
func (AdminKeys) NoteUse(ctx context.Context, d *db.DB, id int64, at time.Time) error {
	return d.Note(ctx, db.Notes{Table: "admin_key", Column: "last_used_at", At: map[int64]time.Time{id: at}})
}

// RevokeAdminKeys implements account.Rows.
func (Accounts) RevokeAdminKeys(ctx context.Context, tx *db.Tx, accountID int64) (int, error) {
	rows, err := tx.Query(ctx, "DELETE FROM admin_key WHERE account_id = $1 RETURNING id", accountID)
	ids, err := collect(rows, err, scanID)
	if err != nil {
		return 0, fmt.Errorf("removing the admin keys of an account: %w", err)
	}
	for _, id := range ids {
		tx.Touch(adminkey.Topic, db.IDKey(id))
	}
	return len(ids), nil
}
