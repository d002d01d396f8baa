package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers distinguish.
var (
	// ErrNotFound reports that no row matches.
	ErrNotFound = errors.New("not found")
	// ErrConflict reports that another row has the same unique key, or that
	// the row has changed since it was read.
	ErrConflict = errors.New("conflict")
	// ErrNoDatabase reports that the data folder has no database.
	ErrNoDatabase = errors.New("there is no usher database")
	// ErrNewer reports that a newer usher wrote the database, with a schema that
	// this one cannot use.
	ErrNewer = errors.New("the database is from a newer usher")
	// ErrRefused reports that a PostgreSQL server does not let this user in, or has no
	// such database.
	ErrRefused = errors.New("the database refuses the connection")
	// ErrClosed reports that the database has been closed.
	ErrClosed = errors.New("the database is closed")
	// ErrUnavailable reports that the database is on another machine and cannot
	// be reached now, that its disk is full, or that another process does not stop
	// writing. A write that returns it may or may not have happened.
	ErrUnavailable = fault.WithWait(
		fault.New(fault.Unavailable, "the database is not available now; try again in a moment"), time.Second)
)

// Config configures the database.
type Config struct {
	// URL is the address of a PostgreSQL database, such as
	// postgres://user@host1,host2/usher. Empty: SQLite, in Dir. It can contain a
	// password, which never gets into an error or a log.
	URL plexauth.Secret
	// Dir is the data folder. If it does not exist, Open creates it, readable
	// by its owner only. If empty, the database is in memory and lost on Close.
	Dir string
	// MustExist makes Open return ErrNoDatabase, and change nothing,
	// if there is no database in the folder, or no schema at the URL.
	MustExist bool
	// StaleGrace is how long cached entries are used, in addition to one second, while
	// the database is unreachable. Tokens revoked meanwhile are accepted. Zero:
	// not at all. It has no effect on SQLite.
	StaleGrace time.Duration
	// Holder describes this process, such as "usher serve", if it must be the only
	// one of its kind: Open then returns a *HeldError while another process with a
	// Holder has the folder open. If empty, the process can run next to any other.
	Holder string
	// Migrations holds the schema's steps in one folder for each engine, such
	// as sqlite/00001_init.sql, and the script of the resulting schema, such as
	// sqlite.sql, if there is one. Required.
	Migrations fs.FS
	// Created is called in the transaction that creates the schema, if Open creates it: a
	// new database has the rows that it adds, or is not created. If nil, a new database is
	// empty.
	Created func(ctx context.Context, exec Exec) error
	// Template makes a database in memory a copy of it, which is faster than creating the
	// schema. All databases of a Template have the same Migrations. If nil, there is no
	// template.
	Template *Template
	// Logger receives failures that no caller sees. If nil, they are not logged.
	Logger *slog.Logger
	// Now returns the time that rows are stamped with. If nil, it is time.Now.
	Now func() time.Time
}

// Exec runs a statement that returns no rows.
type Exec func(ctx context.Context, query string, args ...any) error

// Name is the name of the database file in the data folder.
const Name = "usher.db"

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine  engine
	pools   pools
	readers *statements // on pools.readers
	log     *slog.Logger
	now     func() time.Time

	migrations fs.FS
	inMemory   bool // there is no file

	feed     feed
	commits  *committer
	follower *follower // nil: the committer polls the feed
	marked   *marked   // by Mark; nil: nothing is
	grace    time.Duration
	losses   atomic.Uint64
	full     atomic.Bool  // the last write failed because the disk is full
	release  func() error // lets go of the folder; nil if it is not held
	mu       sync.RWMutex // guards watchers and stages
	watchers []func(changes []Change, all bool)
	stages   []stage
}

// Open opens the database, creates it if it does not exist and cfg allows it, and
// migrates its schema. The errors name the place and a remedy.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d := &DB{
		engine: sqliteEngine, log: cfg.Logger, now: cfg.Now, grace: cfg.StaleGrace, migrations: cfg.Migrations,
		inMemory: cfg.URL == "" && cfg.Dir == "",
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.now == nil {
		d.now = time.Now
	}
	if cfg.URL != "" {
		d.engine = postgresEngine
	}
	var err error
	if d.pools, err = d.engine.open(cfg); err != nil {
		return nil, err
	}
	if err := d.hold(cfg); err != nil {
		return nil, errors.Join(err, d.closePools())
	}
	if err := d.start(ctx, cfg); err != nil {
		return nil, fmt.Errorf("opening the database in %s: %w", d.pools.place, errors.Join(explainStart(err), d.closePools()))
	}
	return d, nil
}

// hold locks the folder, if cfg names a holder. A database at a URL is not locked:
// any number of servers share it. On a file system without locks it logs a warning,
// because processes cannot detect each other there.
func (d *DB) hold(cfg Config) (err error) {
	if cfg.Holder == "" || cfg.Dir == "" || cfg.URL != "" {
		return nil
	}
	d.release, err = hold(cfg.Dir, cfg.Holder)
	if errors.Is(err, errNoLocks) {
		d.log.Warn("make sure that only one server uses this data folder", "folder", cfg.Dir, "error", err)
		return nil
	}
	return err
}

func (d *DB) start(ctx context.Context, cfg Config) error {
	d.readers = newStatements(d.pools.readers, d.engine)
	steps, err := readMigrations(cfg.Migrations, d.engine.name)
	if err != nil {
		return err
	}
	script, err := readSchemaScript(cfg.Migrations, d.engine.name)
	if err != nil {
		return err
	}
	if d.engine.whole != nil {
		if err := d.engine.whole(ctx, d.pools.readers); err != nil {
			return err
		}
	}
	if cfg.Template != nil && cfg.URL == "" && cfg.Dir == "" {
		err = cfg.Template.copyTo(ctx, d.pools.writer, steps, script, cfg.Created)
	} else {
		err = migrate(ctx, d.pools, d.engine, steps, script, cfg)
	}
	if err != nil {
		return err
	}
	if d.commits, err = newCommitter(ctx, d); err != nil {
		return err
	}
	if !d.engine.remote {
		return nil
	}
	if d.follower, err = newFollower(ctx, d); err != nil {
		d.commits.close()
	}
	return err
}

// Close waits for running writes, fails waiting ones, and closes the database.
func (d *DB) Close() error {
	d.commits.close()
	if d.follower != nil {
		d.follower.close()
	}
	return d.closePools()
}

// closePools closes the database, and then lets go of the folder.
func (d *DB) closePools() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.close())
	}
	errs = append(errs, d.pools.writer.Close(), d.pools.close())
	if d.engine.remote {
		// A connection that the other side has ended cannot be closed in due form. Nothing
		// is lost with it.
		errs = nil
	}
	if d.release != nil {
		errs = append(errs, d.release())
	}
	return errors.Join(errs...)
}

// Querier reads rows: a *DB, a *Tx, or the snapshot that Snapshot gives.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) Row
}

// Query runs a statement that returns rows. The statement stays prepared, so
// its text must be one of a few.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	return d.readers.query(ctx, query, args...)
}

// QueryRow runs a statement that returns at most one row, as Query does.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	return d.readers.queryRow(ctx, query, args...)
}

// Statements returns the texts of all statements of a database that is closed, in no
// order, so that a test can ask the engine how it runs them.
func (d *DB) Statements() []string { return slices.Concat(d.readers.texts(), d.commits.ran) }

// Snapshot calls read with a Querier whose reads all see the same state.
func (d *DB) Snapshot(ctx context.Context, read func(context.Context, Querier) error) (err error) {
	conn, err := d.pools.readers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening a snapshot: %w", translate(err))
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, d.engine.snapshot); err != nil {
		return fmt.Errorf("opening a snapshot: %w", translate(err))
	}
	defer func() {
		_, closed := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, closed)
	}()
	return read(ctx, snapshot{newStatements(conn, d.engine)})
}

// snapshot is a connection inside a transaction that only reads.
type snapshot struct{ conn *statements }

// Query implements Querier.
func (s snapshot) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	return s.conn.queryOnce(ctx, query, args...)
}

// QueryRow implements Querier.
func (s snapshot) QueryRow(ctx context.Context, query string, args ...any) Row {
	return s.conn.queryRowOnce(ctx, query, args...)
}

// Ping checks that the database can be read and written, without changing it.
// It does not wait for the writes of other processes.
func (d *DB) Ping(ctx context.Context) error {
	var n int
	if err := d.QueryRow(ctx, "SELECT COUNT(*) FROM schema_version").Scan(&n); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if d.engine.remote {
		return d.pingRemote(ctx)
	}
	if err := d.Write(ctx, func(context.Context, *Tx) error { return nil }); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// Works checks that this process can do its work. A database on another machine that is
// not available is not the fault of this process: if it was started again, it would
// lose its caches, and could not open the database.
func (d *DB) Works(ctx context.Context) error {
	err := d.Ping(ctx)
	if d.engine.remote && (errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// pingRemote checks that the database accepts writes. A write would have to wait
// for its turn, and a node that stops in the middle of its own would make all
// others look broken.
func (d *DB) pingRemote(ctx context.Context) error {
	select {
	case <-d.commits.stop:
		return ErrClosed
	default:
	}
	var readOnly bool
	if err := d.QueryRow(ctx, d.engine.readOnly).Scan(&readOnly); err != nil {
		return fmt.Errorf("checking whether the database accepts writes: %w", err)
	}
	if readOnly {
		return fmt.Errorf("writing: %w", ErrUnavailable)
	}
	return nil
}

// Offset returns how far the clock of a database on another machine is ahead of that of this
// process, with an error of at most half of the time that the query takes.
func (d *DB) Offset(ctx context.Context, q Querier) (time.Duration, error) {
	if !d.engine.remote {
		return 0, nil
	}
	began, asked := d.now(), time.Now()
	var at int64
	if err := q.QueryRow(ctx, d.engine.clock).Scan(&at); err != nil {
		return 0, fmt.Errorf("reading the clock of the database: %w", err)
	}
	return time.UnixMilli(at).Sub(began.Add(time.Since(asked) / 2)), nil
}

// Place describes the location of the database, without secrets.
func (d *DB) Place() string { return d.pools.place }

// Commits returns how many durable commits there have been. Writes that shared
// a commit count as one.
func (d *DB) Commits() uint64 { return d.commits.commits.Load() }

// Wrap adds what was being done to an error of the database, and translates the
// engines' errors to this package's: ErrNotFound, ErrConflict.
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
