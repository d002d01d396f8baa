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
	"github.com/usher-auth/usher/plexauth"
)

// resetLink prints a link with which the account's owner gets back in.
func (cs accountCommands) resetLink() *cobra.Command {
	var factor, keepPassword, byMail bool
	var life time.Duration
	var publicURL string
	cmd := &cobra.Command{
		Use:   "reset-link NAME",
		Short: "Print a link for somebody who has lost the password or the second factor",
		Long: `Print a link with which the account's owner sets a new password. It works once, and
replaces an earlier one of an admin. It becomes invalid when the password, the second
factor or the rules of the account change. When it is used, everything that is signed
in with the account is signed out. Anyone who has the link can take over the account:
make sure that you give it to its owner.

With --mail, the server also sends the link to the account's e-mail address, which an
admin must have confirmed.

With --second-factor, the second factor is turned off, too. With --keep-password as
well, nothing else changes, and the link asks for the present password.`,
		Example: `  usher account reset-link mia --public-url https://usher.example.org
  usher account reset-link mia --second-factor --expires 30m
  usher account reset-link mia --mail`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			base, err := linkBase(publicURL)
			if err != nil {
				return err
			}
			if keepPassword && !factor {
				return wrongUse("--keep-password needs --second-factor: the link would be for nothing")
			}
			if keepPassword && byMail {
				return wrongUse("--mail is for a new password, and --keep-password keeps it")
			}
			if factor && byMail {
				return wrongUse("--mail is for a new password only: whoever reads the e-mail would need no second factor")
			}
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				what := account.Reset{Password: !keepPassword, SecondFactor: factor}
				var letter account.ResetLetter
				if byMail {
					if !acc.EmailConfirmed() {
						return &hintError{
							fmt.Errorf("account %s has no e-mail address that is confirmed", acc.Username),
							cs.invocation("account set-email " + acc.Username + " ADDRESS"),
						}
					}
					if acc.TakePasskey() {
						return &hintError{
							fmt.Errorf("account %s signs in with passkeys: whoever reads the e-mail would need none", acc.Username),
							cs.invocation("account reset-link " + acc.Username),
						}
					}
					if base, err = cs.mailBase(ctx, c, publicURL); err != nil {
						return err
					}
					letter = web.Letters{Base: plexauth.Secret(base)}.Reset
				}
				made, err := c.Accounts.MailReset(ctx, commandLine(), acc.ID, what, life, letter)
				if fault.FieldOf(err) == "expires" {
					return wrongUse("--expires: %w", err)
				}
				if err != nil {
					return err
				}
				return cs.printLink(handedLink{
					Link: base + string(web.ResetPath(made.Secret)), ExpiresAt: made.ExpiresAt, Mailed: mailedTo(made.Mailed, made.Account.Email),
				}, byMail, fmt.Sprintf("give it to %s only; it works once, and expires at %s", acc.Username, shortTime(made.ExpiresAt)))
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&factor, "second-factor", false, "turn off the second factor, too")
	f.BoolVar(&keepPassword, "keep-password", false, "with --second-factor: the password stays, and the link asks for it")
	f.BoolVar(&byMail, "mail", false, "send the link to the account's e-mail address, with the mail server of usher serve")
	f.DurationVar(&life, "expires", account.ResetLife, "how long the link works, 24h at most")
	f.StringVar(&publicURL, "public-url", "", "`URL` at which browsers reach the server, for the link (default http://"+defaultListen+")")
	return cmd
}
