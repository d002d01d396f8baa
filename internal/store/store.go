package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

// Name is the database's file name in the data folder.
const Name = db.Name

// Errors that callers tell apart.
var (
	ErrNotFound   = db.ErrNotFound
	ErrConflict   = db.ErrConflict
	ErrNoDatabase = db.ErrNoDatabase
	ErrNewer      = db.ErrNewer
	ErrClosed     = db.ErrClosed
	// ErrLastAdmin says that the change would leave nobody who may make others.
	ErrLastAdmin = errors.New("it is the last admin")
	// ErrFull says that as many rows are there already as may be.
	ErrFull = errors.New("full")
)

// Config says where the database is.
type Config struct {
	// Dir is the data folder. It is made, readable by its owner only, when it
	// does not exist. Empty: the database is in memory, and gone when closed.
	Dir string
	// MustExist has a folder without a database refused with ErrNoDatabase, and
	// left as it is.
	MustExist bool
	// Logger gets what happens outside of any call. Nil: nothing is logged.
	Logger *slog.Logger
	// Now tells the time that rows are stamped with. Nil: time.Now.
	Now func() time.Time
}

//go:embed migrations
var migrationFiles embed.FS

// Store is an open database. It is safe for concurrent use.
type Store struct {
	db  *db.DB
	log *audit.Log
	now func() time.Time
}

// Open opens the database, makes it when there is none and may be, and brings
// its schema up to date. The errors name the folder and what to do about it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	migrations, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	s := &Store{now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.db, err = db.Open(ctx, db.Config{
		Dir: cfg.Dir, MustExist: cfg.MustExist, Migrations: migrations, Logger: cfg.Logger, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	s.log = audit.New(audit.Config{
		DB: s.db, Rows: Audit{}, Tallies: Tallies{}, Logger: cfg.Logger, Now: s.now,
	})
	return s, nil
}

// DB is the engine that the store stands on.
func (s *Store) DB() *db.DB { return s.db }

// Close finishes the writes that wait and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Ping makes the way of a read and of a write, without changing anything.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Commits is how many durable commits there have been.
func (s *Store) Commits() uint64 { return s.db.Commits() }

// Backup is that of the engine.
func (s *Store) Backup(ctx context.Context, path string) error { return s.db.Backup(ctx, path) }

// tx is a write's transaction, and who acts in it.
type tx struct {
	*db.Tx
	store *Store
	actor Actor
}

func (s *Store) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	return s.db.Write(ctx, func(inside context.Context, t *db.Tx) error {
		return fn(inside, &tx{t, s, actorOf(ctx)})
	})
}

const (
	findSetting = "SELECT value FROM setting WHERE name = $1"
	putSetting  = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

// Setting returns the value of a setting, and makes it with create when it is
// not there yet. Two processes that do this at once get the same value.
func (s *Store) Setting(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error) {
	value, err := s.FindSetting(ctx, name)
	if !errors.Is(err, ErrNotFound) {
		return value, err
	}
	fresh, err := create()
	if err != nil {
		return nil, fmt.Errorf("making setting %s: %w", name, err)
	}
	err = s.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.Exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, fresh); err != nil {
			return err
		}
		return tx.QueryRow(ctx, findSetting, name).Scan(&value)
	})
	return value, db.Wrap("writing setting "+name, err)
}

// FindSetting returns the value of a setting, or ErrNotFound.
func (s *Store) FindSetting(ctx context.Context, name string) (value []byte, err error) {
	err = s.db.QueryRow(ctx, findSetting, name).Scan(&value)
	return value, db.Wrap("reading setting "+name, err)
}

// PutSetting sets a setting, whatever it was before.
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error { return tx.Exec(ctx, putSetting, name, value) })
	return db.Wrap("writing setting "+name, err)
}

// millis and fromMillis translate times to and from how they are kept.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
