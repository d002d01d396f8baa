package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
)

// rule shows or changes how an account signs in.
func (cs accountCommands) rule() *cobra.Command {
	var passwordOff, passkeyRequired bool
	cmd := &cobra.Command{
		Use:   "rule NAME",
		Short: "Show or change how an account signs in",
		Long: `Show or change the rules for how an account signs in. Each rule requires a passkey,
which the account's owner adds on the pages first.

With --password-off, only a passkey can sign in. The password is rejected as if it
were wrong, also from programs.

With --passkey-required, signing in requires a passkey, alone or on the pages after the
password. A code of the second factor does not replace it.

Programs are then linked with a code, at /link. Existing tokens and sessions stay valid.
To remove a rule, add =false.`,
		Example: `  usher account rule mia
  usher account rule mia --passkey-required
  usher account rule mia --password-off=false`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := func(name string, value *bool) *bool {
				if cmd.Flags().Changed(name) {
					return value
				}
				return nil
			}
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				err := c.Accounts.SetRules(ctx, commandLine(), acc.ID,
					given("password-off", &passwordOff), given("passkey-required", &passkeyRequired), c.Passkeys)
				if errors.Is(err, account.ErrOnlyWay) {
					return &hintError{fault.Find(err), "the owner adds one on the pages, under Account, Security"}
				}
				if err != nil {
					return err
				}
				if acc, err = c.Accounts.Get(ctx, acc.ID); err != nil {
					return err
				}
				if cs.json {
					return cs.printJSON(newAccountJSON(acc))
				}
				return cs.printFields("Password", choose(acc.PasswordOff, "off", "on"), "Passkey", choose(acc.PasskeyRequired, "required", "optional"))
			})
		},
	}
	cmd.Flags().BoolVar(&passwordOff, "password-off", false, "the password is rejected")
	cmd.Flags().BoolVar(&passkeyRequired, "passkey-required", false, "signing in requires a passkey")
	return cmd
}

// adminRuleJSON is the rule whether admins need a second factor, in --json.
type adminRuleJSON struct {
	Required     bool       `json:"required"`     // admins need one
	Since        *time.Time `json:"since"`        // null if they need none
	GraceSeconds int64      `json:"graceSeconds"` // to set one up
}

// adminFactor shows or changes whether admins need a second factor.
func (cs accountCommands) adminFactor() *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{
		Use:   "admin-factor [required|optional]",
		Short: "Show or change whether admins need a second factor",
		Long: `Show or change whether admins need a second factor. Each then has some time to set one
up, from now on or from when they become an admin. After that, an admin without one
can sign in on the pages only to set one up, and programs that send the password get
an error that explains this. Existing tokens keep working.

An account whose rules require a passkey needs no second factor.`,
		Example: `  usher account admin-factor
  usher account admin-factor required --within 72h
  usher account admin-factor optional`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"required", "optional"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "required" && args[0] != "optional" {
				return wrongUse("%s is neither required nor optional", args[0])
			}
			if cmd.Flags().Changed("within") && (len(args) == 0 || args[0] != "required") {
				return wrongUse("--within needs required")
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				if len(args) == 1 {
					err := c.Accounts.SetAdminRule(ctx, commandLine(), args[0] == "required", grace)
					if fault.FieldOf(err) == "grace" {
						return wrongUse("--within: %w", err)
					}
					if err != nil {
						return err
					}
				}
				r, err := c.Accounts.AdminRule(ctx)
				if err != nil {
					return err
				}
				return cs.printAdminRule(r)
			})
		},
	}
	cmd.Flags().DurationVar(&grace, "within", account.DefaultGrace, "how long admins have to set one up, 2160h at most")
	return cmd
}

func (cs accountCommands) printAdminRule(r account.AdminRule) error {
	if cs.json {
		shown := adminRuleJSON{Required: r.On, GraceSeconds: int64(r.Grace / time.Second)}
		if r.On {
			shown.Since = &r.Since
		}
		return cs.printJSON(shown)
	}
	if !r.On {
		_, err := fmt.Fprintln(cs.out, "admins need no second factor")
		return err
	}
	_, err := fmt.Fprintf(cs.out, "admins need a second factor since %s, and have %s to set one up\n", shortTime(r.Since), r.Grace)
	return err
}
