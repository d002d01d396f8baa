package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup copies the database, as it is at one moment, to a file that only its
// owner can read. Others read and write meanwhile. The error is an fs.ErrExist
// when the file is there already; of a copy that fails, nothing is left.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	// SQLite would take a relative name that begins with "file:" for a URI.
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("naming the copy: %w", err)
	}
	// SQLite would make the file readable by everyone. It fills an empty one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making the copy: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if _, err := s.readPool.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	// It does not wait for the disk, either.
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the copy to disk: %w", err)
	}
	return nil
}
