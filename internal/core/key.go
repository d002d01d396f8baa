package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
)

// keySetting is the setting with the fingerprint of the database's key.
const keySetting = "key fingerprint"

// KeyError says that the key file is missing, or holds another database's key.
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
func openKey(ctx context.Context, st *store.Store, cfg Config) (*seal.Key, error) {
	if cfg.Key != nil {
		return cfg.Key, nil
	}
	fingerprint, err := st.FindSetting(ctx, keySetting)
	if errors.Is(err, store.ErrNotFound) {
		return adoptKey(ctx, st, cfg.KeyFile)
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

// adoptKey gives a database its key: a new one, the key of a database from
// before fingerprints existed, or the one that another process has just stored.
//
// In a database from before fingerprints, the key must open at least one second
// factor, but not all: nothing kept such a database from being used with two
// keys.
func adoptKey(ctx context.Context, st *store.Store, file string) (*seal.Key, error) {
	accounts, err := st.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var key *seal.Key
	if slices.ContainsFunc(accounts, func(a store.Account) bool { return a.TOTPSeed != nil }) {
		key, err = loadKey(file, func(key *seal.Key) (bool, error) {
			lost, sealed, err := account.New(account.Config{Store: st, Key: key}).LostSecondFactors(ctx)
			return len(lost) < sealed, err
		})
	} else {
		key, err = seal.LoadOrCreate(file)
	}
	if err != nil {
		return nil, err
	}
	fingerprint, err := st.Setting(ctx, keySetting, func() ([]byte, error) { return key.Fingerprint(), nil })
	if err != nil {
		return nil, err
	}
	if !key.Is(fingerprint) {
		return nil, &KeyError{File: file}
	}
	return key, nil
}

// KeyChange is what ReplaceKey did.
type KeyChange struct {
	// Unchanged: the key in the file was the database's already.
	Unchanged bool
	// Lost lists the accounts whose second factor was sealed with another key.
	Lost []store.Account
}

// ReplaceKey makes the key in cfg.KeyFile the database's key, whichever it was
// before. It creates the file if it does not exist.
func ReplaceKey(ctx context.Context, cfg Config) (change KeyChange, err error) {
	cfg.MustExist = true
	st, _, err := openStore(ctx, cfg)
	if err != nil {
		return KeyChange{}, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	key, err := seal.LoadOrCreate(cfg.KeyFile)
	if err != nil {
		return KeyChange{}, err
	}
	fingerprint, err := st.FindSetting(ctx, keySetting)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return KeyChange{}, err
	}
	if change.Unchanged = key.Is(fingerprint); !change.Unchanged {
		if err := st.PutSetting(ctx, keySetting, key.Fingerprint()); err != nil {
			return KeyChange{}, err
		}
	}
	change.Lost, _, err = account.New(account.Config{Store: st, Key: key}).LostSecondFactors(ctx)
	return change, err
}
