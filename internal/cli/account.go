package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/plexauth"
)

// accountCommands are the commands that keep accounts.
type accountCommands struct {
	*console
	*folder
}

func (cs accountCommands) command() *cobra.Command {
	return group("account", "Make and keep accounts", `Make and keep accounts. An account is named by its username or e-mail, in any
case. These commands work while the server runs or is stopped; what they change
holds in a running server within a second.`,
		cs.add(), cs.jsonFlag(cs.list()), cs.jsonFlag(cs.show()),
		cs.setDisabled("disable", "Keep an account and its tokens from working", true),
		cs.setDisabled("enable", "Let a disabled account and its tokens work again", false),
		cs.setPassword(), cs.remove(), cs.jsonFlag(cs.totp()))
}

// accountJSON is an account in --json.
type accountJSON struct {
	ID          int64     `json:"id"`
	UUID        string    `json:"uuid"`
	Username    string    `json:"username"`
	Email       string    `json:"email"`
	Admin       bool      `json:"admin"`
	Disabled    bool      `json:"disabled"`
	TwoFactor   bool      `json:"twoFactor"`
	BackupCodes int       `json:"backupCodes"`
	CreatedAt   time.Time `json:"createdAt"`
}

func newAccountJSON(acc account.Account) accountJSON {
	return accountJSON{
		acc.ID, acc.UUID, acc.Username, acc.Email, acc.Admin, acc.Disabled,
		acc.TOTPSeed != nil, acc.BackupCodes, acc.CreatedAt,
	}
}

func (cs accountCommands) add() *cobra.Command {
	var n account.NewAccount
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account",
		Example: `  usher account add root --admin
  usher account add mia --email mia@example.org --password-stdin < password.txt`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Username = args[0]
			var err error
			if n.Password, err = cs.newPassword(cmd.Context(), fromStdin); err != nil {
				return err
			}
			return cs.withNewCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				acc, err := c.Accounts.Add(ctx, commandLine(), n)
				if errors.Is(err, account.ErrExists) {
					return account.ErrExists // says it all
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "Made account %s (%d).\n", acc.Username, acc.ID)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&n.Email, "email", "", "`e-mail` address, which also signs in; nothing is sent to it")
	cmd.Flags().BoolVar(&n.Admin, "admin", false, "make it an admin, who owns this server and sees source connections")
	passwordFlag(cmd, &fromStdin)
	return cmd
}

func (cs accountCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List accounts", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				list, err := c.Accounts.List(ctx)
				if err != nil {
					return err
				}
				rows := make([]accountJSON, 0, len(list))
				for _, acc := range list {
					rows = append(rows, newAccountJSON(acc))
				}
				return printList(cs.console, rows, []string{"ID", "NAME", "E-MAIL", "ROLE", "SECOND FACTOR", "STATE"}, func(r accountJSON) []string {
					return []string{
						fmt.Sprint(r.ID), r.Username, r.Email, choose(r.Admin, "admin", "member"),
						choose(r.TwoFactor, "yes", "no"), choose(r.Disabled, "disabled", "enabled"),
					}
				})
			})
		},
	}
}

func (cs accountCommands) show() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show an account", Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(_ context.Context, _ *core.Core, acc account.Account) error {
				if cs.json {
					return cs.printJSON(newAccountJSON(acc))
				}
				factor := "none"
				if acc.TOTPSeed != nil {
					factor = fmt.Sprintf("TOTP, %d backup codes left", acc.BackupCodes)
				}
				return cs.printFields(
					"ID", fmt.Sprint(acc.ID), "UUID", acc.UUID, "Name", acc.Username, "E-mail", acc.Email,
					"Role", choose(acc.Admin, "admin", "member"), "Second factor", factor,
					"State", choose(acc.Disabled, "disabled", "enabled"), "Made", shortTime(acc.CreatedAt),
				)
			})
		},
	}
}

func (cs accountCommands) setDisabled(verb, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				change := c.Accounts.Enable
				if disabled {
					change = c.Accounts.Disable
				}
				if err := change(ctx, commandLine(), acc.ID); err != nil {
					return cs.lastAdmin(acc, err)
				}
				fmt.Fprintf(cs.out, "Account %s is %sd%s.\n", acc.Username, verb, choose(acc.Disabled == disabled, " already", ""))
				return nil
			})
		},
	}
}

// lastAdmin gives the error of a change that would leave no admin a next step.
func (cs accountCommands) lastAdmin(acc account.Account, err error) error {
	if errors.Is(err, account.ErrLastAdmin) {
		return &hintError{fmt.Errorf("%s is the last admin", acc.Username), cs.invocation("account add NAME --admin")}
	}
	return err
}

func (cs accountCommands) setPassword() *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "set-password NAME",
		Short: "Give an account another password",
		Long:  "Give an account another password. Its tokens stay: revoke them with usher token revoke.",
		Args:  takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				password, err := cs.newPassword(cmd.Context(), fromStdin)
				if err != nil {
					return err
				}
				if err := c.Accounts.SetPassword(ctx, commandLine(), acc.ID, password); err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "Account %s has another password.\n", acc.Username)
				return nil
			})
		},
	}
	passwordFlag(cmd, &fromStdin)
	return cmd
}

func (cs accountCommands) remove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an account, its tokens and its shares",
		Long:  "Remove an account with its devices, tokens and shares. Servers it owned go to the admins. The last admin stays.",
		Args:  takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.Remove(ctx, commandLine(), acc.ID); err != nil {
					return cs.lastAdmin(acc, err)
				}
				fmt.Fprintf(cs.out, "Removed account %s.\n", acc.Username)
				return nil
			})
		},
	}
}

func (cs accountCommands) totp() *cobra.Command {
	var yes, remove bool
	cmd := &cobra.Command{
		Use:   "totp NAME",
		Short: "Give an account a second factor, or take it away",
		Long: `Give an account a second factor: codes from an authenticator app (TOTP), and ten
backup codes for when the app is not at hand. It replaces the one before.

It shows a QR code for the app, asks for one code that the app shows, and then
prints the backup codes, once.`,
		Example: `  usher account totp mia
  usher account totp mia --json --yes   for scripts: asks nothing
  usher account totp mia --remove`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if remove {
					return cs.removeTOTP(ctx, c, acc)
				}
				return cs.enrol(ctx, c, acc, yes)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask for a code to confirm")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the second factor away")
	return cmd
}

func (cs accountCommands) removeTOTP(ctx context.Context, c *core.Core, acc account.Account) error {
	if err := c.Accounts.RemoveSecondFactor(ctx, commandLine(), acc.ID); err != nil {
		return err
	}
	removed := acc.TOTPSeed != nil
	if cs.json {
		return cs.printJSON(struct {
			Removed bool `json:"removed"`
		}{removed})
	}
	fmt.Fprintf(cs.out, "Account %s %s no second factor.\n", acc.Username, choose(removed, "has", "had"))
	return nil
}

// enrol gives acc a second factor. Its secrets are printed: that is what the
// command is for.
func (cs accountCommands) enrol(ctx context.Context, c *core.Core, acc account.Account, yes bool) error {
	e := account.NewEnrolment("usher", acc.Username)
	if !cs.json {
		qr, err := terminalQR(string(e.URL), isTerminal(cs.out))
		if err != nil {
			return err
		}
		fmt.Fprintf(cs.out, "Scan this with an authenticator app, or type the secret %s:\n\n%s\n%s\n\n", string(e.Secret), qr, string(e.URL))
	}
	var code plexauth.Secret
	if !yes {
		var err error
		if code, err = cs.ask(ctx, "The code that the app shows now: "); err != nil {
			return err
		}
		if code == "" {
			return &hintError{errors.New("no code was given; the account is as before"), "--yes asks for none"}
		}
	}
	backup, err := c.Accounts.Enrol(ctx, commandLine(), acc.ID, e, code)
	if errors.Is(err, account.ErrCode) {
		return &hintError{errors.New("that is not the code; the account is as before"), "check that the clocks of this machine and of the app agree"}
	}
	if err != nil {
		return err
	}
	codes := make([]string, len(backup))
	for i, c := range backup {
		codes[i] = string(c)
	}
	if cs.json {
		return cs.printJSON(struct {
			Secret      string   `json:"secret"`
			URL         string   `json:"url"`
			BackupCodes []string `json:"backupCodes"`
		}{string(e.Secret), string(e.URL), codes})
	}
	fmt.Fprintf(cs.out, "Account %s has a second factor. Keep these backup codes; each works once:\n\n  %s\n",
		acc.Username, strings.Join(codes, "\n  "))
	return nil
}
