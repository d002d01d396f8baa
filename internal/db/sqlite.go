package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is SQLite in a file of the data folder, or in memory.
var sqliteEngine = engine{
	name:     "sqlite",
	open:     openSQLite,
	begin:    "BEGIN IMMEDIATE",
	snapshot: "BEGIN",
	// It counts the commits of other connections than the querying one. One
	// connection makes all commits of this process.
	version: "PRAGMA data_version",
	backup: func(ctx context.Context, pool *sql.DB, path string) error {
		_, err := pool.ExecContext(ctx, "VACUUM INTO $1", path)
		return err
	},
	note:     noteByWriting,
	booleans: func(context.Context, Querier, table) ([]int, error) { return nil, nil },
	last: func(ctx context.Context, q Querier, t table) (last int64, err error) {
		err = q.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = $1", t.name).Scan(&last)
		return last, err
	},
	setLast: func(ctx context.Context, tx *Tx, t table, last int64) error {
		if !t.counted {
			return nil
		}
		if err := tx.Exec(ctx, "DELETE FROM sqlite_sequence WHERE name = $1", t.name); err != nil {
			return err
		}
		return tx.Exec(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", t.name, last)
	},
}

// maxReaders is how many reads run at the same time.
const maxReaders = 4

func openSQLite(cfg Config) (p pools, err error) {
	p.place = "memory"
	dsn := memoryDSN()
	if cfg.Dir != "" {
		p.place = cfg.Dir
		if dsn, err = fileDSN(cfg.Dir, cfg.MustExist); err != nil {
			return pools{}, err
		}
	}
	// sql.Open fails for an unknown driver only: it connects later.
	if p.writer, err = sql.Open("sqlite", dsn); err != nil {
		return pools{}, err
	}
	if p.readers, err = sql.Open("sqlite", dsn); err != nil {
		return pools{}, err
	}
	p.writer.SetMaxOpenConns(1)
	p.readers.SetMaxOpenConns(maxReaders)
	p.readers.SetMaxIdleConns(maxReaders)
	return p, nil
}

// isSQLiteFull reports whether err means that the disk is full. The second code is
// for the index of the write-ahead log.
func isSQLiteFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
}

// isSQLiteBusy reports whether err means that another process has been writing for longer
// than this one waits.
func isSQLiteBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// isSQLiteInvalid reports whether err means that a statement cannot be understood, such as
// one about a table that does not exist.
func isSQLiteInvalid(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}

// isSQLiteConflict reports whether err is a violated UNIQUE or PRIMARY KEY.
func isSQLiteConflict(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// How a connection is set up. A commit is on disk when it returns (synchronous=FULL).
// Each connection may cache 8 MB of pages. In a database with three million tokens, a
// lookup with 2 MB reads most of its pages from the file again. The busy timeout covers
// a command line that writes while the server does.
const pragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=foreign_keys(1)&_pragma=cache_size(-8000)&_pragma=temp_store(MEMORY)&_txlock=immediate"

// fileDSN creates the folder and the file, readable by their owner only, before
// SQLite would create a file that everyone can read. Its errors for a folder
// that cannot be written are clearer, too. A database that must exist has at
// least its first page: SQLite would take an empty file for a new one.
func fileDSN(dir string, mustExist bool) (string, error) {
	path := filepath.Join(dir, Name)
	if mustExist {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.Size() == 0 {
			return "", fmt.Errorf("%w in %s", ErrNoDatabase, dir)
		}
		if err != nil {
			return "", fmt.Errorf("looking for the database: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("creating the data folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("creating the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("creating the database: %w", err)
	}
	makePrivate(path)
	// A "?" or "%" in a folder's name must not end the path.
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas, nil
}

// makePrivate removes the permissions of group and others from the database's
// files: a restored copy can have them. A process that does not own
// the files cannot change them, and uses them unchanged.
func makePrivate(path string) {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(name, info.Mode().Perm()&^0o077)
		}
	}
}

// memoryDSN names a database in memory that only the connections of one DB
// share.
func memoryDSN() string { return "file:/" + rand.Text() + "?vfs=memdb&" + pragmas }
