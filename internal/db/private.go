package db

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Private creates a folder that only its owner can read, for temporary content, such
// as a copy that is about to be encrypted. An empty parent is the folder for temporary
// files. A process that is killed cannot remove its folder: Private also removes those
// of the prefix whose process has exited, according to the lock in each of them.
func Private(parent, prefix string) (dir string, remove func() error, err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if err := removeLeft(parent, prefix); err != nil {
		return "", nil, err
	}
	for range 3 {
		dir, remove, err = newPrivate(parent, prefix)
		if !errors.Is(err, fs.ErrNotExist) { // unless another process has removed it, before it was locked
			break
		}
	}
	return dir, remove, err
}

func newPrivate(parent, prefix string) (dir string, remove func() error, err error) {
	if dir, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", nil, fmt.Errorf("creating a private folder: %w", err)
	}
	release, err := hold(dir, prefix)
	switch {
	case errors.Is(err, errNoLocks):
		release = func() error { return nil }
	case err != nil:
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(release(), os.RemoveAll(dir)) }, nil
}

// removeLeft removes the folders of processes that have exited. One without a lock is
// from a process that is about to lock it, or that exited before it wrote anything
// there: it is removed if it is empty. The parent may be a folder that everyone can write
// to, so that one of another user can have any content: it is left alone.
func removeLeft(parent, prefix string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("searching for leftover folders: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || len(e.Name()) <= len(prefix) || e.Name()[:len(prefix)] != prefix {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if info, err := os.Lstat(dir); err != nil || !isOwn(info) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, lockName)); err != nil {
			_ = os.Remove(dir)
			continue
		}
		release, err := hold(dir, prefix)
		if err != nil {
			continue // its process is running
		}
		errs = append(errs, release(), os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
