package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// migration is one step of the schema's history. Steps are never edited once
// released: a change is a further step.
type migration struct {
	version int
	name    string
	sql     string
	// expands: the previous release works on the schema after this step, too. The step
	// declares it in its first line.
	expands bool
}

// expandLine is the first line of a step that only expands the schema.
const expandLine = "-- expand\n"

// schema is the result of the first steps, as one script. A new database runs it
// in place of them, in a fraction of the time. The steps are the source: a test
// generates the script from them.
type schema struct {
	// version is the version of the last step in it; 0 if there is no script.
	version int
	sql     string
}

// schemaLine is the first line of a script, with its version.
const schemaLine = "-- The schema after migration %d"

// readSchemaScript reads the script of an engine, such as "sqlite.sql". There need not be one.
func readSchemaScript(files fs.FS, engine string) (schema, error) {
	text, err := fs.ReadFile(files, engine+".sql")
	if errors.Is(err, fs.ErrNotExist) {
		return schema{}, nil
	}
	if err != nil {
		return schema{}, fmt.Errorf("reading a schema: %w", err)
	}
	s := schema{sql: string(text)}
	if _, err := fmt.Sscanf(s.sql, schemaLine, &s.version); err != nil {
		return schema{}, fmt.Errorf("reading the version of %s.sql: %w", engine, err)
	}
	return s, nil
}

// readMigrations reads the steps of an engine, named "00001_init.sql" and so
// on, in order. Their versions are 1, 2, 3 …
func readMigrations(files fs.FS, engine string) ([]migration, error) {
	entries, err := fs.ReadDir(files, engine)
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	var list []migration
	for i, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", e.Name(), i+1)
		}
		text, err := fs.ReadFile(files, engine+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version, e.Name(), string(text), strings.HasPrefix(string(text), expandLine)})
	}
	return list, nil
}

// migrate brings the schema up to date in one transaction: all steps or none.
// The transaction takes the write lock before it reads the version, so that one
// process at a time migrates. A schema that is newer than the known steps is an
// error, unless each further step is declared to only expand the schema: rows could be
// misread.
func migrate(ctx context.Context, p pools, e engine, steps []migration, all schema, cfg Config) (err error) {
	if e.exists != "" {
		var exists bool
		if err := p.writer.QueryRowContext(ctx, e.exists).Scan(&exists); err != nil {
			return err
		}
		if !exists && cfg.MustExist {
			return ErrNoDatabase
		}
	}
	if have, err := schemaVersion(ctx, p.writer); err == nil && have >= len(steps) {
		return checkNewer(ctx, p.writer, have, len(steps)) // without waiting for the write lock
	}
	pool := p.writer
	if p.patient != nil {
		pool = p.patient
	}
	for retry := (backoff{}); ; retry.wait(ctx) {
		err := migrateOnce(ctx, pool, e, steps, all, cfg)
		if !isEnded(err) && !hasCode(err, lockNotAvailable) || ctx.Err() != nil {
			return err
		}
		if retry.err == nil && cfg.Logger != nil {
			cfg.Logger.Warn("the migration of the schema waits for another program that uses a table", "error", err)
		}
		_ = retry.result(err)
	}
}

// migrateOnce is one attempt of migrate. It does not wait long for a table that another
// program uses, such as a backup, because every later query of that table would wait
// behind the migration.
func migrateOnce(ctx context.Context, pool *sql.DB, e engine, steps []migration, all schema, cfg Config) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("locking the schema: %w", err)
	}
	defer conn.Close()
	return locked(ctx, conn, e.begin, func() error {
		if e.brief != "" {
			if _, err := conn.ExecContext(ctx, e.brief); err != nil {
				return err
			}
		}
		return applySteps(ctx, conn, steps, all, cfg.Created)
	})
}

// locked calls do in a transaction that has the write lock.
func locked(ctx context.Context, conn *sql.Conn, begin string, do func() error) error {
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return fmt.Errorf("locking the schema: %w", err)
	}
	if err := do(); err != nil {
		_, undone := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, undone)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // fails if there is nothing to undo
		return fmt.Errorf("committing the schema: %w", err)
	}
	return nil
}

// applySteps applies the steps that a schema lacks. If it lacks all, it then calls created.
func applySteps(
	ctx context.Context, conn *sql.Conn, steps []migration, all schema, created func(context.Context, Exec) error,
) error {
	if _, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"); err != nil {
		return fmt.Errorf("creating the table of schema versions: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_expansion (version INTEGER PRIMARY KEY)"); err != nil {
		return fmt.Errorf("creating the table of schema expansions: %w", err)
	}
	have, err := schemaVersion(ctx, conn)
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if have >= len(steps) { // another process has been faster
		return checkNewer(ctx, conn, have, len(steps))
	}
	isNew := have == 0
	if isNew && all.version > 0 && all.version <= len(steps) {
		if _, err := conn.ExecContext(ctx, all.sql); err != nil {
			return fmt.Errorf("schema of version %d: %w", all.version, err)
		}
		have = all.version
		if err := record(ctx, conn, steps[:have]); err != nil {
			return err
		}
	}
	for _, m := range steps[have:] {
		if _, err := conn.ExecContext(ctx, m.sql); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		if err := record(ctx, conn, []migration{m}); err != nil {
			return err
		}
	}
	if !isNew || created == nil {
		return nil
	}
	return created(ctx, execOn(conn))
}

// execOn returns an Exec of a connection.
func execOn(conn *sql.Conn) Exec {
	return func(ctx context.Context, query string, args ...any) error {
		_, err := conn.ExecContext(ctx, query, args...)
		return err
	}
}

// record writes down that steps were applied.
func record(ctx context.Context, conn *sql.Conn, steps []migration) error {
	for _, m := range steps {
		if _, err := conn.ExecContext(ctx, "INSERT INTO schema_version (version) VALUES ($1)", m.version); err != nil {
			return fmt.Errorf("recording migration %s: %w", m.name, err)
		}
		if !m.expands {
			continue
		}
		if _, err := conn.ExecContext(ctx, "INSERT INTO schema_expansion (version) VALUES ($1)", m.version); err != nil {
			return fmt.Errorf("recording migration %s: %w", m.name, err)
		}
	}
	return nil
}

// rowQuerier is a pool of connections or one of them.
type rowQuerier interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// checkNewer returns ErrNewer if a schema has steps that this process does not know,
// and that do more than expand it.
func checkNewer(ctx context.Context, db rowQuerier, have, known int) error {
	if have <= known {
		return nil
	}
	newer := fmt.Errorf("%w: its schema is version %d and this usher knows up to %d; run the newer usher, or choose another database",
		ErrNewer, have, known)
	var expansions int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM schema_expansion WHERE version > $1", known).Scan(&expansions)
	switch {
	case hasCode(err, undefinedTable) || isSQLiteInvalid(err): // without the table, no step is declared as an expansion
		return newer
	case err != nil:
		return fmt.Errorf("reading the expansions of the schema: %w", err)
	case expansions != have-known:
		return newer
	}
	return nil
}

func schemaVersion(ctx context.Context, db rowQuerier) (version int, err error) {
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_version").Scan(&version)
	return version, err
}
