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
)

// dataCommands are the commands about the data folder as a whole.
type dataCommands struct {
	*console
	*folder
}

func (cs dataCommands) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a file",
		Long: `Copy the database in its current state to a new file that only you can read. The
server may be running or stopped. usher restore puts a copy back.

The copy does not contain the key file: back it up, too. Without it, second
factors by TOTP are lost.`,
		Example: `  usher backup /backup/usher-$(date +%F).db`,
		Args:    takes(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return cs.backup(cmd.Context(), args[0]) },
	}
}

func (cs dataCommands) backup(ctx context.Context, path string) error {
	var cfg core.Config
	if err := errors.Join(absolute(&path), cs.locate(&cfg)); err != nil {
		return err
	}
	bar := cs.newProgress("copying", "comparing")
	err := core.Backup(ctx, cfg, path, bar.show)
	bar.end()
	switch folder := filepath.Dir(path); {
	case errors.Is(err, core.ErrNoDatabase): // of the data folder
	case isFolder(path):
		return &hintError{fmt.Errorf("%s is a folder", path), cs.invocation("backup " + shellQuote(filepath.Join(path, "usher.db")))}
	case errors.Is(err, fs.ErrExist):
		return &hintError{fmt.Errorf("%s already exists", path), "choose another name"}
	case errors.Is(err, fs.ErrNotExist) && !isFolder(folder):
		return &hintError{fmt.Errorf("creating %s: the folder does not exist", path), "mkdir -p " + shellQuote(folder)}
	}
	if err != nil {
		return cs.explainOpen(err)
	}
	fmt.Fprintf(cs.out, "copied the database to %s\nthe copy does not contain the key file: back up %s, too\n", path, cs.keyFile)
	return nil
}

func (cs dataCommands) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database by a backup",
		Long: `Replace the database by a copy that usher backup wrote. Stop the server first. The
replaced database stays in the data folder, under another name.

The database is then in the state of the copy: a password that was changed later, a
token that was revoked or an account that was removed is back, too. The copy does not
contain the key file: put it back as well if it is lost.`,
		Example: `  usher restore /backup/usher-2026-01-31.db`,
		Args:    takes(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return cs.restore(cmd.Context(), args[0]) },
	}
}

func (cs dataCommands) restore(ctx context.Context, path string) error {
	var cfg core.Config
	if err := errors.Join(absolute(&path), cs.locate(&cfg)); err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s", path)
	}
	cfg.Holder, cfg.By = "usher restore", commandLine()
	bar := cs.newProgress("copying", "comparing")
	replaced, err := core.Restore(ctx, cfg, path, bar.show)
	bar.end()
	var held *core.HeldError
	switch {
	case errors.As(err, &held):
		return cs.explainOpen(held)
	case errors.Is(err, core.ErrInUse):
		return &hintError{core.ErrInUse, "wait until no other command uses it"}
	case errors.Is(err, core.ErrNoCopy):
		return fmt.Errorf("%s is not a copy of an usher database", path)
	case err != nil:
		return cs.explainOpen(err)
	}
	fmt.Fprintf(cs.out, "restored the database from %s\n", path)
	if replaced != "" {
		fmt.Fprintf(cs.out, "the replaced database is %s\n", replaced)
	}
	return cs.warnOfKey(ctx)
}

// warnOfKey says what to do if the key file does not fit the restored database.
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
