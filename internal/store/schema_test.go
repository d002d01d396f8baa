package store_test

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// lines runs a query of texts and joins the columns of each row.
func lines(t *testing.T, d *db.DB, query string) (list []string) {
	t.Helper()
	rows, err := d.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		list = append(list, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// The schema of each engine, in the same words. A BOOLEAN of PostgreSQL is an
// INTEGER of SQLite, which has no other type for it.
var schemaQueries = map[string][2]string{
	"columns": {
		`SELECT m.name || ' ' || c.cid || ' ' || c.name || ' ' || c.type ||
			CASE WHEN c."notnull" OR c.pk > 0 THEN ' NOT NULL' ELSE '' END || ' ' || COALESCE(c.dflt_value, '')
			FROM sqlite_schema m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid`,
		`SELECT table_name || ' ' || ordinal_position - 1 || ' ' || column_name || ' ' ||
			CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'integer' THEN 'INTEGER' WHEN 'boolean' THEN 'INTEGER'
				WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN CASE collation_name WHEN 'C' THEN 'TEXT' ELSE 'TEXT without C' END
				ELSE data_type END ||
			CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END || ' ' ||
			CASE COALESCE(column_default, '') WHEN 'false' THEN '0' WHEN '''''::text' THEN '''''' ELSE COALESCE(column_default, '') END
			FROM information_schema.columns WHERE table_schema = 'public'
			ORDER BY table_name COLLATE "C", ordinal_position`,
	},
	"keys and indexes": {
		`SELECT line FROM (
			SELECT m.name || CASE WHEN i.origin = 'pk' THEN ' primary' WHEN i."unique" THEN ' unique' ELSE ' ' || i.name END ||
				CASE WHEN i.partial THEN ' partial' ELSE '' END ||
				(SELECT GROUP_CONCAT(' ' || name, '') FROM pragma_index_info(i.name)) AS line
			FROM sqlite_schema m JOIN pragma_index_list(m.name) i
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
			UNION ALL
			SELECT m.name || ' primary ' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND c.pk > 0
				AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) WHERE origin = 'pk')
		) ORDER BY line`,
		`SELECT line FROM (
			SELECT i.indrelid::regclass || CASE WHEN i.indisprimary THEN ' primary' WHEN i.indisunique THEN ' unique'
				ELSE ' ' || i.indexrelid::regclass::text END ||
				CASE WHEN i.indpred IS NOT NULL THEN ' partial' ELSE '' END ||
				(SELECT string_agg(' ' || a.attname, '' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n)
					JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) AS line
			FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
		) AS every ORDER BY line COLLATE "C"`,
	},
	"references": {
		`SELECT m.name || ' ' || f."from" || ' ' || f."table" || ' ' || f."to" || ' ' || f.on_delete AS line
			FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY line`,
		`SELECT line FROM (
			SELECT c.conrelid::regclass || ' ' || a.attname || ' ' || c.confrelid::regclass || ' ' || b.attname || ' ' ||
				CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE c.confdeltype::text END AS line
			FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
			JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1] WHERE c.contype = 'f'
		) AS every ORDER BY line COLLATE "C"`,
	},
}

// The two schemas are the same, column by column.
func TestSchemasAgree(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	sqlite := opener(t, db.Config{Dir: t.TempDir()})()
	postgres := opener(t, db.Config{URL: plexauth.Secret(pgtest.Database(t))})()
	for what, queries := range schemaQueries {
		a, b := lines(t, sqlite, queries[0]), lines(t, postgres, queries[1])
		if len(a) < 10 && what != "references" || len(a) == 0 {
			t.Errorf("%s: SQLite has only %q", what, a)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s (-SQLite +PostgreSQL):\n%s", what, diff)
		}
	}
}

// The steps have the same names in both dialects: a version means the same.
func TestMigrationsAgree(t *testing.T) {
	names := map[string][]string{}
	for _, engine := range []string{"sqlite", "postgres"} {
		entries, err := fs.ReadDir(store.Migrations(), engine)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[engine] = append(names[engine], e.Name())
		}
	}
	if diff := cmp.Diff(names["sqlite"], names["postgres"]); diff != "" {
		t.Errorf("the steps (-SQLite +PostgreSQL):\n%s", diff)
	}
}

// rollingSince is the first version whose migration declares its effect on the previous
// release.
const rollingSince = 16

// Each migration declares in its first line whether the previous release works on its
// result, in both dialects.
func TestMigrationsSayWhetherTheyExpand(t *testing.T) {
	expands := map[string][]string{}
	for _, engine := range []string{"sqlite", "postgres"} {
		entries, err := fs.ReadDir(store.Migrations(), engine)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries[rollingSince-1:] {
			text, err := fs.ReadFile(store.Migrations(), path.Join(engine, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(string(text), "\n")
			if line != "-- expand" && line != "-- contract" {
				t.Errorf("%s/%s begins with %q, want \"-- expand\" or \"-- contract\": CONTRIBUTING.md says which", engine, e.Name(), line)
			}
			expands[engine] = append(expands[engine], e.Name()+" "+line)
		}
	}
	if diff := cmp.Diff(expands["sqlite"], expands["postgres"]); diff != "" {
		t.Errorf("the steps (-SQLite +PostgreSQL):\n%s", diff)
	}
}

// firstSteps returns the steps of an engine up to a version.
func firstSteps(t *testing.T, engine string, version int) fstest.MapFS {
	t.Helper()
	steps := fstest.MapFS{}
	entries, err := fs.ReadDir(store.Migrations(), engine)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[:version] {
		text, err := fs.ReadFile(store.Migrations(), path.Join(engine, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		steps[path.Join(engine, e.Name())] = &fstest.MapFile{Data: text}
	}
	return steps
}

// feedSince is the first version whose schema db can open, because it has the feed.
const feedSince = 3

// A database of every earlier schema is migrated, with its rows.
func TestMigrateFromEveryVersion(t *testing.T) {
	entries, err := fs.ReadDir(store.Migrations(), "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	for version := feedSince; version < len(entries); version++ {
		t.Run(fmt.Sprint("sqlite ", version), func(t *testing.T) {
			cfg := db.Config{Dir: t.TempDir()}
			addOld(t, cfg, "sqlite", version)
			checkOld(t, opener(t, cfg)(), version)
		})
	}
	if !pgtest.Available(t) {
		return
	}
	// On PostgreSQL, each migration takes a third of a second. Rows of the oldest schema go
	// through all migrations in one transaction, and those of every schema through one at a
	// time.
	t.Run("postgres, in one transaction", func(t *testing.T) {
		cfg := db.Config{URL: plexauth.Secret(pgtest.Database(t))}
		addOld(t, cfg, "postgres", feedSince)
		checkOld(t, opener(t, cfg)(), feedSince)
	})
	t.Run("postgres, step by step", func(t *testing.T) {
		cfg := db.Config{URL: plexauth.Secret(pgtest.Database(t))}
		var versions []int
		for version := feedSince; version < len(entries); version++ {
			addOld(t, cfg, "postgres", version)
			versions = append(versions, version)
		}
		checkOld(t, opener(t, cfg)(), versions...)
	})
}

// checkOld checks the rows that were added when the schema had each of the versions.
func checkOld(t *testing.T, d *db.DB, versions ...int) {
	t.Helper()
	var sources []string
	for _, version := range versions {
		a, err := store.Accounts{}.ByLogin(t.Context(), d, fmt.Sprint("mia", version))
		if err != nil || a.Title != "Mia" || !a.Admin || a.Revision != 0 {
			t.Errorf("after the migration from %d: %+v, %v", version, a, err)
		}
		sources = append(sources, fmt.Sprint("Den", version))
	}
	if diff := cmp.Diff(sources, lines(t, d, "SELECT name FROM source ORDER BY id")); diff != "" {
		t.Errorf("the sources (-want +got):\n%s", diff)
	}
}

// addOld brings a database to an old schema and adds rows to it.
func addOld(t *testing.T, cfg db.Config, engine string, version int) {
	t.Helper()
	cfg.Migrations = firstSteps(t, engine, version)
	d, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO account (uuid, username, username_key, email, title, password_hash, admin, created_at)
			VALUES ('u%d', 'mia%[1]d', 'mia%[1]d', '', 'Mia', '', TRUE, 1)`,
		`INSERT INTO source (kind, identifier, name, product, product_version, created_at)
			VALUES ('server', 'den%d', 'Den%[1]d', '', '', 1)`,
	} {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Exec(ctx, fmt.Sprintf(statement, version))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
