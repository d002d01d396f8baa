package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Backup copies the database, in a consistent state, to a new SQLite file that only
// its owner can read, and checks the copy. Reads and writes continue during the copy. If the
// file exists, the error is fs.ErrExist. If the copy fails, Backup removes the file.
func (d *DB) Backup(ctx context.Context, path string, told func(Progress)) (err error) {
	// SQLite would take a relative name that begins with "file:" for a URI.
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("finding the path of the copy: %w", err)
	}
	// SQLite would create a file that everyone can read. It fills an empty one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating the copy: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
			_ = os.Remove(path + "-journal") // SQLite leaves it, as if it had crashed
		}
	}()
	if d.engine.backup != nil {
		err = d.engine.backup(ctx, d.pools.readers, path)
	} else {
		err = d.export(ctx, path, told)
	}
	// Nothing is written to the disk of the original, which may be on another machine.
	if isSQLiteFull(err) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("copying the database: the disk of %s is full", path)
	}
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	// The copy and its name are not on disk until they are synced.
	if err := errors.Join(f.Sync(), syncFolder(filepath.Dir(path))); err != nil {
		return fmt.Errorf("writing the copy to disk: %w", err)
	}
	return checkCopy(ctx, path, "integrity_check")
}

// export copies the database to an empty SQLite file, table by table, and compares the
// two.
func (d *DB) export(ctx context.Context, path string, told func(Progress)) (err error) {
	dir, remove, err := Private(filepath.Dir(path), ".usher-backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	out, err := Open(ctx, Config{Dir: dir, Migrations: d.migrations})
	if err != nil {
		return err
	}
	err = d.exportTo(ctx, out, told)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	// All of it in one file: without a write-ahead log.
	staged := filepath.Join(dir, Name)
	if err := release(ctx, staged); err != nil {
		return err
	}
	if err := syncFile(staged); err != nil {
		return err
	}
	return os.Rename(staged, path)
}

// syncFile makes a file durable.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("writing the copy to disk: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *DB) exportTo(ctx context.Context, out *DB, told func(Progress)) error {
	c, err := newCopier(ctx, told, d, out)
	if err != nil {
		return err
	}
	return d.Snapshot(ctx, func(ctx context.Context, q Querier) error {
		if err := c.copyTo(ctx, d, q, target{out, out.Write}); err != nil {
			return err
		}
		_, err := c.compare(ctx, d, q, out, out)
		return err
	})
}
