package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/plexauth"
)

// dataCommands are the commands about the data folder as a whole.
type dataCommands struct {
	*console
	*folder
}

// passphraseEnv is the variable with the passphrase of backups. There is no flag for
// it, because every user of a machine can read the flags of every process.
const passphraseEnv = envPrefix + "PASSPHRASE"

func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "`file` with the passphrase of the backup on its first line")
}

// passphrase reads a passphrase from a file or the environment. It returns "" if
// neither has one.
func (cs dataCommands) passphrase(file string) (plexauth.Secret, error) {
	if file == "" {
		text, _ := cs.console.env(passphraseEnv)
		return plexauth.Secret(text), nil
	}
	text, err := firstLine(file)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	if text == "" {
		return "", fmt.Errorf("the first line of %s, with the passphrase, is empty", file)
	}
	return text, nil
}

// noPassphrase returns the error if a passphrase is required and there is no terminal.
func noPassphrase() error {
	return &usageError{&hintError{
		errors.New("there is no terminal to ask for the passphrase"), "set it with --passphrase-file or " + passphraseEnv,
	}}
}

// backupOptions are the flags of usher backup.
type backupOptions struct {
	encrypt        bool
	passphraseFile string
}

func (cs dataCommands) backupCommand() *cobra.Command {
	var o backupOptions
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a file",
		Long: `Copy the database in its current state to a new file that only you can read, and
check the copy. The server may be running or stopped. A PostgreSQL database is copied
to the same kind of file. usher restore puts a copy back, into either.

--encrypt asks for a passphrase and encrypts the copy, in the format of age
(https://age-encryption.org). A passphrase from --passphrase-file or the variable
USHER_PASSPHRASE does the same without a prompt. The copy cannot be read without it.

The copy does not contain the key file: back it up, too. Without it, second
factors by TOTP are lost.`,
		Example: `  usher backup /backup/usher-$(date +%F).db
  usher backup --passphrase-file /etc/usher/passphrase /backup/usher-$(date +%F).db.age`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error { return cs.backup(cmd.Context(), args[0], o) },
	}
	cmd.Flags().BoolVar(&o.encrypt, "encrypt", false, "encrypt the copy with a passphrase")
	passphraseFlag(cmd, &o.passphraseFile)
	return cmd
}

func (cs dataCommands) backup(ctx context.Context, path string, o backupOptions) error {
	var cfg core.Config
	if err := errors.Join(absolute(&path), cs.locate(&cfg)); err != nil {
		return err
	}
	phrase, err := cs.passphrase(o.passphraseFile)
	if err == nil && o.encrypt && phrase == "" {
		if !cs.interactive() {
			return noPassphrase()
		}
		phrase, err = cs.askTwice(ctx, "passphrase")
	}
	if err != nil {
		return err
	}
	if o.encrypt && phrase == "" {
		return errors.New("the passphrase is empty")
	}
	bar := cs.newProgress("copying", "comparing")
	err = core.Backup(ctx, cfg, path, core.CopyOptions{Passphrase: seal.Passphrase{Text: phrase}, Progress: bar.show})
	bar.end()
	if err != nil {
		return cs.explainBackup(err, path)
	}
	fmt.Fprintf(cs.out, "copied the database to %s%s\nthe copy does not contain the key file: back up %s, too\n",
		path, choose(phrase == "", "", ", encrypted"), cs.keyFile)
	return nil
}

// explainBackup adds the next step to an error of a backup.
func (cs dataCommands) explainBackup(err error, path string) error {
	switch folder := filepath.Dir(path); {
	case errors.Is(err, core.ErrNoDatabase): // of the data folder
	case isFolder(path):
		return &hintError{fmt.Errorf("%s is a folder", path), cs.invocation("backup " + shellQuote(filepath.Join(path, "usher.db")))}
	case errors.Is(err, fs.ErrExist):
		return &hintError{fmt.Errorf("%s already exists", path), "choose another name"}
	case errors.Is(err, fs.ErrNotExist) && !isFolder(folder):
		return &hintError{fmt.Errorf("creating %s: the folder does not exist", path), "mkdir -p " + shellQuote(folder)}
	}
	return cs.explainOpen(err)
}

func (cs dataCommands) restoreCommand() *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database by a backup",
		Long: `Replace the database with a copy that usher backup wrote, of a data folder or of a
PostgreSQL database. Stop every server first. The replaced database stays in the data
folder, under another name; the previous content of a PostgreSQL database is lost.

The database then has the state of the copy: later changes of passwords are undone, and
revoked tokens and removed accounts are back. The copy does not
contain the key file: put it back as well if it is lost.

If the copy is encrypted, the command asks for the passphrase, or takes it from
--passphrase-file or the variable USHER_PASSPHRASE.`,
		Example: `  usher restore /backup/usher-2026-01-31.db`,
		Args:    takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.restore(cmd.Context(), args[0], passphraseFile)
		},
	}
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

func (cs dataCommands) restore(ctx context.Context, path, passphraseFile string) error {
	var cfg core.Config
	if err := errors.Join(absolute(&path), cs.locate(&cfg)); err != nil {
		return err
	}
	phrase, err := cs.passphraseOf(ctx, path, passphraseFile)
	if err != nil {
		return err
	}
	cfg.Holder, cfg.By = "usher restore", commandLine()
	bar := cs.newProgress("copying", "comparing")
	replaced, err := core.Restore(ctx, cfg, path, core.CopyOptions{Passphrase: seal.Passphrase{Text: phrase}, Progress: bar.show})
	bar.end()
	if err != nil {
		return cs.explainRestore(err, path)
	}
	fmt.Fprintf(cs.out, "restored the database from %s\n", path)
	if replaced != "" {
		fmt.Fprintf(cs.out, "the replaced database is %s\n", replaced)
	}
	return cs.warnOfKey(ctx)
}

// passphraseOf returns the passphrase of a backup, or "" if it is not encrypted.
func (cs dataCommands) passphraseOf(ctx context.Context, path, file string) (plexauth.Secret, error) {
	encrypted, err := core.IsEncrypted(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s", path)
	case err != nil:
		return "", fmt.Errorf("reading the copy: %w", err)
	case !encrypted:
		return "", nil
	}
	phrase, err := cs.passphrase(file)
	if err != nil || phrase != "" {
		return phrase, err
	}
	if !cs.interactive() {
		return "", noPassphrase()
	}
	return cs.askUnseen(ctx, "Passphrase of the backup: ")
}

// explainRestore adds the next step to an error of a restore.
func (cs dataCommands) explainRestore(err error, path string) error {
	var held *core.HeldError
	switch {
	case errors.As(err, &held):
		return cs.explainOpen(held)
	case errors.Is(err, core.ErrInUse):
		return &hintError{core.ErrInUse, "wait until no other command uses it"}
	case errors.Is(err, core.ErrPassphrase):
		return &hintError{fmt.Errorf("wrong passphrase for %s", path), "nothing was changed; try another passphrase"}
	case errors.Is(err, core.ErrDamaged):
		return &hintError{fmt.Errorf("%s is incomplete or was changed", path), "nothing was changed; copy the file again, or use another backup"}
	case errors.Is(err, core.ErrNoCopy):
		return fmt.Errorf("%s is not a copy of an usher database", path)
	}
	return cs.explainOpen(err)
}

// warnOfKey prints what to do if the key file does not fit the restored database.
func (cs dataCommands) warnOfKey(ctx context.Context) error {
	err := cs.withCore(ctx, func(context.Context, *core.Core) error { return nil })
	var keyErr *core.KeyError
	if !errors.As(err, &keyErr) {
		return err
	}
	fmt.Fprintf(cs.err, "warning: %v\n", keyErr)
	if hint := (*hintError)(nil); errors.As(err, &hint) {
		fmt.Fprintf(cs.err, "hint: %s\n", hint.hint)
	}
	return nil
}

// isFolder reports whether there is a folder at a path.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
