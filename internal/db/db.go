package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrNotFound reports that no row matches.
	ErrNotFound = errors.New("not found")
	// ErrConflict reports that another row has the same unique key, or that
	// the row has changed since it was read.
	ErrConflict = errors.New("conflict")
	// ErrNoDatabase reports that the data folder has no database.
	ErrNoDatabase = errors.New("there is no usher database")
	// ErrNewer reports that a newer usher wrote the database.
	ErrNewer = errors.New("the database is from a newer usher")
	// ErrClosed reports that the database has been closed.
	ErrClosed = errors.New("the database is closed")
)

// Config says where the database is.
type Config struct {
	// Dir is the data folder. If it does not exist, Open creates it, readable
	// by its owner only. Empty: the database is in memory and lost on Close.
	Dir string
	// MustExist makes Open return ErrNoDatabase, and leave the folder as it is,
	// if the folder has no database.
	MustExist bool
	// Migrations holds the schema's steps in one folder for each engine, such
	// as sqlite/00001_init.sql. Required.
	Migrations fs.FS
	// Logger receives failures that no caller sees. Nil: they are not logged.
	Logger *slog.Logger
	// Now returns the time that rows are stamped with. Nil: time.Now.
	Now func() time.Time
}

// Name is the name of the database file in the data folder.
const Name = "usher.db"

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine   engine
	readPool *sql.DB
	readers  *statements // on readPool
	writer   *sql.DB
	log      *slog.Logger
	now      func() time.Time

	commits  *committer
	mu       sync.RWMutex // guards watchers and stages
	watchers []func(changes []Change, all bool)
	stages   []stage
}

// An engine is what one kind of database does in its own way.
type engine struct {
	// name is the engine's folder of migrations.
	name string
	// open returns the pools that write and read.
	open func(Config) (writer, readers *sql.DB, err error)
	// begin starts a transaction that writes, and waits for those of others.
	begin string
	// snapshot starts a transaction whose reads all see one state.
	snapshot string
	// version returns a number that differs once another process has committed.
	version string
	// backup copies the database to an empty file.
	backup func(ctx context.Context, pool *sql.DB, path string) error
}

// Open opens the database, creates it if there is none and cfg allows it, and
// migrates its schema. The errors name the folder and what to do about it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d := &DB{engine: sqliteEngine, log: cfg.Logger, now: cfg.Now}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.now == nil {
		d.now = time.Now
	}
	var err error
	if d.writer, d.readPool, err = d.engine.open(cfg); err != nil {
		return nil, err
	}
	if err := d.start(ctx, cfg.Migrations); err != nil {
		return nil, fmt.Errorf("opening the database in %s: %w", orMemory(cfg.Dir), errors.Join(err, d.closePools()))
	}
	return d, nil
}

func orMemory(dir string) string {
	if dir == "" {
		return "memory"
	}
	return dir
}

func (d *DB) start(ctx context.Context, migrations fs.FS) error {
	d.readers = newStatements(d.readPool)
	steps, err := readMigrations(migrations, d.engine.name)
	if err != nil {
		return err
	}
	if err := migrate(ctx, d.writer, steps); err != nil {
		return err
	}
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return err
	}
	d.commits, err = newCommitter(ctx, conn, d)
	return err
}

// Close finishes the writes that wait and closes the database.
func (d *DB) Close() error {
	d.commits.close()
	return d.closePools()
}

func (d *DB) closePools() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.close())
	}
	return errors.Join(append(errs, d.writer.Close())...)
}

// Querier reads rows: a *DB, a *Tx, or the snapshot that Snapshot gives.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// Query runs a statement that returns rows. The statement stays prepared, so
// its text must be one of a few.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return d.readers.query(ctx, query, args...)
}

// QueryRow runs a statement that returns at most one row, as Query does.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return d.readers.queryRow(ctx, query, args...)
}

// Snapshot calls read with a Querier whose reads all see the same state.
func (d *DB) Snapshot(ctx context.Context, read func(context.Context, Querier) error) (err error) {
	conn, err := d.readPool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening a snapshot: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, d.engine.snapshot); err != nil {
		return fmt.Errorf("opening a snapshot: %w", err)
	}
	defer func() {
		_, closed := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, closed)
	}()
	return read(ctx, snapshot{conn})
}

// snapshot is a connection inside a transaction that only reads.
type snapshot struct{ conn *sql.Conn }

// Query implements Querier.
func (s snapshot) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, query, args...)
}

// QueryRow implements Querier.
func (s snapshot) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return s.conn.QueryRowContext(ctx, query, args...)
}

// Ping checks that the database can be read and written, without changing it.
func (d *DB) Ping(ctx context.Context) error {
	var n int
	if err := d.QueryRow(ctx, "SELECT COUNT(*) FROM schema_version").Scan(&n); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if err := d.Write(ctx, func(context.Context, *Tx) error { return nil }); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// Commits returns how many durable commits there have been. Writes that shared
// a commit count as one.
func (d *DB) Commits() uint64 { return d.commits.commits.Load() }

// Wrap adds what was being done to an error of the database, and gives the
// engines' errors this package's names: ErrNotFound, ErrConflict.
func Wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		err = ErrNotFound
	case isConflict(err):
		err = fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
