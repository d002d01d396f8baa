package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errNotInMemory says that what is in a database would be lost by going back.
var errNotInMemory = errors.New("only a database in memory can be marked and rewound")

// Mark remembers what is in a database in memory, for Rewind. Both concern the one
// connection that writes: only this process writes to the database.
func (d *DB) Mark(ctx context.Context) error {
	if err := d.checkInMemory(); err != nil {
		return err
	}
	err := d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		tables, err := list(ctx, tx, listTables)
		if err != nil {
			return err
		}
		if err := tx.Exec(ctx, "CREATE TEMP TABLE IF NOT EXISTS changed (name TEXT PRIMARY KEY) WITHOUT ROWID"); err != nil {
			return err
		}
		for _, table := range tables {
			if err := mark(ctx, tx, table); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return tx.Exec(ctx, "DELETE FROM temp.changed")
	})
	if err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	return nil
}

// mark copies a table, and notes from now on when it changes.
func mark(ctx context.Context, tx *Tx, table string) error {
	statements := []string{
		`DROP TABLE IF EXISTS temp."marked %s"`,
		`CREATE TEMP TABLE "marked %[1]s" AS SELECT * FROM main."%[1]s"`,
	}
	// "OR IGNORE" would be what the statement that fires the trigger says.
	for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
		statements = append(statements, `CREATE TEMP TRIGGER IF NOT EXISTS "`+change+` %[1]s" AFTER `+change+
			` ON main."%[1]s" BEGIN INSERT INTO changed SELECT '%[1]s' WHERE NOT EXISTS (SELECT 1 FROM changed WHERE name = '%[1]s'); END`)
	}
	for _, s := range statements {
		if err := tx.Exec(ctx, fmt.Sprintf(s, table)); err != nil {
			return err
		}
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
		// A row may be there before the one that it refers to, until the commit.
		if err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		changed, err := emptyChanged(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range changed {
			if err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO main."%s" SELECT * FROM temp."marked %[1]s"`, table)); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return tx.Exec(ctx, "DELETE FROM temp.changed")
	})
	if err != nil {
		return fmt.Errorf("rewinding the database: %w", err)
	}
	d.announce(nil, true)
	return nil
}

// emptyChanged empties the tables that changed, and returns their names. A row that
// goes may take rows of other tables with it: those have changed, too.
func emptyChanged(ctx context.Context, tx *Tx) (emptied []string, err error) {
	for {
		changed, err := list(ctx, tx, "SELECT name FROM temp.changed")
		if err != nil {
			return nil, err
		}
		if len(changed) == len(emptied) {
			return emptied, nil
		}
		for _, table := range changed {
			if slices.Contains(emptied, table) {
				continue
			}
			if err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM main."%s"`, table)); err != nil {
				return nil, fmt.Errorf("table %s: %w", table, err)
			}
			emptied = append(emptied, table)
		}
	}
}

func (d *DB) checkInMemory() error {
	if d.pools.place != inMemory {
		return errNotInMemory
	}
	return nil
}

// listTables are the tables that are marked. The feed goes on: its numbers only
// count up. So does the schema.
const listTables = `SELECT name FROM main.sqlite_master
	WHERE type = 'table' AND name NOT IN ('change', 'schema_version') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`

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
