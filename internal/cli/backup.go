package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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
		Short: "Copy the database, while the server runs or is stopped",
		Long: `Copy the database, as it is at this moment, to a file that only you can read and
that is not there yet. The server may run meanwhile. How to put a copy back is
in docs/running.md.

The key file is not in the copy: keep one of it, too. Without it, second factors
by TOTP are lost.`,
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
	if errors.Is(err, fs.ErrExist) {
		return &hintError{fmt.Errorf("%s is there already", path), "choose another name"}
	}
	if err != nil {
		return cs.explainOpen(err)
	}
	fmt.Fprintf(cs.out, "Copied the database to %s.\nIts key file is not in it: keep a copy of %s, too.\n", path, cs.keyFile)
	return nil
}
