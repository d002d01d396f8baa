package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/web"
)

// resetLink prints a link by which the account's owner comes back.
func (cs accountCommands) resetLink() *cobra.Command {
	var factor, keepPassword bool
	var life time.Duration
	var publicURL string
	cmd := &cobra.Command{
		Use:   "reset-link NAME",
		Short: "Print a link for somebody who has lost the password or the second factor",
		Long: `Print a link with which the account's owner sets a new password. It works once, and
ends earlier ones. It is void when the password or the second factor has changed
meanwhile. When it is used, everything that is signed in with the account is signed
out. Anyone who has the link takes the account over: make sure that it is its owner.

With --second-factor, the second factor is turned off, too. With --keep-password as
well, only that: it then takes the present password.`,
		Example: `  usher account reset-link mia --public-url https://usher.example.org
  usher account reset-link mia --second-factor --expires 30m`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			base, err := linkBase(publicURL)
			if err != nil {
				return err
			}
			if keepPassword && !factor {
				return wrongUse("--keep-password needs --second-factor: the link would be for nothing")
			}
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				what := account.Reset{Password: !keepPassword, SecondFactor: factor}
				secret, expires, err := c.Accounts.NewReset(ctx, commandLine(), acc.ID, what, life)
				if fault.FieldOf(err) == "expires" {
					return wrongUse("--expires: %w", err)
				}
				if err != nil {
					return err
				}
				return cs.printLink(base+string(web.ResetPath(secret)), expires,
					fmt.Sprintf("give it to %s only; it works once, and expires at %s", acc.Username, shortTime(expires)))
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&factor, "second-factor", false, "turn off the second factor, too")
	f.BoolVar(&keepPassword, "keep-password", false, "with --second-factor: the password stays, and the link takes it")
	f.DurationVar(&life, "expires", account.ResetLife, "how long the link works, 24h at most")
	f.StringVar(&publicURL, "public-url", "", "`URL` at which browsers reach the server, for the link (default http://"+defaultListen+")")
	return cmd
}
