package store_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

var update = flag.Bool("update", false, "write migrations/sqlite.sql from the migrations")

// schemaOf returns the content of a new database with these migrations: the text of each
// table, index and trigger, in the order of creation, and the other objects.
func schemaOf(t *testing.T, migrations fs.FS) (texts, rest []string) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	texts = lines(t, d, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND tbl_name NOT LIKE 'schema\_%' ESCAPE '\' ORDER BY rowid`)
	for _, table := range lines(t, d, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
		rest = append(rest, table+" has "+lines(t, d, `SELECT COUNT(*) || ' rows' FROM "`+table+`"`)[0])
	}
	for _, table := range []string{"schema_version", "schema_expansion"} {
		rest = append(rest, lines(t, d, "SELECT '"+table+" ' || version FROM "+table+" ORDER BY version")...)
	}
	return texts, rest
}

// One script creates a new database. It creates the same as all migrations, and no rows.
// The script may lack the newest migrations, which then run after it.
func TestScriptIsTheMigrations(t *testing.T) {
	entries, err := fs.ReadDir(store.Migrations(), "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	steps := firstSteps(t, "sqlite", len(entries))
	texts, rest := schemaOf(t, steps)
	if *update {
		text := fmt.Sprintf("-- The schema after migration %d, as they make it: \"go test ./internal/store -run Script -update\" writes it.\n\n%s;\n",
			len(entries), strings.Join(texts, ";\n\n"))
		if err := os.WriteFile("migrations/sqlite.sql", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("migrations/sqlite.sql")
	if err != nil {
		t.Fatal(err)
	}
	steps["sqlite.sql"] = &fstest.MapFile{Data: script}
	gotTexts, gotRest := schemaOf(t, steps)
	if diff := cmp.Diff(texts, gotTexts); diff != "" {
		t.Errorf("the schema (-migrations +script; -update writes it):\n%s", diff)
	}
	if diff := cmp.Diff(rest, gotRest); diff != "" {
		t.Errorf("the other objects in the database (-migrations +script):\n%s", diff)
	}
	for _, line := range rest {
		if strings.HasSuffix(line, " rows") && !strings.HasSuffix(line, " has 0 rows") && !strings.HasPrefix(line, "schema_") {
			t.Errorf("the migrations add rows, which a script does not: %s", line)
		}
	}
}

// The script is that of a version that exists, so that new databases run it.
func TestScriptIsUsed(t *testing.T) {
	steps := firstSteps(t, "sqlite", 3)
	steps["sqlite.sql"] = &fstest.MapFile{Data: []byte("-- The schema after migration 2\nCREATE TABLE scripted (id INTEGER PRIMARY KEY);")}
	steps["sqlite/00003_changes.sql"].Data = append(steps["sqlite/00003_changes.sql"].Data, "\nCREATE TABLE last (id INTEGER PRIMARY KEY);"...)
	texts, _ := schemaOf(t, steps)
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "scripted") || !strings.Contains(all, "last") || strings.Contains(all, "TABLE account") {
		t.Errorf("a script of version 2 and step 3 make\n%s", all)
	}
	for _, bad := range []string{"CREATE TABLE x (id)", "-- The schema after migration x"} {
		steps["sqlite.sql"].Data = []byte(bad)
		if d, err := db.Open(t.Context(), db.Config{Migrations: steps}); err == nil {
			d.Close()
			t.Errorf("the script %q was taken", bad)
		}
	}
}
