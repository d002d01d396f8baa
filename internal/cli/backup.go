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
server may be running or stopped. docs/running.md explains how to restore a copy.

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
	err := core.Backup(ctx, cfg, path)
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

// isFolder reports whether there is a folder at a path.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
