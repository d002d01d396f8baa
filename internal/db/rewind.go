package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// errNotInMemory reports that a rewind would lose the content of a database.
var errNotInMemory = errors.New("only a database in memory can be marked and rewound")

// marked is the state that Mark saves. Only the one goroutine that writes uses it.
type marked struct {
	// rows are those of each table that had some.
	rows map[string][][]any
	// changed are the tables in which a row has changed since.
	changed map[string]bool
	// order has each table after those that it refers to.
	order map[string]int
	// deferred says that in no order of the rows each is after those that it refers to.
	deferred bool
}

// Mark saves the content of a database in memory, for Rewind. Both use the one
// connection that writes: only this process writes to the database.
func (d *DB) Mark(ctx context.Context) error {
	if err := d.checkInMemory(); err != nil {
		return err
	}
	err := d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		m := &marked{rows: make(map[string][][]any), changed: make(map[string]bool)}
		tables, err := filledTables(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if m.rows[table], err = readRows(ctx, tx, table); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		if err := m.sort(ctx, tx); err != nil {
			return err
		}
		d.marked = m
		return d.commits.observe(func(table string) { m.changed[table] = true })
	})
	if err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	return nil
}

// Rewind restores a database in memory to its content at the last Mark. Its
// watchers are notified that anything may have changed.
func (d *DB) Rewind(ctx context.Context) error {
	if err := d.checkInMemory(); err != nil {
		return err
	}
	err := d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if d.marked == nil {
			return errors.New("it was never marked")
		}
		if d.marked.deferred {
			// Until the commit, a row can exist before the one that it refers to.
			// SQLite prepares every statement again after that, which takes time.
			if err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
				return err
			}
		}
		emptied, err := d.marked.emptyChanged(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range emptied {
			if err := insertRows(ctx, tx, table, d.marked.rows[table]); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		clear(d.marked.changed)
		return nil
	})
	if err != nil {
		return fmt.Errorf("rewinding the database: %w", err)
	}
	d.announce(nil, true)
	return nil
}

// sort finds an order of the tables in which rows can be added.
func (m *marked) sort(ctx context.Context, q Querier) error {
	keys, err := foreignKeys(ctx, q)
	if err != nil {
		return err
	}
	m.order = make(map[string]int)
	var visit func(table string, above []string)
	visit = func(table string, above []string) {
		if m.order[table] > 0 {
			return
		}
		if slices.Contains(above, table) {
			m.deferred = true
			return
		}
		for _, key := range keys[table] {
			if key.parent != table {
				visit(key.parent, append(above, table))
			} else if !key.inOrder(m.rows[table]) {
				m.deferred = true
			}
		}
		m.order[table] = len(m.order) + 1
	}
	for _, table := range slices.Sorted(maps.Keys(keys)) {
		visit(table, nil)
	}
	return nil
}

// foreignKey says that a column of a table refers to a column of another, or of itself.
type foreignKey struct {
	parent   string
	from, to int // the columns; to is -1 if the key does not name it
}

// foreignKeys returns those of each table.
func foreignKeys(ctx context.Context, q Querier) (map[string][]foreignKey, error) {
	rows, err := q.Query(ctx, `SELECT t.name, k."table", f.cid, coalesce(p.cid, -1)
		FROM sqlite_schema t, pragma_foreign_key_list(t.name) k, pragma_table_info(t.name) f
		LEFT JOIN pragma_table_info(k."table") p ON p.name = k."to"
		WHERE t.type = 'table' AND f.name = k."from"`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	keys := make(map[string][]foreignKey)
	for rows.Next() {
		var table string
		var key foreignKey
		if err := rows.Scan(&table, &key.parent, &key.from, &key.to); err != nil {
			return nil, err
		}
		keys[table] = append(keys[table], key)
	}
	return keys, rows.Err()
}

// inOrder reports whether each row of a table comes after the one of the same table that
// it refers to.
func (k foreignKey) inOrder(rows [][]any) bool {
	if k.to < 0 {
		return false
	}
	seen := make(map[int64]bool)
	for _, row := range rows {
		if id, ok := row[k.to].(int64); ok {
			seen[id] = true
		}
		if parent, ok := row[k.from].(int64); row[k.from] != nil && !(ok && seen[parent]) {
			return false
		}
	}
	return true
}

// sorted returns tables in their order.
func (m *marked) sorted(tables map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(tables), func(a, b string) int {
		return cmp.Or(m.order[a]-m.order[b], strings.Compare(a, b))
	})
}

// emptyChanged empties the tables that changed, and returns their names. A deleted
// row can delete rows of other tables with it, or add some: those have changed, too, and
// are emptied, repeatedly if necessary.
func (m *marked) emptyChanged(ctx context.Context, tx *Tx) ([]string, error) {
	emptied := make(map[string]bool)
	for len(m.changed) > 0 {
		tables := m.sorted(m.changed)
		clear(m.changed)
		for _, table := range slices.Backward(tables) { // none takes rows of the next with it
			if kept[table] {
				continue
			}
			if err := tx.Exec(ctx, `DELETE FROM "`+table+`"`); err != nil {
				for _, table := range tables {
					m.changed[table] = true
				}
				maps.Copy(m.changed, emptied)
				return nil, fmt.Errorf("table %s: %w", table, err)
			}
			delete(m.changed, table) // it is empty
			emptied[table] = true
		}
	}
	return m.sorted(emptied), nil
}

func (d *DB) checkInMemory() error {
	if !d.inMemory {
		return errNotInMemory
	}
	return nil
}

// kept are the tables that are not restored. The feed continues: its numbers only
// count up. So does the schema.
var kept = map[string]bool{"change": true, "schema_version": true, "schema_expansion": true}

// filledTables returns the tables with rows that are taken back.
func filledTables(ctx context.Context, q Querier) ([]string, error) {
	tables, err := list(ctx, q, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	var asked []string
	for _, table := range tables {
		if !kept[table] {
			asked = append(asked, fmt.Sprintf(`SELECT '%s' WHERE EXISTS (SELECT 1 FROM "%[1]s")`, table))
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	return list(ctx, q, strings.Join(asked, " UNION ALL "))
}

// list reads one column of texts.
func list(ctx context.Context, q Querier, query string) (texts []string, err error) {
	rows, err := q.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}

// readRows returns the rows of a table.
func readRows(ctx context.Context, q Querier, table string) (list [][]any, err error) {
	rows, err := q.Query(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// insertRows adds the rows that readRows has read.
func insertRows(ctx context.Context, tx *Tx, table string, rows [][]any) error {
	for _, row := range rows {
		if err := tx.Exec(ctx, `INSERT INTO "`+table+`" VALUES (`+parameters(1, len(row))+`)`, row...); err != nil {
			return err
		}
	}
	return nil
}

// observe calls f with the name of each table in which the connection that writes is
// about to change a row. If nil, it no longer does.
func (c *committer) observe(f func(table string)) error {
	return c.session.Raw(func(conn any) error {
		hooks, ok := conn.(sqlite.HookRegisterer)
		if !ok {
			return fmt.Errorf("%T has no hooks", conn)
		}
		if f == nil {
			hooks.RegisterPreUpdateHook(nil)
			return nil
		}
		hooks.RegisterPreUpdateHook(func(change sqlite.SQLitePreUpdateData) { f(change.TableName) })
		return nil
	})
}
