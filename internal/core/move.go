package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// MoveError reports that a database was moved, is being moved, or is not complete yet.
type MoveError = db.MoveError

// The sides of a move.
const (
	MovesAway = db.MovesAway
	IsFilled  = db.IsFilled
)

// Errors of Move.
var (
	ErrNotEmpty   = db.ErrNotEmpty
	ErrOtherMove  = db.ErrOtherMove
	ErrConnected  = db.ErrConnected
	ErrNotMoved   = errors.New("the database was not moved")
	ErrOtherKey   = errors.New("there is another key file")
	errServerRuns = fmt.Errorf("%w: a server that runs, or ran within the last 30 seconds", ErrConnected)
)

// Progress is the progress of a move, a backup or a restore.
type Progress = db.Progress

// Content describes the content of a table.
type Content = db.Content

// Place is where a database is: in a folder, or at a URL.
type Place struct {
	Dir      string
	Database plexauth.Secret
}

// config returns the configuration for the database of a place.
func (p Place) config(cfg MoveConfig) Config {
	return Config{Dir: p.Dir, Database: p.Database, Holder: cfg.Holder, Logger: cfg.Logger}.withDefaults()
}

// MoveConfig configures a move.
type MoveConfig struct {
	From, To Place
	// KeyFile is the key file of the database. If To is a folder, it gets a copy.
	KeyFile string
	// Holder describes this process, and By is its user.
	Holder string
	By     audit.Actor
	// Progress is called with the progress, if it is not nil.
	Progress func(Progress)
	// Logger receives events outside of the call. If nil, nothing is logged.
	Logger *slog.Logger
}

// Moved is the result of Move.
type Moved struct {
	// Contents is the content of each table, on both sides.
	Contents []Content
	// Resumed reports that an earlier call had begun the move.
	Resumed bool
	// AuditRows is the number of rows of the audit log. BrokenAudit is the problem of
	// its chain, which existed before the move, or nil.
	AuditRows   int64
	BrokenAudit error
	// KeyFile is the key file of the moved database.
	KeyFile string
	// SetAside is the new path of the folder's previous database, or "" if there was
	// none.
	SetAside string
}

// Move copies a database to another place and marks it as moved. See db.Move. The errors
// are also ErrNoDatabase, *HeldError, ErrInUse and *KeyError.
func Move(ctx context.Context, cfg MoveConfig) (m Moved, err error) {
	from, err := openOriginal(ctx, cfg)
	if err != nil {
		return Moved{}, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if m.KeyFile, err = moveKey(ctx, from, cfg); err != nil {
		return Moved{}, err
	}
	if cfg.To.Dir != "" {
		aside := db.Config{Dir: cfg.To.Dir, Holder: cfg.Holder, Migrations: store.Migrations(), Logger: cfg.Logger}
		if m.SetAside, err = db.SetAside(ctx, aside); err != nil {
			return Moved{}, err
		}
	}
	to, _, err := openAny(ctx, cfg.To.config(cfg))
	if err != nil {
		return Moved{}, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	log := newLog(to, cfg.To.config(cfg))
	m.Contents, m.Resumed, err = db.Move(ctx, from, to, db.MoveOptions{
		Progress: cfg.Progress,
		Begin:    noServer,
		Check: func(ctx context.Context) (err error) {
			if m.AuditRows, err = log.Verify(ctx); err == nil {
				return nil
			}
			if _, before := newLog(from, cfg.From.config(cfg)).Verify(ctx); before == nil {
				return err
			}
			m.BrokenAudit = err
			return nil
		},
		End: func(ctx context.Context, tx *db.Tx) error {
			return log.Record(ctx, tx, cfg.By, audit.Event{Kind: audit.DatabaseMoved, Detail: "from " + from.Place()})
		},
	})
	return m, err
}

// openOriginal opens the database to move, which nothing else may use.
func openOriginal(ctx context.Context, cfg MoveConfig) (*db.DB, error) {
	if cfg.From.Dir != "" {
		if err := db.Alone(ctx, cfg.From.Dir, cfg.Holder); err != nil {
			return nil, err
		}
	}
	open := cfg.From.config(cfg)
	open.MustExist = true
	d, _, err := openAny(ctx, open)
	return d, err
}

// noServer checks that no server has the database open: each has a key there under a
// lease that it renews.
func noServer(ctx context.Context, tx *db.Tx) error {
	keys, err := store.TransientKeys{}.List(ctx, tx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.ExpiresAt.After(time.Now()) {
			return errServerRuns
		}
	}
	return nil
}

// moveKey checks the key of a database, and copies its file to the folder that the
// database moves to.
func moveKey(ctx context.Context, d *db.DB, cfg MoveConfig) (file string, err error) {
	fingerprint, err := store.Settings{DB: d}.Find(ctx, keySetting)
	if errors.Is(err, db.ErrNotFound) {
		return cfg.KeyFile, nil // it has no key yet
	}
	if err != nil {
		return "", err
	}
	mine := func(key *seal.Key) (bool, error) { return key.Is(fingerprint), nil }
	if _, err := loadKey(cfg.KeyFile, mine); err != nil {
		return "", err
	}
	if cfg.To.Dir == "" {
		return cfg.KeyFile, nil
	}
	file = filepath.Join(cfg.To.Dir, KeyName)
	_, err = loadKey(file, mine)
	if other := (*KeyError)(nil); !errors.As(err, &other) {
		return file, err
	} else if !other.Missing {
		return "", fmt.Errorf("%w in %s", ErrOtherKey, file)
	}
	if err := os.MkdirAll(cfg.To.Dir, 0o700); err != nil {
		return "", &FolderError{fmt.Errorf("creating the folder: %w", err)}
	}
	text, err := os.ReadFile(cfg.KeyFile)
	if err != nil {
		return "", fmt.Errorf("copying the key file: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("copying the key file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("copying the key file: %w", errors.Join(err, os.Remove(file)))
	}
	return file, nil
}

// KeyName is the name of the key file in the data folder.
const KeyName = "usher.key"

// Reopen makes a database that was moved, or began to be, usable again. It has the
// state at the start of the move, without later changes of the target. Errors:
// ErrNotMoved.
func Reopen(ctx context.Context, cfg MoveConfig) (err error) {
	d, err := openOriginal(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	log := newLog(d, cfg.From.config(cfg))
	err = d.Reopen(ctx, func(ctx context.Context, tx *db.Tx) error {
		return log.Record(ctx, tx, cfg.By, audit.Event{Kind: audit.DatabaseReopened})
	})
	if errors.Is(err, db.ErrNotFound) {
		return ErrNotMoved
	}
	return err
}
