package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/usher-auth/usher/internal/db/pgtest"
)

// engine is a database engine: where its databases are, and how its SQL differs.
type engine struct {
	name string
	// leader is the main process of the database server, or 0 if no server was started.
	leader int
	// place returns the flags that name a database, and the database itself.
	place func(ctx context.Context, dir string, n int) (flags []string, open func() (*sql.DB, error), err error)
	// kept says that the next run finds the databases in their folder.
	kept bool
	// words are the replacements in statements for what the engines write differently.
	words *strings.Replacer
	// before and after are run before and after filling the database.
	before, after []string
}

// sqlite is a file in the data folder.
var sqlite = engine{
	name: "SQLite", kept: true,
	place: func(_ context.Context, dir string, _ int) ([]string, func() (*sql.DB, error), error) {
		path := (&url.URL{Path: filepath.Join(dir, "usher.db")}).EscapedPath()
		open := func() (*sql.DB, error) {
			return sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)")
		}
		return []string{"--data", dir}, open, nil
	},
	words: strings.NewReplacer(
		"{numbers}", "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $1) SELECT i FROM c",
		"{i:7}", "printf('%07d', i)", "{i:32}", "printf('%032x', i)", "{i}", "i", "{random}", "randomblob(32)",
	),
}

// postgres is a server that the measurement starts.
func postgres(server *pgtest.Server) engine {
	return engine{
		name: "PostgreSQL", leader: server.PID(),
		place: func(ctx context.Context, dir string, n int) ([]string, func() (*sql.DB, error), error) {
			name := fmt.Sprint("scale", n)
			address := server.URL(name)
			open := func() (*sql.DB, error) { return sql.Open("pgx", address) }
			flags := []string{"--database", address, "--key-file", filepath.Join(dir, "usher.key")}
			return flags, open, errors.Join(os.MkdirAll(dir, 0o700), create(ctx, server.URL("postgres"), name))
		},
		words: strings.NewReplacer(
			"{numbers}", "SELECT i FROM generate_series(1, $1::bigint) AS s (i)",
			"{i:7}", "lpad(i::text, 7, '0')", "{i:32}", "lpad(to_hex(i), 32, '0')", "{i}", "i::text",
			"{random}", "sha256(uuid_send(gen_random_uuid()))",
		),
		// The rows are consistent: checking every reference would take half of the time.
		before: []string{"CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SET session_replication_role = replica", "SET maintenance_work_mem = '256MB'"},
		after: []string{
			"SELECT setval(pg_get_serial_sequence('device', 'id'), (SELECT MAX(id) FROM device))",
			"SELECT setval(pg_get_serial_sequence('source', 'id'), (SELECT MAX(id) FROM source))",
			"VACUUM ANALYZE", "CHECKPOINT",
		},
	}
}

func create(ctx context.Context, address, name string) error {
	d, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	_, err = d.ExecContext(ctx, "CREATE DATABASE "+name)
	return errors.Join(err, d.Close())
}
