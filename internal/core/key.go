package core

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// keySetting is the setting with the fingerprint of the database's key.
const keySetting = "key fingerprint"

// KeyError reports that the key file is missing, or contains another database's key.
type KeyError struct {
	File    string
	Missing bool
}

func (e *KeyError) Error() string {
	if e.Missing {
		return fmt.Sprintf("there is no key file %s, and this database needs its own", e.File)
	}
	return e.File + " is not the key of this database"
}

// openKey returns the database's key. A key file is created only for a database
// that has no key yet: with another key, accounts with a second factor could
// never sign in again.
func openKey(ctx context.Context, d *db.DB, cfg Config) (*seal.Key, error) {
	if cfg.Key != nil {
		return cfg.Key, nil
	}
	fingerprint, err := store.Settings{DB: d}.Find(ctx, keySetting)
	if errors.Is(err, db.ErrNotFound) {
		return adoptKey(ctx, d, cfg.KeyFile)
	}
	if err != nil {
		return nil, err
	}
	return loadKey(cfg.KeyFile, func(key *seal.Key) (bool, error) { return key.Is(fingerprint), nil })
}

// loadKey reads a key file that must exist and pass a check.
func loadKey(file string, check func(*seal.Key) (bool, error)) (*seal.Key, error) {
	key, err := seal.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &KeyError{File: file, Missing: true}
	}
	if err != nil {
		return nil, err
	}
	good, err := check(key)
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, &KeyError{File: file}
	}
	return key, nil
}

// adoptKey sets the key of a database: a new one, the key of a database from
// before fingerprints existed, or the one that another process has just stored.
//
// In a database from before fingerprints, the key must open at least one second
// factor, but not all: such a database could be used with two
// keys.
func adoptKey(ctx context.Context, d *db.DB, file string) (*seal.Key, error) {
	sealed, err := paging.Rows(store.Accounts{}.Sealed(ctx, d, paging.Request{Limit: 1}))
	if err != nil {
		return nil, err
	}
	var key *seal.Key
	if len(sealed) > 0 {
		key, err = loadKey(file, func(key *seal.Key) (bool, error) {
			lost, sealed, err := lostSecondFactors(ctx, d, key)
			return len(lost) < sealed, err
		})
	} else {
		key, err = createKey(file)
	}
	if err != nil {
		return nil, err
	}
	fingerprint, err := store.Settings{DB: d}.FindOrCreate(ctx, keySetting, func() ([]byte, error) { return key.Fingerprint(), nil })
	if err != nil {
		return nil, err
	}
	if !key.Is(fingerprint) {
		return nil, &KeyError{File: file}
	}
	return key, nil
}

// createKey reads a key file, and creates it with its folder if it does not exist:
// with a database elsewhere, nothing else needs the folder.
func createKey(file string) (*seal.Key, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, &FolderError{fmt.Errorf("creating the folder of the key file: %w", err)}
	}
	return seal.LoadOrCreate(file)
}

// setupSetting is the setting that the secret of the set-up link is derived from.
const setupSetting = "setup nonce"

// sharedSetupKey returns the secret of the set-up link of a database that several
// nodes share. The link works until there is an account.
func sharedSetupKey(ctx context.Context, d *db.DB, key *seal.Key) (plexauth.Secret, error) {
	nonce, err := store.Settings{DB: d}.FindOrCreate(ctx, setupSetting, func() ([]byte, error) {
		return []byte(rand.Text()), nil
	})
	if err != nil {
		return "", err
	}
	secret := key.Derive("setup link " + string(nonce))
	return plexauth.Secret(hex.EncodeToString(secret[:16])), nil
}

// KeyChange is the result of ReplaceKey.
type KeyChange struct {
	// Unchanged reports that the key in the file was already the database's key.
	Unchanged bool
	// Lost lists the accounts whose second factor was sealed with another key.
	Lost []account.Account
}

// ReplaceKey makes the key in cfg.KeyFile the database's key, whatever the previous
// key was. It creates the file if it does not exist. A running server would keep using
// the previous key. *HeldError.
func ReplaceKey(ctx context.Context, cfg Config) (change KeyChange, err error) {
	cfg.MustExist = true
	d, _, err := openDB(ctx, cfg)
	if err != nil {
		return KeyChange{}, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	key, err := createKey(cfg.KeyFile)
	if err != nil {
		return KeyChange{}, err
	}
	fingerprint, err := store.Settings{DB: d}.Find(ctx, keySetting)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return KeyChange{}, err
	}
	if change.Unchanged = key.Is(fingerprint); !change.Unchanged {
		if err := (store.Settings{DB: d}).Put(ctx, keySetting, key.Fingerprint()); err != nil {
			return KeyChange{}, err
		}
	}
	change.Lost, _, err = lostSecondFactors(ctx, d, key)
	return change, err
}

// lostSecondFactors is account.Service.LostSecondFactors, before there are services.
func lostSecondFactors(ctx context.Context, d *db.DB, key *seal.Key) (lost []account.Account, sealed int, err error) {
	return account.New(account.Config{DB: d, Rows: store.Accounts{}, Key: key}).LostSecondFactors(ctx)
}
