package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/core"
)

func (cs dataCommands) newKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new-key",
		Short: "Replace a lost key file",
		Long: `Replace a lost key file: create a new one, or use the existing file at --key-file,
and use it with the database from now on. Stop the server first.

Accounts, passwords, passkeys and the tokens of programs stay valid. Second
factors by TOTP were encrypted with the old key and are lost, including backup
codes; the command lists the accounts. They cannot sign in until their second
factor is replaced or removed. If you find the old key file later, put it back
and run this command again.`,
		Example: `  usher new-key
  usher new-key --data ./data --key-file /safe/usher.key`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cs.newKey(cmd.Context()) },
	}
}

// newKey makes the database use the key file, and lists the second factors that
// are lost with the old key.
func (cs dataCommands) newKey(ctx context.Context) error {
	var cfg core.Config
	if err := cs.locate(&cfg); err != nil {
		return err
	}
	cfg.Holder = "usher new-key"
	change, err := core.ReplaceKey(ctx, cfg)
	if err != nil {
		return cs.explainOpen(err)
	}
	if change.Unchanged {
		fmt.Fprintf(cs.out, "%s is already the key of this database\n", cs.keyFile)
	} else {
		fmt.Fprintf(cs.out, "%s is now the key of this database\n", cs.keyFile)
	}
	for _, acc := range change.Lost {
		name := shellQuote(acc.Username)
		fmt.Fprintf(cs.out, "\nThe second factor of %s was encrypted with another key and is lost. Replace it or remove it:\n\n  %s\n  %s\n",
			acc.Username, cs.invocation("account totp "+name), cs.invocation("account totp "+name+" --remove"))
	}
	return nil
}
