package db_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

// Rewind undoes all changes since Mark, any number of times, and notifies watchers.
func TestRewind(t *testing.T) {
	d, err := db.Open(t.Context(), db.Config{Migrations: dbtest.Migrations})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	mustPut(t, d, "a")
	if err := d.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	d.Watch(func(_ []db.Change, all bool) {
		if all {
			told++
		}
	})
	for i := range 3 {
		mustPut(t, d, "b")
		mustPut(t, d, "c")
		if err := d.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(names(t, d), " "); got != "a" || told != i+1 {
			t.Errorf("the rows are %s, and the watcher was called %d times", got, told)
		}
	}
}

// A database in a file is never taken back, whatever its folder is called.
func TestRewindOfAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	d := open(t, "memory")
	mustPut(t, d, "a")
	if err := d.Mark(t.Context()); err == nil {
		t.Error("a database in a file was marked")
	}
	if err := d.Rewind(t.Context()); err == nil {
		t.Error("a database in a file was rewound")
	}
	if got := names(t, d); len(got) != 1 {
		t.Errorf("the rows are %v", got)
	}
}

// Indirect changes are undone, too: rows that are removed with another one, rows of tables
// without row numbers, and those of triggers. Values keep their types.
func TestRewindUndoesWhatFollows(t *testing.T) {
	steps := fstest.MapFS{"sqlite/00001_init.sql": {Data: []byte(string(dbtest.Migrations["sqlite/00001_init.sql"].Data) + `
		CREATE TABLE parent (id INTEGER PRIMARY KEY, value ANY) STRICT;
		CREATE TABLE child (parent_id INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE, name TEXT NOT NULL,
			PRIMARY KEY (parent_id, name)) STRICT, WITHOUT ROWID;
		CREATE TABLE noted (name TEXT PRIMARY KEY) STRICT;
		CREATE TRIGGER gone AFTER DELETE ON child BEGIN INSERT OR REPLACE INTO noted VALUES (OLD.name); END;`)}}
	d, err := db.Open(t.Context(), db.Config{Migrations: steps})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	run := func(statements ...string) {
		t.Helper()
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, s := range statements {
				if err := tx.Exec(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	state := func() (text string) {
		t.Helper()
		err := d.QueryRow(t.Context(), `SELECT (SELECT GROUP_CONCAT(id || ' ' || TYPEOF(value) || ' ' || QUOTE(value)) FROM parent) || '; ' ||
			COALESCE((SELECT GROUP_CONCAT(parent_id || ' ' || name) FROM child), '') || '; ' || (SELECT COUNT(*) FROM noted)`).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	run(`INSERT INTO parent VALUES (1, 'text'), (2, X'626C6F62'), (3, NULL), (4, 1.5), (5, 7), (6, '')`, `INSERT INTO child VALUES (1, 'a'), (1, 'b'), (2, 'c')`)
	want := state()
	if err := d.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][]string{
		{"DELETE FROM parent WHERE id = 1"},
		{"DELETE FROM parent", "INSERT INTO parent VALUES (1, 'other')"},
		{"UPDATE parent SET value = 0"},
		{"DELETE FROM child"},
		{"INSERT INTO child VALUES (3, 'new')", "DELETE FROM child WHERE parent_id = 3"},
		{"INSERT INTO noted VALUES ('x')"},
		{},
	} {
		run(change...)
		if len(change) > 0 && state() == want && len(change) == 1 {
			t.Fatalf("%q changes nothing", change)
		}
		if err := d.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != want {
			t.Errorf("after %q and going back: %s, want %s", change, got, want)
		}
	}
}

// Rows are restored whatever they refer to: earlier or later rows of their own table, and
// rows of a table that refers to theirs.
func TestRewindOfReferences(t *testing.T) {
	for name, test := range map[string]struct {
		schema, rows string
		change       []string
	}{
		"the row before": {
			"CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES a (id) ON DELETE CASCADE) STRICT;",
			"INSERT INTO a VALUES (1, NULL), (2, 1), (3, 3)", []string{"DELETE FROM a WHERE id = 1"},
		},
		"the row after": {
			"CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES a (id) ON DELETE CASCADE) STRICT;",
			"INSERT INTO a VALUES (1, 2), (2, NULL)", []string{"DELETE FROM a WHERE id = 2"},
		},
		"a key that is no number": {
			"CREATE TABLE a (id TEXT PRIMARY KEY, up TEXT REFERENCES a (id) ON DELETE CASCADE) STRICT;",
			"INSERT INTO a VALUES ('x', 'y'), ('y', NULL)", []string{"DELETE FROM a WHERE id = 'y'"},
		},
		"a key that is not named": {
			"CREATE TABLE a (id BLOB PRIMARY KEY, up BLOB REFERENCES a ON DELETE CASCADE) STRICT;",
			"INSERT INTO a VALUES (X'01', X'02'), (X'02', NULL)", []string{"DELETE FROM a WHERE id = X'02'"},
		},
		"each other": {
			`CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES b (id) ON DELETE CASCADE) STRICT;
			CREATE TABLE b (id INTEGER PRIMARY KEY, up INTEGER REFERENCES a (id) ON DELETE CASCADE) STRICT;`,
			"INSERT INTO a VALUES (1, NULL), (2, NULL)", []string{"INSERT INTO b VALUES (1, 1)", "UPDATE a SET up = 1 WHERE id = 2"},
		},
		"a later name": {
			`CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES b (id) ON DELETE CASCADE) STRICT;
			CREATE TABLE b (id INTEGER PRIMARY KEY) STRICT;`,
			"INSERT INTO b VALUES (1); INSERT INTO a VALUES (1, 1)", []string{"DELETE FROM b", "INSERT INTO b VALUES (2)", "INSERT INTO a VALUES (2, 2)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			steps := fstest.MapFS{"sqlite/00001_init.sql": {Data: []byte(string(dbtest.Migrations["sqlite/00001_init.sql"].Data) + test.schema)}}
			d, err := db.Open(t.Context(), db.Config{Migrations: steps})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			run := func(statements ...string) {
				t.Helper()
				err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					for _, s := range statements {
						if err := tx.Exec(ctx, s); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			state := func() (text string) {
				t.Helper()
				if err := d.QueryRow(t.Context(), "SELECT COALESCE(GROUP_CONCAT(id || ' ' || COALESCE(up, '-')), '') FROM a").Scan(&text); err != nil {
					t.Fatal(err)
				}
				return text
			}
			run(strings.Split(test.rows, "; ")...)
			want := state()
			if err := d.Mark(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				run(test.change...)
				if state() == want {
					t.Fatal("nothing has changed")
				}
				if err := d.Rewind(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := state(); got != want {
					t.Errorf("the rows are %s, want %s", got, want)
				}
			}
		})
	}
}
