package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
)

// HeldError reports which process holds the data folder. It is an ErrInUse.
type HeldError = db.HeldError

// Errors of Backup and Restore.
var (
	ErrInUse  = db.ErrInUse
	ErrNoCopy = db.ErrNoCopy
	// ErrPassphrase and ErrDamaged are about an encrypted copy.
	ErrPassphrase = seal.ErrPassphrase
	ErrDamaged    = seal.ErrDamaged
)

// CopyOptions configures how a database is copied to a file or back. Its zero value works.
type CopyOptions struct {
	// Passphrase encrypts the file. If it is the zero value, the file is not encrypted.
	Passphrase seal.Passphrase
	// Progress is called with the progress, if it is not nil.
	Progress func(Progress)
}

// IsEncrypted reports whether a file is a copy that Backup encrypted.
func IsEncrypted(path string) (bool, error) { return seal.IsEncrypted(path) }

// Backup copies the database to a new file at path, in a consistent state, and checks
// the copy. It does not need the key, because the person who stores the copy may not be
// allowed to have it.
func Backup(ctx context.Context, cfg Config, path string, o CopyOptions) (err error) {
	cfg.MustExist = true
	d, _, err := openDB(ctx, cfg.withDefaults())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := copyTo(ctx, cfg, d, path, o); err != nil {
		return err
	}
	// The copy is complete, whether or not its time can be stored.
	_ = store.Settings{DB: d}.Put(ctx, backupSetting, []byte(cfg.withDefaults().Now().UTC().Format(time.RFC3339)))
	return nil
}

// copyTo copies a database to a new file, which it removes if that fails.
func copyTo(ctx context.Context, cfg Config, d *db.DB, path string, o CopyOptions) (err error) {
	if o.Passphrase.Text == "" {
		return d.Backup(ctx, path, o.Progress)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating the copy: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	return inPrivate(cfg, func(dir string) error {
		plain := filepath.Join(dir, db.Name)
		if err := d.Backup(ctx, plain, o.Progress); err != nil {
			return err
		}
		return o.Passphrase.EncryptFile(ctx, f, plain)
	})
}

// backupSetting is the setting with the time of the last backup.
const backupSetting = "backup"

// LastBackup returns when the database was copied last by Backup: the zero time if it
// never was.
func (c *Core) LastBackup(ctx context.Context) (time.Time, error) {
	text, err := store.Settings{DB: c.DB}.Find(ctx, backupSetting)
	if errors.Is(err, db.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when the last backup was: %w", err)
	}
	return at, nil
}

// HasBackups reports whether a database without a recent Backup has no backup. A shared
// database may be backed up with its own tools.
func (c *Core) HasBackups() bool { return !c.DB.Shared() }

// inPrivate calls do with a folder that only its owner can read, and removes that: in
// the data folder, which contains the same data anyway, or in the one for temporary
// files. Files that are left there if this process is killed are removed by the next
// one.
func inPrivate(cfg Config, do func(dir string) error) error {
	parent := cfg.Dir
	if cfg.Database != "" {
		parent = ""
	}
	dir, remove, err := db.Private(parent, "usher-copy-")
	if err != nil {
		return err
	}
	return errors.Join(do(dir), remove())
}

// Restore replaces the database with a copy that Backup wrote. The audit log of the
// restored database records that. It returns the path of the replaced database of a folder;
// one at cfg.Database is lost. If it fails, the database is unchanged. ErrInUse,
// *HeldError, ErrConnected, ErrNoCopy, ErrPassphrase, ErrDamaged, and *MoveError:
// restoring a database that was moved would duplicate it.
func Restore(ctx context.Context, cfg Config, path string, o CopyOptions) (replaced string, err error) {
	cfg = cfg.withDefaults()
	encrypted, err := seal.IsEncrypted(path)
	if err != nil {
		return "", fmt.Errorf("reading the copy: %w", err)
	}
	if !encrypted {
		return restore(ctx, cfg, path, filepath.Base(path), o)
	}
	if cfg.Database == "" {
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return "", &FolderError{fmt.Errorf("creating the data folder: %w", err)}
		}
	}
	err = inPrivate(cfg, func(dir string) error {
		plain := filepath.Join(dir, "copy")
		if err := o.Passphrase.DecryptFile(ctx, plain, path); err != nil {
			return err
		}
		replaced, err = restore(ctx, cfg, plain, filepath.Base(path), o)
		return err
	})
	return replaced, err
}

// restore is Restore from an unencrypted file; name is its name in the audit
// log.
func restore(ctx context.Context, cfg Config, path, name string, o CopyOptions) (replaced string, err error) {
	if cfg.Database != "" {
		return "", restoreShared(ctx, cfg, path, name, o)
	}
	if err := notMoved(ctx, cfg); err != nil {
		return "", err
	}
	return db.Restore(ctx, dbConfig(cfg), path, func(ctx context.Context, d *db.DB) error {
		log := newLog(d, cfg)
		return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return recordRestore(ctx, tx, log, cfg, name) })
	})
}

// notMoved returns a *MoveError if a folder has a database that can be read and is one
// side of a move.
func notMoved(ctx context.Context, cfg Config) error {
	cfg.MustExist, cfg.Holder = true, ""
	d, _, err := openAny(ctx, cfg)
	if err != nil {
		return nil // it is missing, or the copy will replace it
	}
	return errors.Join(d.CheckMove(ctx), d.Close())
}

// recordRestore writes to the log of a database that it is a copy.
func recordRestore(ctx context.Context, tx *db.Tx, log *audit.Log, cfg Config, name string) error {
	return log.Record(ctx, tx, cfg.By, audit.Event{Kind: audit.DatabaseRestored, Detail: "from " + name})
}

// restoreShared replaces the content of a database that several nodes use.
func restoreShared(ctx context.Context, cfg Config, path, name string, o CopyOptions) (err error) {
	dir, remove, err := db.Private("", "usher-restore-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
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
		Progress: o.Progress,
		Begin:    noServer,
		End:      func(ctx context.Context, tx *db.Tx) error { return recordRestore(ctx, tx, log, cfg, name) },
	})
	return err
}

// dbConfig is the part of cfg that package db needs.
func dbConfig(cfg Config) db.Config {
	return db.Config{
		URL: cfg.Database, StaleGrace: cfg.StaleGrace, Dir: cfg.Dir, MustExist: true, Holder: cfg.Holder,
		Migrations: store.Migrations(), Template: cfg.Template, Logger: cfg.Logger, Now: cfg.Now,
	}
}
