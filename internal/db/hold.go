package db

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockName is the name of the file in the data folder whose lock means that a
// process holds the folder. The file is not removed when the process exits: removing it
// would let two processes lock two files of one name.
const lockName = "usher.lock"

// HeldError reports that another process holds the data folder. It is an ErrInUse.
type HeldError struct {
	Dir string
	// By is the holder's description of itself. It is empty before it is written.
	By string
}

func (e *HeldError) Error() string {
	by := e.By
	if by == "" {
		by = "another process"
	}
	return fmt.Sprintf("the data folder %s is in use by %s", e.Dir, by)
}

// Is implements errors.Is.
func (e *HeldError) Is(target error) bool { return target == ErrInUse }

// errNoLocks reports that the file system of the data folder has no locks.
var errNoLocks = errors.New("the file system has no locks")

// hold locks a data folder, which must exist, for this process. The system unlocks
// it when the process exits, in whatever way. Without locks in the file system,
// SQLite's own locks hardly work either: hold returns errNoLocks, and the folder is not
// held. *HeldError.
func hold(dir, holder string) (release func() error, err error) {
	path := filepath.Join(dir, lockName)
	f, err := lockFile(path)
	if errors.Is(err, ErrInUse) {
		text, _ := os.ReadFile(path)
		return nil, &HeldError{dir, strings.TrimSpace(string(text))}
	}
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	// A reader can find the file empty, but never half-written.
	text := fmt.Sprintf("%s (process %d, since %s)\n", holder, os.Getpid(), time.Now().Format(time.RFC3339))
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the data folder: %w", err), f.Close())
	}
	return func() error { return errors.Join(f.Truncate(0), f.Close()) }, nil
}
