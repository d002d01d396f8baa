package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

// HeldError says which process holds the data folder. It is an ErrInUse.
type HeldError = db.HeldError

// Errors of Backup and Restore.
var (
	ErrInUse  = db.ErrInUse
	ErrNoCopy = db.ErrNoCopy
)

// Backup copies the database to a new file at path, as it is at one moment, and checks
// the copy. It needs no key: the person who keeps the copy may be one who must not have
// it.
func Backup(ctx context.Context, cfg Config, path string, told func(Progress)) (err error) {
	cfg.MustExist = true
	d, _, err := openDB(ctx, cfg.withDefaults())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Backup(ctx, path, told)
}

// Restore replaces the database by a copy that Backup wrote. The audit log of the
// restored database says so. It returns where the replaced database of a folder is now;
// one at cfg.Database is gone. If it fails, the database is as before. ErrInUse,
// *HeldError, ErrConnected, ErrNoCopy, and *MoveError: restoring a database that was
// moved would make it two.
func Restore(ctx context.Context, cfg Config, path string, told func(Progress)) (replaced string, err error) {
	cfg = cfg.withDefaults()
	if cfg.Database != "" {
		return "", restoreShared(ctx, cfg, path, told)
	}
	if err := notMoved(ctx, cfg); err != nil {
		return "", err
	}
	return db.Restore(ctx, dbConfig(cfg), path, func(ctx context.Context, d *db.DB) error {
		log := newLog(d, cfg)
		return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return recordRestore(ctx, tx, log, cfg, path) })
	})
}

// notMoved returns a *MoveError if a folder has a database that can be read and is one
// side of a move.
func notMoved(ctx context.Context, cfg Config) error {
	cfg.MustExist, cfg.Holder = true, ""
	d, _, err := openAny(ctx, cfg)
	if err != nil {
		return nil // there is none, or it is what the copy is to replace
	}
	return errors.Join(d.CheckMove(ctx), d.Close())
}

// recordRestore writes to the log of a database that it is a copy.
func recordRestore(ctx context.Context, tx *db.Tx, log *audit.Log, cfg Config, path string) error {
	return log.Record(ctx, tx, cfg.By, audit.Event{Kind: audit.DatabaseRestored, Detail: filepath.Base(path)})
}

// restoreShared replaces the content of a database that several nodes use.
func restoreShared(ctx context.Context, cfg Config, path string, told func(Progress)) (err error) {
	dir, err := os.MkdirTemp("", "usher-restore-")
	if err != nil {
		return fmt.Errorf("creating a folder for the copy: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, err := db.OpenCopy(ctx, db.Config{Dir: dir, Migrations: store.Migrations(), Logger: cfg.Logger}, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	d, _, err := openDB(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	log := newLog(d, cfg)
	_, err = d.Replace(ctx, from, db.MoveOptions{
		Progress: told,
		Begin:    noServer,
		End:      func(ctx context.Context, tx *db.Tx) error { return recordRestore(ctx, tx, log, cfg, path) },
	})
	return err
}

// dbConfig is the part of cfg that package db needs.
func dbConfig(cfg Config) db.Config {
	return db.Config{
		URL: cfg.Database, StaleGrace: cfg.StaleGrace, Dir: cfg.Dir, MustExist: true, Holder: cfg.Holder,
		Migrations: store.Migrations(), Logger: cfg.Logger, Now: cfg.Now,
	}
}
