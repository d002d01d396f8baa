package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
)

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database, while the server runs or is stopped",
		Long: `Copy the database, as it is at this moment, to a file that only you can read and
that is not there yet. The server may run meanwhile. How to put a copy back is
in docs/operations.md.

The key file is not in the copy: keep one of it, too. Without it, second factors
by TOTP are lost.`,
		Example: `  usher backup /backup/usher-$(date +%F).db`,
		Args:    takes(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0]) },
	}
}

// backup needs no key: the copy may be kept by somebody who is not to have it.
func (a *app) backup(ctx context.Context, path string) (err error) {
	if err := absolute(&path); err != nil {
		return err
	}
	st, err := a.openStore(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	err = st.Backup(ctx, path)
	if errors.Is(err, fs.ErrExist) {
		return &hintError{fmt.Errorf("%s is there already", path), "choose another name"}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Copied the database to %s.\nIts key file is not in it: keep a copy of %s, too.\n", path, a.keyFile)
	return nil
}
