package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// Tokens is the table of tokens. It implements token.Rows.
type Tokens struct{}

// Grant implements token.Rows.
func (Tokens) Grant(ctx context.Context, q db.Querier, h token.Hash) (token.Grant, error) {
	g := token.Grant{Hash: h}
	var expires, used int64
	err := q.QueryRow(ctx, `SELECT t.id, t.kind, t.account_id, t.device_id, COALESCE(t.source_id, 0),
		t.expires_at, t.last_used_at, a.admin, a.disabled OR COALESCE(o.disabled, FALSE)
		FROM token t JOIN account a ON a.id = t.account_id LEFT JOIN account o ON o.id = a.owner_id WHERE t.hash = $1`, h[:]).
		Scan(&g.TokenID, &g.Kind, &g.AccountID, &g.DeviceID, &g.SourceID, &expires, &used, &g.Admin, &g.Disabled)
	g.ExpiresAt, g.LastUsedAt = fromMillis(expires), fromMillis(used)
	return g, db.Wrap("reading a token", err)
}

const selectToken = `SELECT t.id, t.kind, t.account_id, a.username, COALESCE(s.name, ''), t.created_at,
	t.last_used_at, t.expires_at, d.id, d.client_identifier, d.product, d.version, d.platform,
	d.platform_version, d.device, d.model, d.vendor, d.name, d.address
	FROM token t JOIN account a ON a.id = t.account_id JOIN device d ON d.id = t.device_id
	LEFT JOIN source s ON s.id = t.source_id `

func scanToken(row scanner) (t token.Token, err error) {
	var created, used, expires int64
	dest := []any{&t.ID, &t.Kind, &t.AccountID, &t.Username, &t.Source, &created, &used, &expires, &t.Device.ID}
	err = row.Scan(append(dest, selfDest(&t.Device)...)...)
	t.CreatedAt, t.LastUsedAt, t.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return t, err
}

// Get implements token.Rows.
func (Tokens) Get(ctx context.Context, q db.Querier, id int64) (token.Token, error) {
	t, err := scanToken(q.QueryRow(ctx, selectToken+"WHERE t.id = $1", id))
	return t, db.Wrap("reading a token", err)
}

// tokens are listed with the newest first. By their last use, a token that is used
// while the pages are read would move to one that has been read, and be missed.
var tokens = listing[token.Token]{
	query: selectToken, scan: scanToken, order: []string{"t.id"}, start: []any{highest}, desc: true,
	place: func(t token.Token) []any { return []any{t.ID} },
}

// List implements token.Rows.
func (Tokens) List(
	ctx context.Context, q db.Querier, accountID int64, r paging.Request,
) (paging.List[token.Token], error) {
	if accountID == 0 {
		return tokens.page(ctx, q, r, "")
	}
	return tokens.page(ctx, q, r, "t.account_id = $1", accountID)
}

// countTokens names the kinds by number, as the index of server tokens does.
var countTokens = "SELECT " + count("token", fmt.Sprint("kind = ", int(token.Access))) + ", " +
	count("token", fmt.Sprint("kind = ", int(token.Server)))

// Count implements token.Rows.
func (Tokens) Count(ctx context.Context, q db.Querier) (c token.Counts, err error) {
	err = q.QueryRow(ctx, countTokens).Scan(&c.Access, &c.Server)
	return c, err
}

// CountSelected implements token.Rows.
func (Tokens) CountSelected(ctx context.Context, q db.Querier, s token.Selection) (n int, err error) {
	condition, args := tokenWhere(s)
	if condition == "" {
		return 0, nil
	}
	err = q.QueryRow(ctx, `WITH RECURSIVE gone (id) AS (
			SELECT id FROM token WHERE `+condition+`
			UNION SELECT t.id FROM token t JOIN gone ON t.parent_id = gone.id
		) SELECT `+count("gone", "id > 0"), args...).Scan(&n)
	return n, err
}

// Lineage implements token.Rows.
func (Tokens) Lineage(ctx context.Context, q db.Querier, id int64) ([]int64, error) {
	rows, err := q.Query(ctx, `WITH RECURSIVE lineage (id, parent_id, depth) AS (
			SELECT id, parent_id, 0 FROM token WHERE id = $1
			UNION ALL SELECT t.id, t.parent_id, depth + 1 FROM token t JOIN lineage ON t.id = lineage.parent_id
		) SELECT id FROM lineage ORDER BY depth`, id)
	return collect(rows, err, scanID)
}

// Revocations implements token.Rows.
func (Tokens) Revocations(ctx context.Context, q db.Querier, parentID, sourceID int64) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT COALESCE(SUM(count), 0) FROM server_revocation
		WHERE parent_id = $1 AND source_id = $2`, parentID, sourceID).Scan(&n)
	return n, err
}

// LeastUsed implements token.Rows. A device has few tokens.
func (Tokens) LeastUsed(ctx context.Context, q db.Querier, deviceID int64, kind token.Kind) ([]int64, error) {
	rows, err := q.Query(ctx, `SELECT id FROM token WHERE device_id = $1 AND kind = $2
		ORDER BY last_used_at DESC, id DESC`, deviceID, kind)
	return collect(rows, err, scanID)
}

// Expired implements token.Rows.
func (Tokens) Expired(ctx context.Context, q db.Querier, now time.Time) ([]int64, error) {
	rows, err := q.Query(ctx, "SELECT id FROM token WHERE expires_at <> 0 AND expires_at <= $1", millis(now))
	return collect(rows, err, scanID)
}

// Insert implements token.Rows.
func (Tokens) Insert(ctx context.Context, tx *db.Tx, r token.Row) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO token
		(hash, kind, account_id, device_id, parent_id, source_id, created_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) RETURNING id`, r.Hash[:], r.Kind, r.AccountID, r.DeviceID,
		nullID(r.ParentID), nullID(r.SourceID), millis(tx.Now()), millis(r.ExpiresAt)).Scan(&id)
	return id, db.Wrap("adding a token", err)
}

// SetParent implements token.Rows. No cache holds a parent.
func (Tokens) SetParent(ctx context.Context, tx *db.Tx, id, parentID int64) error {
	return tx.ExecOne(ctx, "UPDATE token SET parent_id = $2 WHERE id = $1", id, nullID(parentID))
}

// Adopt implements token.Rows. No cache holds a parent.
func (Tokens) Adopt(ctx context.Context, tx *db.Tx, parentID, newParentID, exceptDeviceID int64) error {
	return tx.Exec(ctx, "UPDATE token SET parent_id = $2 WHERE parent_id = $1 AND device_id <> $3",
		parentID, newParentID, exceptDeviceID)
}

// The tokens of other accounts that a token of an account is the parent of; the same
// for an account with those that its home manages; and the tokens of an account
// whose parent is another's. Only home switches create them.
const (
	switchedBy = `SELECT t.id FROM token p JOIN token t ON t.parent_id = p.id
		WHERE p.account_id = $1 AND t.account_id <> $1`
	switchedByAny = `SELECT t.id FROM account a JOIN token p ON p.account_id = a.id JOIN token t ON t.parent_id = p.id
		WHERE (a.id = $1 OR a.owner_id = $1) AND t.account_id <> p.account_id`
	switchedTo = `SELECT t.id FROM token t JOIN token p ON p.id = t.parent_id
		WHERE t.account_id = $1 AND p.account_id <> $1`
)

// RevokeSwitched implements token.Rows.
func (k Tokens) RevokeSwitched(ctx context.Context, tx *db.Tx, accountID int64) (int, error) {
	by, err := k.revokeAll(ctx, tx, switchedBy, accountID)
	if err != nil {
		return 0, err
	}
	to, err := k.revokeAll(ctx, tx, switchedTo, accountID)
	return by + to, err
}

// revokeAll deletes the tokens whose IDs a query returns, with their descendants.
func (k Tokens) revokeAll(ctx context.Context, tx *db.Tx, query string, accountID int64) (revoked int, err error) {
	rows, err := tx.Query(ctx, query, accountID)
	ids, err := collect(rows, err, scanID)
	if err != nil {
		return 0, fmt.Errorf("reading the tokens of a home: %w", err)
	}
	for _, id := range ids {
		n, err := k.Delete(ctx, tx, token.Selection{ID: id})
		if err != nil {
			return 0, err
		}
		revoked += n
	}
	return revoked, nil
}

// MoveDevice implements token.Rows. The keys keep the client identifier that their proofs
// have.
func (Tokens) MoveDevice(ctx context.Context, tx *db.Tx, from, into int64) (int, error) {
	rows, err := tx.Query(ctx, "SELECT hash FROM token WHERE device_id = $1", from)
	hashes, err := collect(rows, err, scanHash)
	if err != nil {
		return 0, fmt.Errorf("reading the tokens of a device: %w", err)
	}
	err = tx.Exec(ctx, `UPDATE device_key SET client_identifier = (SELECT client_identifier FROM device WHERE id = $1)
		WHERE client_identifier = '' AND token_id IN (SELECT id FROM token WHERE device_id = $1)`, from)
	if err != nil {
		return 0, fmt.Errorf("moving the keys of a device: %w", err)
	}
	if err := tx.Exec(ctx, "UPDATE token SET device_id = $2 WHERE device_id = $1", from, into); err != nil {
		return 0, fmt.Errorf("moving the tokens of a device: %w", err)
	}
	for _, h := range hashes {
		tx.Touch(token.Topic, h.Key())
	}
	return len(hashes), nil
}

// Delete implements token.Rows. It reads the hashes first: the descendants that
// a foreign key deletes are not returned by the statement.
func (Tokens) Delete(ctx context.Context, tx *db.Tx, s token.Selection) (int, error) {
	condition, args := tokenWhere(s)
	if condition == "" {
		return 0, nil
	}
	rows, err := tx.Query(ctx, `WITH RECURSIVE gone (id, hash) AS (
			SELECT id, hash FROM token WHERE `+condition+`
			UNION SELECT t.id, t.hash FROM token t JOIN gone ON t.parent_id = gone.id
		) SELECT hash FROM gone`, args...)
	hashes, err := collect(rows, err, scanHash)
	if err != nil {
		return 0, fmt.Errorf("reading the tokens to revoke: %w", err)
	}
	if len(hashes) == 0 {
		return 0, nil
	}
	// Tokens that are counted for a deleted parent are deleted with it.
	err = tx.Exec(ctx, `INSERT INTO server_revocation (parent_id, source_id, count)
		SELECT parent_id, source_id, 1 FROM token
			WHERE `+condition+` AND parent_id IS NOT NULL AND source_id IS NOT NULL
		ON CONFLICT (parent_id, source_id) DO UPDATE SET count = server_revocation.count + 1`, args...)
	if err != nil {
		return 0, fmt.Errorf("counting the server tokens to revoke: %w", err)
	}
	if err := tx.Exec(ctx, "DELETE FROM token WHERE "+condition, args...); err != nil {
		return 0, fmt.Errorf("revoking tokens: %w", err)
	}
	for _, h := range hashes {
		tx.Touch(token.Topic, h.Key())
	}
	return len(hashes), nil
}

func scanHash(row scanner) (h token.Hash, err error) {
	var b []byte
	err = row.Scan(&b)
	copy(h[:], b)
	return h, err
}

// tokenWhere returns the condition of a selection; empty if it selects none. Its
// text is one of a few, since each statement stays prepared.
func tokenWhere(s token.Selection) (condition string, args []any) {
	var terms []string
	for _, term := range [...]struct {
		column string
		value  int64
	}{{"id", s.ID}, {"account_id", s.AccountID}, {"device_id", s.DeviceID}, {"source_id", s.SourceID}} {
		if term.value != 0 {
			args = append(args, term.value)
			terms = append(terms, fmt.Sprintf("%s = $%d", term.column, len(args)))
		}
	}
	return strings.Join(terms, " AND "), args
}

// Uses implements token.Rows.
func (Tokens) Uses(ctx context.Context, q db.Querier, s token.Selection) (map[token.Hash]token.Use, error) {
	condition, args := tokenWhere(s)
	if condition == "" {
		return nil, nil
	}
	rows, err := q.Query(ctx, "SELECT hash, id, device_id, last_used_at FROM token WHERE "+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("reading when tokens were last used: %w", err)
	}
	defer rows.Close()
	found := make(map[token.Hash]token.Use)
	for rows.Next() {
		var hash []byte
		var u token.Use
		var used int64
		if err := rows.Scan(&hash, &u.TokenID, &u.DeviceID, &used); err != nil {
			return nil, err
		}
		u.At = fromMillis(used)
		var h token.Hash
		copy(h[:], hash)
		found[h] = u
	}
	return found, rows.Err()
}

// SetLastUsed implements token.Rows.
func (Tokens) SetLastUsed(ctx context.Context, tx *db.Tx, u token.Use) error {
	err := tx.Exec(ctx, "UPDATE token SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", u.TokenID, millis(u.At))
	if err == nil {
		err = tx.Exec(ctx, "UPDATE device SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2", u.DeviceID, millis(u.At))
	}
	if err != nil {
		return fmt.Errorf("recording the use of a token: %w", err)
	}
	return nil
}

// NoteUses implements token.Rows.
func (Tokens) NoteUses(ctx context.Context, d *db.DB, uses map[int64]token.Use, least time.Duration) error {
	tokens, devices := make(map[int64]time.Time, len(uses)), make(map[int64]time.Time, len(uses))
	for id, u := range uses {
		tokens[id] = u.At
		if u.At.After(devices[u.DeviceID]) {
			devices[u.DeviceID] = u.At
		}
	}
	err := d.Note(ctx, db.Notes{Table: "token", Column: "last_used_at", At: tokens, Least: least})
	if err == nil {
		err = d.Note(ctx, db.Notes{Table: "device", Column: "last_seen_at", At: devices, Least: least})
	}
	return err
}
