package store

import (
	"crypto/rand"
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

// isConflict reports whether err is a broken UNIQUE or PRIMARY KEY.
func isConflict(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// How a connection is set up. A commit is on disk when it returns
// (synchronous=FULL). Page caches are kept small, as what is read often is
// cached above. The busy time-out covers a command line that writes while the
// server does.
const pragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=foreign_keys(1)&_pragma=cache_size(-2000)&_pragma=temp_store(MEMORY)&_txlock=immediate"

// fileDSN makes the folder and the file, readable by their owner only, before
// SQLite makes the file readable by everyone. The errors for a folder that
// cannot be written are clearer from here, too. A database that must exist has
// at least its first page: SQLite would take an empty file for a new one.
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
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("making the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("making the database: %w", err)
	}
	makePrivate(path)
	// A "?" or "%" in a folder's name must not end the path.
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas, nil
}

// makePrivate keeps others from reading a database that came here with wider
// permissions, as a copy that was put back does. Whose file it is not may not
// do that, and works with it all the same.
func makePrivate(path string) {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(name, info.Mode().Perm()&^0o077)
		}
	}
}

// memoryDSN names a database in memory that the connections of one Store
// share, and no other does.
func memoryDSN() string { return "file:/" + rand.Text() + "?vfs=memdb&" + pragmas }
