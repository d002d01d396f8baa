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
		RunE: func(cmd *cobra.Command, _ []string) error { return cs.newKey(cmd.Context()) },
	}
}

// newKey makes the key file the database's, and names the second factors that
// are lost with another key.
func (cs dataCommands) newKey(ctx context.Context) error {
	var cfg core.Config
	if err := cs.locate(&cfg); err != nil {
		return err
	}
	change, err := core.ReplaceKey(ctx, cfg)
	if err != nil {
		return cs.explainOpen(err)
	}
	if change.Unchanged {
		fmt.Fprintf(cs.out, "%s is the key of this database already.\n", cs.keyFile)
	} else {
		fmt.Fprintf(cs.out, "%s is now the key of this database.\n", cs.keyFile)
	}
	for _, acc := range change.Lost {
		name := shellQuote(acc.Username)
		fmt.Fprintf(cs.out, "\nThe second factor of %s was sealed with another key and is lost. Give it another one, or none:\n\n  %s\n  %s\n",
			acc.Username, cs.invocation("account totp "+name), cs.invocation("account totp "+name+" --remove"))
	}
	return nil
}
