package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
)

// keySetting is the setting with the fingerprint of the key file that a
// database is used with.
const keySetting = "key fingerprint"

// openKey returns the database's key. Only a database that has none yet gets
// one made: with another key, whoever has a second factor could never sign in
// again.
func (a *app) openKey(ctx context.Context, st *store.Store) (*seal.Key, error) {
	fingerprint, err := st.FindSetting(ctx, keySetting)
	if errors.Is(err, store.ErrNotFound) {
		return a.adoptKey(ctx, st)
	}
	if err != nil {
		return nil, err
	}
	return a.loadKey(func(key *seal.Key) (bool, error) { return key.Is(fingerprint), nil })
}

// loadKey reads the key file, which must be there and pass a check.
func (a *app) loadKey(check func(*seal.Key) (bool, error)) (*seal.Key, error) {
	key, err := seal.Load(a.keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.notTheKey("there is no key file %s, and this database needs its own")
	}
	if err != nil {
		return nil, err
	}
	good, err := check(key)
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, a.notTheKey("%s is not the key of this database")
	}
	return key, nil
}

func (a *app) notTheKey(format string) error {
	return &hintError{
		fmt.Errorf(format, a.keyFile),
		"name it with --key-file, or put it back from the backup; if it is lost: " + a.command("new-key"),
	}
}

// adoptKey gives a database its key: a new one, that of a database from before
// there were fingerprints, or the one that another process has just given it. In
// a database from before, the key must open some second factor, not each: there
// was a time when nothing kept people from using two keys.
func (a *app) adoptKey(ctx context.Context, st *store.Store) (*seal.Key, error) {
	list, err := st.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var key *seal.Key
	if slices.ContainsFunc(list, func(acc store.Account) bool { return acc.TOTPSeed != nil }) {
		key, err = a.loadKey(func(key *seal.Key) (bool, error) {
			lost, sealed, err := account.New(account.Config{Store: st, Key: key}).LostSecondFactors(ctx)
			return len(lost) < sealed, err
		})
	} else {
		key, err = seal.LoadOrCreate(a.keyFile)
	}
	if err != nil {
		return nil, err
	}
	fingerprint, err := st.Setting(ctx, keySetting, func() ([]byte, error) { return key.Fingerprint(), nil })
	if err != nil {
		return nil, err
	}
	if !key.Is(fingerprint) {
		return nil, a.notTheKey("%s is not the key of this database")
	}
	return key, nil
}

func (a *app) newKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new-key",
		Short: "Go on without a key file that is lost",
		Long: `Go on without a key file that is lost: make a new one, or take the one that is
where --key-file says, and use the database with it from now on. Stop the server
first.

Accounts, passwords, passkeys and the tokens of programs stay. Second factors by
TOTP were sealed with the old key and are lost with it, backup codes included: it
says whose. Nobody signs in to these accounts until each has another second
factor or none. Whoever finds the old key file later puts it back and calls this
again.`,
		Example: `  usher new-key
  usher new-key --data ./data --key-file /safe/usher.key`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.newKey(cmd.Context()) },
	}
}

// newKey makes the key file the database's, whichever was before.
func (a *app) newKey(ctx context.Context) (err error) {
	st, err := a.openStore(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	key, err := seal.LoadOrCreate(a.keyFile)
	if err != nil {
		return err
	}
	fingerprint, err := st.FindSetting(ctx, keySetting)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if key.Is(fingerprint) {
		fmt.Fprintf(a.out, "%s is the key of this database already.\n", a.keyFile)
	} else {
		if err := st.PutSetting(ctx, keySetting, key.Fingerprint()); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s is now the key of this database.\n", a.keyFile)
	}
	lost, _, err := account.New(account.Config{Store: st, Key: key}).LostSecondFactors(ctx)
	for _, acc := range lost {
		name := shellQuote(acc.Username)
		fmt.Fprintf(a.out, "\nThe second factor of %s was sealed with another key and is lost. Give it another one, or none:\n\n  %s\n  %s\n",
			acc.Username, a.command("account totp "+name), a.command("account totp "+name+" --remove"))
	}
	return err
}
