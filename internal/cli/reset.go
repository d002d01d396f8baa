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

// resetOptions are the flags of usher account reset-link.
type resetOptions struct {
	factor, keepPassword, byMail bool
	life                         time.Duration
	publicURL                    string
}

// resetLink returns the command that prints a link with which the account's owner
// regains access.
func (cs accountCommands) resetLink() *cobra.Command {
	var o resetOptions
	cmd := &cobra.Command{
		Use:   "reset-link NAME",
		Short: "Print a link for a user who has lost the password or the second factor",
		Long: `Print a link with which the account's owner sets a new password. It works once, and
replaces an earlier one of an admin. It becomes invalid when the password, the second
factor or the rules of the account change. Using it revokes all tokens and sessions of
the account. The link gives access to the account: pass it on to its owner only.

With --mail, the server also sends the link to the account's e-mail address, which an
admin must have confirmed.

With --second-factor, the second factor is turned off, too. With --keep-password as
well, nothing else changes, and the link asks for the current password.`,
		Example: `  usher account reset-link mia --public-url https://usher.example.org
  usher account reset-link mia --second-factor --expires 30m
  usher account reset-link mia --mail`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := linkBase(o.publicURL); err != nil {
				return err
			}
			if err := o.check(); err != nil {
				return err
			}
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				return cs.printResetLink(ctx, c, acc, o)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.factor, "second-factor", false, "turn off the second factor, too")
	f.BoolVar(&o.keepPassword, "keep-password", false, "with --second-factor: the password stays, and the link asks for it")
	f.BoolVar(&o.byMail, "mail", false, "send the link to the account's e-mail address, with the mail server of usher serve")
	f.DurationVar(&o.life, "expires", account.ResetLife, "how long the link works, 24h at most")
	f.StringVar(&o.publicURL, "public-url", "", linkURLUsage)
	return cmd
}

// check returns a usage error for flags that contradict each other.
func (o resetOptions) check() error {
	switch {
	case o.keepPassword && !o.factor:
		return wrongUse("--keep-password requires --second-factor: the link would change nothing")
	case o.keepPassword && o.byMail:
		return wrongUse("--mail is for a new password, and --keep-password keeps it")
	case o.factor && o.byMail:
		return wrongUse("--mail is for a new password only: anyone who reads the e-mail would need no second factor")
	}
	return nil
}

// printResetLink creates a link for an account, and prints it.
func (cs accountCommands) printResetLink(ctx context.Context, c *core.Core, acc account.Account, o resetOptions) error {
	what := account.Reset{Password: !o.keepPassword, SecondFactor: o.factor}
	var letter account.ResetLetter
	if o.byMail {
		if err := cs.checkMailable(acc); err != nil {
			return err
		}
	}
	base, err := cs.linkBase(ctx, c, o.publicURL, o.byMail)
	if err != nil {
		return err
	}
	if o.byMail {
		letter = web.Letters{Base: plexauth.Secret(base)}.Reset
	}
	made, err := c.Accounts.MailReset(ctx, commandLine(), acc.ID, what, o.life, letter)
	if fault.FieldOf(err) == "expires" {
		return wrongUse("--expires: %w", err)
	}
	if err != nil {
		return err
	}
	return cs.printLink(handedLink{
		Link: base + string(web.ResetPath(made.Secret)), ExpiresAt: made.ExpiresAt, Mailed: made.MailedTo(),
	}, o.byMail, fmt.Sprintf("give it to %s only; it works once, and expires at %s", acc.Username, shortTime(made.ExpiresAt)))
}

// checkMailable returns an error, with the next step, if no reset link of an account may
// be sent by e-mail.
func (cs accountCommands) checkMailable(acc account.Account) error {
	if !acc.EmailConfirmed() {
		return &hintError{
			fmt.Errorf("account %s has no e-mail address that is confirmed", acc.Username),
			cs.invocation("account set-email " + acc.Username + " ADDRESS"),
		}
	}
	if acc.TakePasskey() {
		return &hintError{
			fmt.Errorf("account %s signs in with passkeys: anyone who reads the e-mail would need none", acc.Username),
			cs.invocation("account reset-link " + acc.Username),
		}
	}
	return nil
}
