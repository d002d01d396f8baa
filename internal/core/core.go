// Package core opens the database, the key and every service, each once and in
// the right order.
//
// It owns which service is given what, which key belongs to a database
// (key.go), and the work that runs beside requests. It decides nothing that a
// service decides, and it knows no face: the server, the command line and the
// test kits all get the same Core and build on its fields.
package core

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

// Config says what Open opens and how the services work. The zero value, with a
// Key, is a database in memory and services with their defaults.
type Config struct {
	// Dir is the data folder; Open creates it if needed. Empty: the database is
	// in memory, and lost when the Core is closed.
	Dir string
	// MustExist makes Open return store.ErrNoDatabase if Dir has no database,
	// instead of creating one.
	MustExist bool
	// KeyFile is the file with the database's key. A database that has no key
	// yet adopts the one in the file, which is created if needed. Required
	// unless Key is set.
	KeyFile string
	// Key is used instead of KeyFile, without a check that it is the database's.
	Key *seal.Key

	// Self describes this server as one of the sources. Nil: this process does
	// not serve clients, and registers no source.
	Self *source.Self
	// TransientTTL limits the life of transient tokens. Zero: 48 hours.
	TransientTTL time.Duration
	// HashSlots is how many passwords are hashed at once, and HashQueue how many
	// more may wait. Zero: the defaults of guard.NewAdmission.
	HashSlots, HashQueue int
	// Argon2id computes password hashes. Nil: hashing.Here.
	Argon2id func(hashing.Input) []byte
	// HashCost is the cost of new password hashes. Zero: account.DefaultCost.
	HashCost account.Cost
	// FailedTries is how many sign-ins to one account from one address may fail
	// in a row before each further one must wait. Zero: no limit.
	FailedTries int
	// AuditKeep is how long rows of the audit log are retained. Zero: forever.
	AuditKeep time.Duration

	// Logger gets what happens outside of any call. Nil: nothing is logged.
	Logger *slog.Logger
	// Now is the clock of every service. Nil: time.Now.
	Now func() time.Time
}

// withDefaults returns cfg with the defaults that Core itself relies on.
func (cfg Config) withDefaults() Config {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Core is an open database with its services. All of them are safe for
// concurrent use.
type Core struct {
	Store    *store.Store
	Accounts *account.Service
	Tokens   *token.Service
	// Sources includes this server itself if Config.Self is set.
	Sources  *source.Service
	PINs     *pin.Service
	Sessions *session.Service
	Passkeys *passkey.Service
	Origins  *origin.Service
	// Hashing admits password checks; its load is reported in the metrics.
	Hashing *guard.Admission

	// Created reports whether Open created the database.
	Created bool
	// Logger and Now are those of the Config, never nil.
	Logger *slog.Logger
	Now    func() time.Time

	cfg Config
	key *seal.Key
}

// Open opens the database and its key, and builds the services. The error is
// store.ErrNoDatabase, a *FolderError or a *KeyError where the caller can tell
// the user what to do about it.
func Open(ctx context.Context, cfg Config) (*Core, error) {
	cfg = cfg.withDefaults()
	st, created, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	key, err := openKey(ctx, st, cfg)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	c, err := build(ctx, st, key, cfg)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	c.Created = created
	return c, nil
}

// Restart returns a Core on the same open database, with the same
// configuration. As after a restart of the process, whatever the services held
// in memory is gone: transient tokens, limits, challenges, caches. The database
// is shared: close only one of the two.
func (c *Core) Restart(ctx context.Context) (*Core, error) {
	return build(ctx, c.Store, c.key, c.cfg)
}

// build creates the services on an open database.
func build(ctx context.Context, st *store.Store, key *seal.Key, cfg Config) (*Core, error) {
	c := &Core{
		Store: st, Origins: origin.New(st), Hashing: guard.NewAdmission(cfg.HashSlots, cfg.HashQueue),
		Logger: cfg.Logger, Now: cfg.Now, cfg: cfg, key: key,
	}
	c.Accounts = account.New(account.Config{
		Store: st, Key: key, Hashing: c.Hashing, FailedTries: cfg.FailedTries,
		Argon2id: cfg.Argon2id, Cost: cfg.HashCost, Now: cfg.Now,
	})
	var err error
	c.Tokens, err = token.New(token.Config{
		Store: st, Key: key, TransientTTL: cfg.TransientTTL, Logger: cfg.Logger, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	c.Sources = source.New(st)
	if cfg.Self != nil {
		if c.Sources, err = source.NewWithSelf(ctx, st, *cfg.Self); err != nil {
			return nil, err
		}
	}
	c.PINs = pin.New(pin.Config{
		Store: st, Key: key, FailedTries: cfg.FailedTries, Flush: c.Tokens.Flush, Now: cfg.Now,
	})
	c.Sessions = session.New(session.Config{Store: st, Now: cfg.Now})
	c.Passkeys = passkey.New(passkey.Config{Store: st, Begins: 10 * cfg.FailedTries, Now: cfg.Now})
	return c, nil
}

// Run does the work that no request waits for, until ctx ends: it stores when
// tokens were last used, and prunes the audit log.
func (c *Core) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.Tokens.Run(ctx) })
	wg.Go(func() { c.Store.KeepAudit(ctx, c.cfg.AuditKeep) })
	wg.Wait()
}

// Close finishes pending writes and closes the database.
func (c *Core) Close() error { return c.Store.Close() }

// Backup copies the database of cfg.Dir to a new file at path. It needs no key:
// the person who keeps the copy may be one who must not have it.
func Backup(ctx context.Context, cfg Config, path string) (err error) {
	cfg.MustExist = true
	st, _, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return st.Backup(ctx, path)
}

// FolderError says that the data folder cannot be read or written.
type FolderError struct{ Err error }

func (e *FolderError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FolderError) Unwrap() error { return e.Err }

// openStore opens the database. It creates one where cfg allows it, and reports
// whether it did.
func openStore(ctx context.Context, cfg Config) (st *store.Store, created bool, err error) {
	open := store.Config{Dir: cfg.Dir, MustExist: true, Logger: cfg.Logger, Now: cfg.Now}
	st, err = store.Open(ctx, open)
	if errors.Is(err, store.ErrNoDatabase) && !cfg.MustExist {
		open.MustExist = false
		st, err = store.Open(ctx, open)
		created = err == nil
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = &FolderError{err}
	}
	return st, created, err
}
