//go:build !windows

package db

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile opens a file and locks it. The lock belongs to the open file: a program
// that this process starts does not inherit it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrInUse
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOLCK):
		err = fmt.Errorf("%w (%w)", errNoLocks, err)
	}
	return nil, errors.Join(err, f.Close())
}
