package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup copies the database, as it is at one moment, to a new file that only
// its owner can read. Reads and writes go on meanwhile. If the file exists, the
// error is fs.ErrExist. If the copy fails, Backup removes the file.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
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
		}
	}()
	if err := d.engine.backup(ctx, d.pools.readers, path); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	// The copy is not on disk until it is synced.
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the copy to disk: %w", err)
	}
	return nil
}
