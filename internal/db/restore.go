package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of Restore.
var (
	// ErrInUse reports that another process has the database open.
	ErrInUse = errors.New("the database is in use")
	// ErrNoCopy reports that a file is not a whole database with our schema.
	ErrNoCopy = errors.New("the file is not a copy of an usher database")
)

// Restore replaces the database in cfg.Dir with a copy that Backup wrote, migrated to
// the current schema. It returns the new path of the replaced database; empty if there
// was none. If it fails, the database is unchanged. No process may have the database
// open, nor hold the folder. prepare is called with the copy before it is used.
// ErrInUse, *HeldError, ErrNoCopy.
func Restore(
	ctx context.Context, cfg Config, path string, prepare func(context.Context, *DB) error,
) (replaced string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the path of the copy: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return "", fmt.Errorf("creating the data folder: %w", err)
	}
	release, err := hold(cfg.Dir, cmp.Or(cfg.Holder, "a restore"))
	if err == nil {
		defer func() { err = errors.Join(err, release()) }()
	} else if !errors.Is(err, errNoLocks) {
		return "", err
	}
	staging, remove, err := Private(cfg.Dir, "restore-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, remove()) }()
	target := cfg.Dir
	cfg.Dir, cfg.Holder = staging, ""
	d, err := OpenCopy(ctx, cfg, path)
	if err != nil {
		return "", err
	}
	err = prepare(ctx, d)
	if err = errors.Join(err, d.Close()); err != nil {
		return "", fmt.Errorf("preparing the copy: %w", err)
	}
	return swap(ctx, filepath.Join(target, Name), filepath.Join(staging, Name))
}

// OpenCopy copies a file that Backup wrote to a folder that has no database, migrates
// it to the current schema and opens it. ErrNoCopy.
func OpenCopy(ctx context.Context, cfg Config, path string) (*DB, error) {
	staged := filepath.Join(cfg.Dir, Name)
	if err := copyFile(staged, path); err != nil {
		return nil, err
	}
	if err := checkCopy(ctx, staged, "quick_check"); err != nil {
		return nil, err
	}
	cfg.MustExist = true
	return Open(ctx, cfg)
}

// copyFile copies a file to a new one that only its owner can read.
func copyFile(to, from string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	_, err = io.Copy(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	return nil
}

// checkCopy returns ErrNoCopy unless a file is a whole database with our schema, by one
// of SQLite's checks: Open would create the schema in another one.
func checkCopy(ctx context.Context, path, check string) error {
	conn, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		return err
	}
	defer conn.Close()
	var version int
	var found string
	err = conn.QueryRowContext(ctx, "SELECT max(version) FROM schema_version").Scan(&version)
	if err == nil {
		err = conn.QueryRowContext(ctx, "PRAGMA "+check+"(1)").Scan(&found)
	}
	if err == nil && found != "ok" {
		err = errors.New(found)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCopy, err)
	}
	return nil
}

// swap replaces a database file that no process has open with a new one.
func swap(ctx context.Context, path, staged string) (replaced string, err error) {
	_, err = os.Stat(path)
	if err == nil {
		if err := release(ctx, path); err != nil {
			return "", err
		}
		replaced = path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000")
		// A leftover log belongs to the replaced database: SQLite must not
		// apply it to the new one.
		for _, suffix := range []string{"-wal", "-shm", "-journal"} {
			if err := os.Rename(path+suffix, replaced+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("moving the replaced database: %w", err)
			}
		}
		// With a second name for the old file, there is a database at any moment.
		if os.Link(path, replaced) != nil {
			err = os.Rename(path, replaced)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("moving the replaced database: %w", err)
	}
	if err := os.Rename(staged, path); err != nil {
		return "", fmt.Errorf("moving the copy into its place: %w", err)
	}
	return replaced, syncFolder(filepath.Dir(path))
}

// release makes SQLite write back the log of a database, which requires that no other
// connection is open: ErrInUse. A database that SQLite cannot read is not in
// use.
func release(ctx context.Context, path string) error {
	conn, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(500)")
	if err != nil {
		return err
	}
	defer conn.Close()
	var mode string
	err = conn.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED) {
		return fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return ctx.Err()
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("writing the data folder: %w", err)
	}
	_ = dir.Sync() // some systems cannot sync a folder
	return dir.Close()
}
