package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// errNotInMemory says that going back would lose what is in a database.
var errNotInMemory = errors.New("only a database in memory can be marked and rewound")

// marked is what Mark remembers. Only the one goroutine that writes uses it.
type marked struct {
	// rows are those of each table that had some.
	rows map[string][][]any
	// changed are the tables in which a row has changed since.
	changed map[string]bool
}

// Mark remembers what is in a database in memory, for Rewind. Both concern the one
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
		d.marked = m
		return d.commits.observe(func(table string) { m.changed[table] = true })
	})
	if err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	return nil
}

// Rewind brings a database in memory back to what it was at the last Mark. Its
// watchers learn that anything may have changed.
func (d *DB) Rewind(ctx context.Context) error {
	if err := d.checkInMemory(); err != nil {
		return err
	}
	err := d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if d.marked == nil {
			return errors.New("it was never marked")
		}
		// A row may be there before the one that it refers to, until the commit.
		if err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
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

// emptyChanged empties the tables that changed, and returns their names. A row that
// goes may take rows of other tables with it, or add some: those have changed, too, and
// are emptied, once more if need be.
func (m *marked) emptyChanged(ctx context.Context, tx *Tx) ([]string, error) {
	emptied := make(map[string]bool)
	for len(m.changed) > 0 {
		tables := slices.Sorted(maps.Keys(m.changed))
		clear(m.changed)
		for _, table := range tables {
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
	return slices.Sorted(maps.Keys(emptied)), nil
}

func (d *DB) checkInMemory() error {
	if d.pools.place != inMemory {
		return errNotInMemory
	}
	return nil
}

// kept are the tables that are not taken back. The feed goes on: its numbers only
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

// insertRows adds what readRows has read.
func insertRows(ctx context.Context, tx *Tx, table string, rows [][]any) error {
	for _, row := range rows {
		if err := tx.Exec(ctx, `INSERT INTO "`+table+`" VALUES (`+parameters(1, len(row))+`)`, row...); err != nil {
			return err
		}
	}
	return nil
}

// observe calls f with the name of each table in which the connection that writes is
// about to change a row. Nil: it no longer does.
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
