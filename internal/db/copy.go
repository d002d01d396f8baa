package db

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Progress is how far a copy, or the check of one, has come.
type Progress struct {
	// Table is the table that is copied or compared now.
	Table string
	// Comparing: the rows are copied, and are read again on both sides.
	Comparing bool
	// Rows is how many rows are done, of Total.
	Rows, Total int64
}

// Content describes the content of a table: two tables with the same content have the same
// rows.
type Content struct {
	Table string
	Rows  int64
	// Hash is made of the SHA-256 of each row, in whatever order.
	Hash string
	// Last is the highest number that the engine has given to a row of the table; 0 if
	// it gives none.
	Last int64
}

// errDifferent reports that a copy differs from the original.
var errDifferent = errors.New("the copy is not the same as the original")

// A copier copies every table of the schema from one database to another, of
// whichever engine.
type copier struct {
	tables []table
	told   func(Progress)
	total  int64 // rows of all tables
	done   Progress
	// last is the last assigned number of each copied table. It is not part of a snapshot:
	// PostgreSQL continues to count in the meantime.
	last map[string]int64
}

// newCopier returns a copier for the schema of this process. The databases must have
// that one, and no newer one.
func newCopier(ctx context.Context, told func(Progress), databases ...*DB) (*copier, error) {
	tables, err := readSchema(ctx, databases[0].migrations)
	if err != nil {
		return nil, err
	}
	for _, d := range databases {
		steps, err := readMigrations(d.migrations, d.engine.name)
		if err != nil {
			return nil, err
		}
		var version int
		if err := d.QueryRow(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_version").Scan(&version); err != nil {
			return nil, fmt.Errorf("reading the schema's version: %w", err)
		}
		if version != len(steps) {
			return nil, fmt.Errorf("%w: its schema is version %d and this usher copies version %d", ErrNewer, version, len(steps))
		}
	}
	if told == nil {
		told = func(Progress) {}
	}
	return &copier{tables: tables, told: told, last: make(map[string]int64)}, nil
}

// count counts the rows that there are to copy, and later to compare.
func (c *copier) count(ctx context.Context, q Querier) error {
	c.total = 0
	for _, t := range c.tables {
		var n int64
		if err := q.QueryRow(ctx, "SELECT COUNT(*) FROM "+quoted(t.name)).Scan(&n); err != nil {
			return fmt.Errorf("counting the rows of %s: %w", t.name, err)
		}
		c.total += n
	}
	return nil
}

// step reports the progress.
func (c *copier) step(t table, rows int) {
	c.done.Table, c.done.Total = t.name, c.total
	c.done.Rows += int64(rows)
	c.told(c.done)
}

// A target is the destination of rows: one transaction, or many.
type target struct {
	db *DB
	// write runs a function that writes one page of rows.
	write func(context.Context, func(context.Context, *Tx) error) error
}

// A page is the number of rows that are read, and written in one transaction, at a time: some
// statements full. SQLite allows 32,766 parameters, and a longer statement is no faster.
const (
	maxParameters  = 2000
	pageStatements = 8
)

// statementRows is how many rows of a table one statement adds.
func (t table) statementRows() int { return max(1, maxParameters/len(t.columns)) }

// copyTo copies the rows of a snapshot of a database that the target does not have yet.
// The rows that it has must be the first ones of each table.
func (c *copier) copyTo(ctx context.Context, from *DB, q Querier, to target) error {
	if err := c.count(ctx, q); err != nil {
		return err
	}
	c.done = Progress{}
	for _, t := range c.tables {
		if err := c.copyTable(ctx, from, q, to, t); err != nil {
			return fmt.Errorf("copying the table %s: %w", t.name, err)
		}
	}
	return nil
}

// copyTable copies one table, and then how far its numbers have counted.
func (c *copier) copyTable(ctx context.Context, from *DB, q Querier, to target, t table) error {
	var after []any
	var bools []int
	err := to.write(ctx, func(ctx context.Context, tx *Tx) (err error) {
		if after, err = lastKey(ctx, tx, t); err == nil {
			bools, err = to.db.engine.booleans(ctx, tx, t)
		}
		return err
	})
	if err != nil {
		return err
	}
	if after != nil {
		done, err := countUpTo(ctx, q, t, after)
		if err != nil {
			return err
		}
		c.step(t, done)
	}
	for {
		page, err := readPage(ctx, q, t, after)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = t.keyOf(page[len(page)-1])
		t.prepare(page, bools)
		if err := to.write(ctx, func(ctx context.Context, tx *Tx) error { return t.insert(ctx, tx, page) }); err != nil {
			return err
		}
		c.step(t, len(page))
	}
	if err := copyParents(ctx, q, to, t); err != nil {
		return err
	}
	last, err := lastNumber(ctx, from, q, t)
	if err != nil || last == 0 {
		return err
	}
	if t.counted {
		c.last[t.name] = last
	}
	return to.write(ctx, func(ctx context.Context, tx *Tx) error { return to.db.engine.setLast(ctx, tx, t, last) })
}

// lastKey returns the key of the last row of a table, or nil if it is empty.
func lastKey(ctx context.Context, q Querier, t table) ([]any, error) {
	names := quoted(t.keyNames()...)
	rows, err := q.Query(ctx, "SELECT "+names+" FROM "+quoted(t.name)+
		" ORDER BY "+strings.ReplaceAll(names, ",", " DESC,")+" DESC LIMIT 1")
	list, err := collect(rows, err, len(t.key))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// countUpTo counts the rows of a table up to a key.
func countUpTo(ctx context.Context, q Querier, t table, key []any) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM "+quoted(t.name)+" WHERE ("+quoted(t.keyNames()...)+") <= ("+
		parameters(1, len(key))+")", key...).Scan(&n)
	return n, err
}

// readPage reads the rows of a table after a key; nil: from the first one.
func readPage(ctx context.Context, q Querier, t table, after []any) ([][]any, error) {
	rows, err := q.Query(ctx, t.selects(after != nil), append(slices.Clone(after), t.statementRows()*pageStatements)...)
	return collect(rows, err, len(t.columns))
}

// collect reads rows of so many columns and closes them.
func collect(rows *Rows, err error, columns int) (list [][]any, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row, places := make([]any, columns), make([]any, columns)
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		for i, value := range row {
			if b, ok := value.([]byte); ok && b == nil {
				row[i] = []byte{} // empty, and not NULL
			}
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// prepare converts rows for the target: its booleans are not numbers, and a row
// cannot refer to a row that does not exist yet.
func (t table) prepare(rows [][]any, bools []int) {
	for _, row := range rows {
		for _, i := range bools {
			if n, ok := row[i].(int64); ok {
				row[i] = n != 0
			}
		}
		if t.parent < 0 {
			continue
		}
		if parent, ok := row[t.parent].(int64); ok && parent > row[t.key[0]].(int64) {
			row[t.parent] = nil // copyParents adds it
		}
	}
}

// insert adds rows, some with each statement.
func (t table) insert(ctx context.Context, tx *Tx, rows [][]any) error {
	for len(rows) > 0 {
		n := t.statementRows()
		if len(rows) < n {
			n = 1 // statements stay prepared: there are two for each table
		}
		if err := tx.Exec(ctx, t.inserts(n), slices.Concat(rows[:n]...)...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// copyParents adds the references to later rows of the same table.
func copyParents(ctx context.Context, q Querier, to target, t table) error {
	if t.parent < 0 {
		return nil
	}
	key, parent, name := quoted(t.columns[t.key[0]]), quoted(t.columns[t.parent]), quoted(t.name)
	rows, err := q.Query(ctx, "SELECT "+key+", "+parent+" FROM "+name+" WHERE "+parent+" > "+key)
	list, err := collect(rows, err, 2)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(list, maxParameters) {
		err := to.write(ctx, func(ctx context.Context, tx *Tx) error {
			for _, row := range some {
				if err := tx.ExecOne(ctx, "UPDATE "+name+" SET "+parent+" = $2 WHERE "+key+" = $1", row...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lastNumber returns the highest number that an engine has assigned to a row of a table. If
// the table is not counted, only existing rows count.
func lastNumber(ctx context.Context, d *DB, q Querier, t table) (int64, error) {
	if !t.numbered {
		return 0, nil
	}
	var highest int64
	err := q.QueryRow(ctx, "SELECT COALESCE(MAX("+quoted(t.columns[t.key[0]])+"), 0) FROM "+quoted(t.name)).Scan(&highest)
	if err != nil || !t.counted {
		return highest, err
	}
	last, err := d.engine.last(ctx, q, t)
	return max(last, highest), err
}

// contents reads the content of every table.
func (c *copier) contents(ctx context.Context, d *DB, q Querier) ([]Content, error) {
	list := make([]Content, len(c.tables))
	for i, t := range c.tables {
		content, err := c.contentOf(ctx, d, q, t)
		if err != nil {
			return nil, fmt.Errorf("reading the table %s again: %w", t.name, err)
		}
		list[i] = content
	}
	return list, nil
}

func (c *copier) contentOf(ctx context.Context, d *DB, q Querier, t table) (_ Content, err error) {
	content := Content{Table: t.name}
	var sum rowSum
	for after := []any(nil); ; {
		page, err := readPage(ctx, q, t, after)
		if err != nil {
			return content, err
		}
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			if err := sum.add(row); err != nil {
				return content, err
			}
		}
		after = t.keyOf(page[len(page)-1])
		content.Rows += int64(len(page))
		c.step(t, len(page))
	}
	content.Hash = sum.String()
	if t.counted {
		content.Last, err = lastNumber(ctx, d, q, t)
	}
	return content, err
}

// compare returns the content of every table of a copy, or an error if it differs from
// the original.
func (c *copier) compare(ctx context.Context, from *DB, original Querier, to *DB, copied Querier) ([]Content, error) {
	c.done = Progress{Comparing: true}
	if err := c.count(ctx, original); err != nil {
		return nil, err
	}
	c.total *= 2 // on both sides
	want, err := c.contents(ctx, from, original)
	if err != nil {
		return nil, err
	}
	got, err := c.contents(ctx, to, copied)
	if err != nil {
		return nil, err
	}
	return c.same(want, got)
}

// same returns the content of every table, if it is the same on both sides.
func (c *copier) same(want, got []Content) ([]Content, error) {
	for i := range want {
		want[i].Last = c.last[want[i].Table]
		if got[i] != want[i] {
			return nil, fmt.Errorf("%w: the table %s has %d rows (%.12s) there and %d rows (%.12s) here",
				errDifferent, want[i].Table, want[i].Rows, want[i].Hash, got[i].Rows, got[i].Hash)
		}
	}
	return want, nil
}

// rowSum is a hash of rows in whatever order: the sum of the hashes of each, in four
// parts.
type rowSum [4]uint64

// add adds a row. Numbers and booleans are treated as equal, and texts are converted to
// what every engine can store.
func (s *rowSum) add(row []any) error {
	var b []byte
	put := func(kind byte, text string) {
		b = binary.BigEndian.AppendUint64(append(b, kind), uint64(len(text)))
		b = append(b, text...)
	}
	for _, value := range row {
		switch v := value.(type) {
		case nil:
			b = append(b, 0)
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'n'), uint64(v))
		case bool:
			n := uint64(0)
			if v {
				n = 1
			}
			b = binary.BigEndian.AppendUint64(append(b, 'n'), n)
		case string:
			put('t', storable(v))
		case []byte:
			put('b', string(v))
		default:
			return fmt.Errorf("a value is a %T", value)
		}
	}
	hash := sha256.Sum256(b)
	for i := range s {
		s[i] += binary.BigEndian.Uint64(hash[8*i:])
	}
	return nil
}

// String writes the sum in hexadecimal.
func (s *rowSum) String() string {
	var b []byte
	for _, part := range s {
		b = binary.BigEndian.AppendUint64(b, part)
	}
	return hex.EncodeToString(b)
}
