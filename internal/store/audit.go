package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

// Audit is the table of the audit log, and the settings that hold its ends. It
// implements audit.Rows.
type Audit struct{}

// Username implements audit.Rows.
func (Audit) Username(ctx context.Context, q db.Querier, accountID int64) (name string, err error) {
	err = q.QueryRow(ctx, "SELECT username FROM account WHERE id = $1", accountID).Scan(&name)
	return name, db.Wrap("finding the name of an account", err)
}

// Append implements audit.Rows.
func (Audit) Append(ctx context.Context, tx *db.Tx, entries []audit.Entry) error {
	for _, e := range entries {
		err := tx.Exec(ctx, `INSERT INTO audit
			(id, at, event, account_id, account, actor, device, address, detail, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, e.ID, millis(e.At), string(e.Event),
			e.AccountID, e.Account, e.Actor, e.Device, e.Address, e.Detail, e.Hash[:])
		if err != nil {
			return err
		}
	}
	return nil
}

const selectAudit = `SELECT id, at, event, account_id, account, actor, device, address, detail, hash FROM audit `

func scanAudit(row scanner) (e audit.Entry, err error) {
	var at int64
	var hash []byte
	err = row.Scan(&e.ID, &at, &e.Event, &e.AccountID, &e.Account, &e.Actor, &e.Device, &e.Address, &e.Detail, &hash)
	e.At = fromMillis(at)
	if len(hash) == len(e.Hash) { // any other length is not a hash, and follows from nothing
		copy(e.Hash[:], hash)
	}
	return e, err
}

// List implements audit.Rows.
func (Audit) List(ctx context.Context, q db.Querier, query audit.Query) ([]audit.Entry, error) {
	where, args := auditWhere(query)
	if query.Limit <= 0 {
		query.Limit = 100
	}
	order := "DESC"
	if query.OldestFirst {
		order = "ASC"
	}
	args = append(args, query.Limit)
	rows, err := q.Query(ctx, fmt.Sprintf("%s %s ORDER BY id %s LIMIT $%d", selectAudit, where, order, len(args)), args...)
	return collect(rows, err, scanAudit)
}

// clockSteps is how far a clock can have been set back in one step so that a search by
// time still finds every row.
const clockSteps = time.Hour

// auditWhere returns the condition of a query. Its text is one of a few, since
// each statement stays prepared.
func auditWhere(q audit.Query) (text string, args []any) {
	var terms []string
	add := func(wanted bool, term string, arg any) {
		if wanted {
			args = append(args, arg)
			terms = append(terms, strings.ReplaceAll(term, "$", fmt.Sprintf("$%d", len(args))))
		}
	}
	add(q.Account != 0, "account_id = $", q.Account)
	add(q.Username != "", "account = $", q.Username)
	for _, kind := range q.Events {
		args = append(args, string(kind))
	}
	switch n := len(q.Events); {
	case n == 1 && q.Account == 0:
		terms = append(terms, "event = "+parameters(len(args), 1))
	case n > 0:
		// An expression has no index: rows are read in their order, and not sorted.
		terms = append(terms, "event || '' IN ("+parameters(len(args)-n+1, n)+")")
	}
	add(q.Text != "", anyContains("event", "account", "actor", "device", "address", "detail"), containing(q.Text))
	add(!q.Since.IsZero(), "at >= $", millis(q.Since))
	// The first row of that time has an index. The order of the rows is that of their
	// times, except when a clock was set back.
	add(!q.Since.IsZero(), "id >= (SELECT id FROM audit WHERE at >= $ ORDER BY at, id LIMIT 1)", millis(q.Since.Add(-clockSteps)))
	add(q.Before != 0 || !q.OldestFirst, "id < $", cmp.Or(q.Before, highest))
	add(q.After != 0 || q.OldestFirst, "id > $", q.After)
	return "WHERE " + strings.Join(terms, " AND "), args
}

// parameters lists n parameters of a statement from one on: "$3, $4".
func parameters(from, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(list, ", ")
}

// anyContains returns the condition that one of some columns matches a pattern
// of containing. Only the case of ASCII letters is ignored: LIKE ignores it in
// SQLite, and not in PostgreSQL.
func anyContains(columns ...string) string {
	terms := make([]string, len(columns))
	for i, column := range columns {
		terms[i] = "LOWER(" + column + `) LIKE $ ESCAPE '\'`
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// containing returns the pattern of LIKE for a text anywhere.
func containing(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(lower(text)) + "%"
}

// lower returns what LOWER returns for a text in both engines: only the letters A to Z
// change.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// Each implements audit.Rows.
func (Audit) Each(ctx context.Context, q db.Querier, do func(audit.Entry) error) error {
	rows, err := q.Query(ctx, selectAudit+"ORDER BY id") // the whole log is requested
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanAudit(rows)
		if err != nil {
			return err
		}
		if err := do(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Delete implements audit.Rows.
func (Audit) Delete(ctx context.Context, tx *db.Tx, upTo int64) error {
	return tx.Exec(ctx, "DELETE FROM audit WHERE id <= $1", upTo)
}

// The settings with the ends of the log.
const (
	headSetting   = "audit head"
	anchorSetting = "audit anchor"
)

// Ends implements audit.Rows.
func (Audit) Ends(ctx context.Context, q db.Querier) (ends audit.Ends, err error) {
	if ends.Anchor, err = scanLink(q.QueryRow(ctx, findSetting, anchorSetting)); err != nil {
		return ends, err
	}
	ends.Head, err = scanLink(q.QueryRow(ctx, findSetting, headSetting))
	return ends, err
}

// SetEnds implements audit.Rows. The anchor moves only when rows are pruned.
func (Audit) SetEnds(ctx context.Context, tx *db.Tx, ends audit.Ends) error {
	if ends.Anchor.ID != 0 {
		if err := tx.Exec(ctx, putSetting, anchorSetting, linkValue(ends.Anchor)); err != nil {
			return err
		}
	}
	return tx.Exec(ctx, putSetting, headSetting, linkValue(ends.Head))
}

// Evidence implements audit.Rows.
func (Audit) Evidence(ctx context.Context, q db.Querier) (known audit.Evidence, err error) {
	var first, account, token int64
	err = q.QueryRow(ctx, `SELECT COALESCE(MIN(created_at), 0), COALESCE(MAX(created_at), 0),
		(SELECT COALESCE(MAX(created_at), 0) FROM token) FROM account`).Scan(&first, &account, &token)
	known.FirstAccount, known.Last = fromMillis(first), fromMillis(max(account, token))
	return known, db.Wrap("reading when accounts and tokens were added", err)
}

// scanLink reads one end of the log. Before the first row it is the zero link.
func scanLink(row scanner) (l audit.Link, err error) {
	var value []byte
	if err := row.Scan(&value); errors.Is(err, sql.ErrNoRows) {
		return l, nil
	} else if err != nil {
		return l, err
	}
	if len(value) != 8+len(l.Hash) {
		return l, fmt.Errorf("an end of the audit log has %d bytes", len(value))
	}
	l.ID = int64(binary.BigEndian.Uint64(value))
	copy(l.Hash[:], value[8:])
	return l, nil
}

// linkValue is the value of a setting that holds a link.
func linkValue(l audit.Link) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(l.ID)), l.Hash[:]...)
}

// Tallies is the tables of counts. It implements audit.TallyRows.
type Tallies struct{}

// Add implements audit.TallyRows.
func (Tallies) Add(ctx context.Context, tx *db.Tx, c audit.Count) error {
	return tx.Exec(ctx, `INSERT INTO tally (quarter, what, count) VALUES ($1, $2, $3)
		ON CONFLICT (quarter, what) DO UPDATE SET count = tally.count + excluded.count`,
		millis(c.Quarter), c.What, c.N)
}

func scanCount(row scanner) (c audit.Count, err error) {
	var at int64
	err = row.Scan(&at, &c.What, &c.N)
	c.Quarter = fromMillis(at)
	return c, err
}

// List implements audit.TallyRows.
func (Tallies) List(ctx context.Context, q db.Querier, from time.Time) ([]audit.Count, error) {
	rows, err := q.Query(ctx, `SELECT quarter, what, count FROM tally
		WHERE quarter >= $1 ORDER BY quarter, what`, millis(from))
	list, err := collect(rows, err, scanCount)
	return list, db.Wrap("reading counts", err)
}

// Counted implements audit.TallyRows.
func (Tallies) Counted(ctx context.Context, q db.Querier) (end time.Time, err error) {
	var at int64
	err = q.QueryRow(ctx, "SELECT COALESCE(MAX(quarter) + 900000, 0) FROM event_count").Scan(&at)
	return fromMillis(at), db.Wrap("reading up to when events are counted", err)
}

// CountEvents implements audit.TallyRows.
func (Tallies) CountEvents(ctx context.Context, tx *db.Tx, from, to time.Time) error {
	return tx.Exec(ctx, `INSERT INTO event_count (quarter, event, count)
		SELECT at - at % 900000, event, COUNT(*) FROM audit WHERE at >= $1 AND at < $2
		GROUP BY at - at % 900000, event`, millis(from), millis(to))
}

// Events implements audit.TallyRows. It reads only uncounted rows of the log.
func (Tallies) Events(ctx context.Context, q db.Querier, from time.Time) ([]audit.Count, error) {
	rows, err := q.Query(ctx, `SELECT quarter, what, CAST(SUM(count) AS BIGINT) FROM (
			SELECT quarter, event AS what, count FROM event_count WHERE quarter >= $1
			UNION ALL
			SELECT at - at % 900000 AS quarter, event AS what, 1 AS count FROM audit WHERE at >= (
				SELECT CASE WHEN counted > $1 THEN counted ELSE $1 END
				FROM (SELECT COALESCE(MAX(quarter) + 900000, 0) AS counted FROM event_count) AS few)
			UNION ALL
			SELECT quarter, what, count FROM tally WHERE quarter >= $1 AND what <> $2
		) AS every GROUP BY quarter, what ORDER BY quarter, what`, millis(from), audit.TokenChecks)
	list, err := collect(rows, err, scanCount)
	return list, db.Wrap("counting the audit log", err)
}

// Prune implements audit.TallyRows.
func (Tallies) Prune(ctx context.Context, tx *db.Tx, before time.Time) error {
	if err := tx.Exec(ctx, "DELETE FROM event_count WHERE quarter < $1", millis(before)); err != nil {
		return err
	}
	return tx.Exec(ctx, "DELETE FROM tally WHERE quarter < $1", millis(before))
}
