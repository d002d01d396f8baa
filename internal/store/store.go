package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that another row has the name, e-mail or identifier, or
	// that the row changed since it was read.
	ErrConflict = errors.New("conflict")
	// ErrLastAdmin says that the change would leave nobody who may make others.
	ErrLastAdmin = errors.New("it is the last admin")
	// ErrFull says that as many rows are there already as may be.
	ErrFull = errors.New("full")
	// ErrNoDatabase says that the data folder has no database.
	ErrNoDatabase = errors.New("there is no usher database")
	// ErrNewer says that a newer usher wrote the database.
	ErrNewer = errors.New("the database is from a newer usher")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("the store is closed")
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

// Name is the database's file name in the data folder.
const Name = "usher.db"

// maxReaders is how many reads run at the same time.
const maxReaders = 4

// Store is an open database. It is safe for concurrent use.
type Store struct {
	readPool *sql.DB
	readers  *statements // of readPool
	writer   *sql.DB
	log      *slog.Logger
	now      func() time.Time

	commits *committer
	watch   watchers
	refused refusals
}

// Open opens the database, makes it when there is none and may be, and brings
// its schema up to date. The errors name the folder and what to do about it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{log: cfg.Logger, now: cfg.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	dsn := memoryDSN()
	if cfg.Dir != "" {
		var err error
		if dsn, err = fileDSN(cfg.Dir, cfg.MustExist); err != nil {
			return nil, err
		}
	}
	if err := s.open(ctx, dsn); err != nil {
		return nil, fmt.Errorf("opening the database in %s: %w", orMemory(cfg.Dir), errors.Join(err, s.closeDBs()))
	}
	return s, nil
}

func orMemory(dir string) string {
	if dir == "" {
		return "memory"
	}
	return dir
}

func (s *Store) open(ctx context.Context, dsn string) (err error) {
	if s.writer, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.readPool, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.readPool.SetMaxOpenConns(maxReaders)
	s.readPool.SetMaxIdleConns(maxReaders)
	s.readers = newStatements(s.readPool)
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	s.commits, err = newCommitter(ctx, conn, s)
	return err
}

// Close finishes the writes that wait and closes the database.
func (s *Store) Close() error {
	s.commits.close()
	return s.closeDBs()
}

func (s *Store) closeDBs() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// Ping makes the way of a read and of a write, without changing anything.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	if err := s.readers.queryRow(ctx, "SELECT COUNT(*) FROM setting").Scan(&n); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if err := s.write(ctx, func(context.Context, *tx) error { return nil }); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

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
		if err := tx.exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, fresh); err != nil {
			return err
		}
		return tx.queryRow(ctx, findSetting, name).Scan(&value)
	})
	return value, wrap("writing setting "+name, err)
}

// FindSetting returns the value of a setting, or ErrNotFound.
func (s *Store) FindSetting(ctx context.Context, name string) (value []byte, err error) {
	err = s.readers.queryRow(ctx, findSetting, name).Scan(&value)
	return value, wrap("reading setting "+name, err)
}

// PutSetting sets a setting, whatever it was before.
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error { return tx.exec(ctx, putSetting, name, value) })
	return wrap("writing setting "+name, err)
}

// wrap says what was being done, and gives the engine's errors this package's
// names.
func wrap(doing string, err error) error {
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
