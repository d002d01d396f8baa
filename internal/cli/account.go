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
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// accountCommands are the commands that manage accounts.
type accountCommands struct {
	*console
	*folder
}

func (cs accountCommands) command() *cobra.Command {
	return group("account", "Manage accounts", `Manage accounts. Name an account by its username or e-mail address, in any case.
These commands work whether or not the server is running. A running server sees
the changes within a second.`,
		cs.add(), cs.listFlags(cs.list()), cs.jsonFlag(cs.show()),
		cs.setDisabled("disable", "Disable an account and its tokens", true),
		cs.setDisabled("enable", "Enable a disabled account and its tokens", false),
		cs.promote(), cs.demote(), cs.rename(), cs.setEmail(), cs.confirmEmail(),
		cs.setPassword(), cs.jsonFlag(cs.resetLink()), cs.jsonFlag(cs.rule()), cs.jsonFlag(cs.adminFactor()), cs.remove(), cs.jsonFlag(cs.totp()))
}

// accountJSON is an account in --json.
type accountJSON struct {
	ID          int64     `json:"id"`              // as in token details
	UUID        string    `json:"uuid"`            // as in token details
	Username    string    `json:"username"`        // the unique name
	Email       string    `json:"email"`           // can be empty
	Confirmed   bool      `json:"emailConfirmed"`  // by an admin
	Admin       bool      `json:"admin"`           // can administer this usher
	Managed     bool      `json:"managed"`         // a managed user of a home, who cannot sign in
	Disabled    bool      `json:"disabled"`        // cannot sign in
	TwoFactor   bool      `json:"twoFactor"`       // needs a code to sign in
	BackupCodes int       `json:"backupCodes"`     // how many are unused
	PasswordOff bool      `json:"passwordOff"`     // the password is rejected
	PasskeyOnly bool      `json:"passkeyRequired"` // signing in requires a passkey
	CreatedAt   time.Time `json:"createdAt"`       // RFC 3339, as every time here
}

func newAccountJSON(acc account.Account) accountJSON {
	return accountJSON{
		acc.ID, acc.UUID, acc.Username, acc.Email, acc.EmailConfirmed(), acc.Admin, acc.Managed(), acc.Disabled,
		acc.TOTPSeed != nil, acc.BackupCodes, acc.PasswordOff, acc.PasskeyRequired, acc.CreatedAt,
	}
}

// role returns the role of the account as a word.
func (r accountJSON) role() string {
	if r.Managed {
		return "managed"
	}
	return choose(r.Admin, "admin", "member")
}

func (cs accountCommands) add() *cobra.Command {
	var n account.NewAccount
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Create an account",
		Example: `  usher account add root --admin
  usher account add mia --email mia@example.org --password-stdin < password.txt`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Username = args[0]
			err := cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				return c.Accounts.CheckNew(ctx, n.Username, n.Email)
			})
			if err != nil && !errors.Is(err, core.ErrNoDatabase) {
				return plainExists(err) // before the prompt for the password
			}
			if n.Password, err = cs.newPassword(cmd.Context(), fromStdin); err != nil {
				return err
			}
			return cs.withNewCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				acc, err := c.Accounts.Add(ctx, commandLine(), n)
				if err != nil {
					return plainExists(err)
				}
				fmt.Fprintf(cs.out, "created account %s (%d)\n", acc.Username, acc.ID)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&n.Email, "email", "", "`e-mail` address, which can also be used to sign in; no mail is sent to it")
	cmd.Flags().BoolVar(&n.Admin, "admin", false, "create an admin, who owns this server and can read source connections")
	passwordFlag(cmd, &fromStdin)
	return cmd
}

func (cs accountCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List accounts", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(func(r paging.Request) (paging.List[account.Account], error) { return c.Accounts.List(ctx, r) }, newAccountJSON)
				return printPages(cs.console, read, []string{"ID", "NAME", "E-MAIL", "ROLE", "SECOND FACTOR", "STATE"}, func(r accountJSON) []string {
					return []string{
						fmt.Sprint(r.ID), r.Username, r.Email + choose(r.Email != "" && !r.Confirmed, unconfirmed, ""), r.role(),
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
					"ID", fmt.Sprint(acc.ID), "UUID", acc.UUID, "Name", acc.Username, "E-mail", shownEmail(acc),
					"Role", choose(acc.Admin, "admin", "member"), "Second factor", factor,
					"Rules", acc.Rules.String(), "State", choose(acc.Disabled, "disabled", "enabled"), "Created", shortTime(acc.CreatedAt),
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
				fmt.Fprintf(cs.out, "account %s is %s%sd\n", acc.Username, choose(acc.Disabled == disabled, "already ", ""), verb)
				return nil
			})
		},
	}
}

// lastAdmin adds the next step to the error of a change that would leave no
// admin.
func (cs accountCommands) lastAdmin(acc account.Account, err error) error {
	if errors.Is(err, account.ErrLastAdmin) {
		return &hintError{fmt.Errorf("%s is the last admin", acc.Username), cs.invocation("account add NAME --admin")}
	}
	return err
}

func (cs accountCommands) promote() *cobra.Command {
	return &cobra.Command{
		Use: "promote NAME", Short: "Make an account an admin", Args: takes(1),
		Long: "Make an account an admin, who owns this server, manages accounts and can read source connections.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.Promote(ctx, commandLine(), acc.ID); err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "account %s is %s an admin\n", acc.Username, choose(acc.Admin, "already", "now"))
				return nil
			})
		},
	}
}

func (cs accountCommands) demote() *cobra.Command {
	return &cobra.Command{
		Use: "demote NAME", Short: "Make an admin a member", Args: takes(1),
		Long: `Make an admin a member, and revoke the tokens for servers that the account could
reach as an admin only. The last admin cannot be demoted.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.Demote(ctx, commandLine(), acc.ID, c.Sources); err != nil {
					return cs.lastAdmin(acc, err)
				}
				fmt.Fprintf(cs.out, "account %s is %s a member\n", acc.Username, choose(acc.Admin, "now", "already"))
				return nil
			})
		},
	}
}

func (cs accountCommands) rename() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME NEW-NAME", Short: "Change the name of an account", Args: takes(2),
		Long: "Change the name of an account. Its password, e-mail address and tokens stay valid.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.Rename(ctx, commandLine(), acc.ID, args[1]); err != nil {
					return plainExists(err)
				}
				fmt.Fprintf(cs.out, "renamed account %s to %s\n", acc.Username, args[1])
				return nil
			})
		},
	}
}

func (cs accountCommands) setEmail() *cobra.Command {
	return &cobra.Command{
		Use: "set-email NAME E-MAIL", Short: "Change the e-mail address of an account", Args: takes(2),
		Long: `Change the e-mail address of an account. An empty one, '', removes it.

The address counts as confirmed: programs that identify users by it may rely on it.`,
		Example: `  usher account set-email mia mia@example.org
  usher account set-email mia ''`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.SetEmail(ctx, commandLine(), acc.ID, args[1]); err != nil {
					return plainExists(err)
				}
				fmt.Fprintf(cs.out, "%s the e-mail address of account %s\n", choose(args[1] == "", "removed", "changed"), acc.Username)
				return nil
			})
		},
	}
}

func (cs accountCommands) confirmEmail() *cobra.Command {
	return &cobra.Command{
		Use: "confirm-email NAME", Short: "Confirm the e-mail address of an account", Args: takes(1),
		Long: `Confirm the e-mail address that a member has set. Until then, programs are told
that it is not confirmed. Make sure that it is theirs: programs may identify users
by it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				if err := c.Accounts.ConfirmEmail(ctx, commandLine(), acc.ID, acc.Email); err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "the e-mail address %s of account %s is %s confirmed\n",
					acc.Email, acc.Username, choose(acc.EmailConfirmed(), "already", "now"))
				return nil
			})
		},
	}
}

// unconfirmed marks an e-mail address that no admin has confirmed.
const unconfirmed = " (not confirmed)"

func shownEmail(acc account.Account) string {
	return acc.Email + choose(acc.Email != "" && !acc.EmailConfirmed(), unconfirmed, "")
}

// plainExists returns the error that a name is taken without its context, which would
// only repeat it.
func plainExists(err error) error {
	if errors.Is(err, account.ErrExists) || errors.Is(err, account.ErrAlike) {
		return fault.Find(err)
	}
	return err
}

func (cs accountCommands) setPassword() *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "set-password NAME",
		Short: "Change the password of an account",
		Long:  "Change the password of an account. Its tokens stay valid: revoke them with usher token revoke.",
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
				fmt.Fprintf(cs.out, "changed the password of account %s\n", acc.Username)
				return nil
			})
		},
	}
	passwordFlag(cmd, &fromStdin)
	return cmd
}

func (cs accountCommands) remove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an account, its tokens and its shares",
		Long:  "Remove an account with its devices, tokens and shares. The admins become owners of its servers.\nThe last admin cannot be removed.",
		Args:  takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				question := fmt.Sprintf("Remove account %s with its devices, tokens and shares?", acc.Username)
				if err := cs.confirm(ctx, yes, question); err != nil {
					return err
				}
				if err := c.Accounts.Remove(ctx, commandLine(), acc.ID); err != nil {
					return cs.lastAdmin(acc, err)
				}
				fmt.Fprintf(cs.out, "removed account %s\n", acc.Username)
				return nil
			})
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}

func (cs accountCommands) totp() *cobra.Command {
	var yes, here, remove bool
	var publicURL string
	cmd := &cobra.Command{
		Use:   "totp NAME",
		Short: "Add, replace or remove the second factor of an account",
		Long: `Print a link with which the account's owner sets up a second factor: codes from an
authenticator app (TOTP), and ten backup codes for when the app is not available.
It replaces the previous one, whose code is not required. The link requires the
account's password, works once, and expires after 24 hours. You do not see the key.

With --here, there is no link: the command shows the key as a QR code for the app,
asks for a code that the app shows, and then prints the backup codes, once.`,
		Example: `  usher account totp mia --public-url https://usher.example.org
  usher account totp mia --here
  usher account totp mia --json --yes   for scripts: prints the key, does not prompt
  usher account totp mia --remove`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				switch {
				case remove:
					return cs.removeTOTP(ctx, c, acc, yes)
				case here || yes:
					return cs.enrol(ctx, c, acc, yes)
				}
				return cs.linkTOTP(ctx, c, acc, publicURL)
			})
		},
	}
	cmd.Flags().BoolVar(&here, "here", false, "set it up on this terminal, which shows the key, instead of with a link")
	cmd.Flags().BoolVar(&yes, "yes", false, "like --here, and do not ask for a code from the app; or do not ask for confirmation of --remove")
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the second factor")
	cmd.Flags().StringVar(&publicURL, "public-url", "", linkURLUsage)
	return cmd
}

// linkTOTP prints a link by which the account's owner sets up a second factor.
func (cs accountCommands) linkTOTP(ctx context.Context, c *core.Core, acc account.Account, publicURL string) error {
	base, err := cs.linkBase(ctx, c, publicURL, false)
	if err != nil {
		return err
	}
	secret, expires, err := c.Accounts.NewLink(ctx, commandLine(), acc.ID)
	if err != nil {
		return err
	}
	link := base + string(web.FactorLink(secret))
	if cs.json {
		return cs.printJSON(struct {
			Link      string    `json:"link"`
			ExpiresAt time.Time `json:"expiresAt"`
		}{link, expires})
	}
	fmt.Fprintln(cs.out, link)
	fmt.Fprintf(cs.err, "give it to %s; it takes their password, works once, and expires at %s\n", acc.Username, shortTime(expires))
	return nil
}

const linkURLUsage = "`URL` at which browsers reach the server, for the link (default that of the last usher serve)"

// linkBase returns the URL with which the links of a command begin: that of --public-url or,
// without it, the one of the server that was started last. byMail says that the server
// sends the link.
func (f *folder) linkBase(ctx context.Context, c *core.Core, publicURL string, byMail bool) (string, error) {
	if byMail {
		return f.mailBase(ctx, c, publicURL)
	}
	if publicURL == "" {
		if base, err := c.LinkBase(ctx); err != nil || base != "" {
			return base, err
		}
	}
	return linkBase(publicURL)
}

// linkBase returns the URL at which browsers reach the server. The variable of
// --public-url can contain several URLs. usher serve uses the first one for pages.
func linkBase(publicURL string) (string, error) {
	urls := append(strings.Fields(publicURL), "http://"+defaultListen)
	return cleanURL(urls[0])
}

func (cs accountCommands) removeTOTP(ctx context.Context, c *core.Core, acc account.Account, yes bool) error {
	question := fmt.Sprintf("Remove the second factor of account %s?", acc.Username)
	if err := cs.confirm(ctx, yes, question); err != nil {
		return err
	}
	if err := c.Accounts.RemoveSecondFactor(ctx, commandLine(), acc.ID); err != nil {
		return err
	}
	removed := acc.TOTPSeed != nil
	if cs.json {
		return cs.printJSON(struct {
			Removed bool `json:"removed"`
		}{removed})
	}
	format := choose(removed, "removed the second factor of account %s\n", "account %s has no second factor\n")
	fmt.Fprintf(cs.out, format, acc.Username)
	return nil
}

// enrol adds a second factor to acc. It prints the secrets, which is the purpose of the
// command.
func (cs accountCommands) enrol(ctx context.Context, c *core.Core, acc account.Account, yes bool) error {
	e := account.NewEnrolment("usher", acc.Username)
	if !cs.json {
		qr, err := terminalQR(string(e.URL), isTerminal(cs.out))
		if err != nil {
			return err
		}
		fmt.Fprintf(cs.out, "Scan this code with an authenticator app, or enter the secret %s:\n\n%s\n%s\n\n", string(e.Secret), qr, string(e.URL))
	}
	var code plexauth.Secret
	if !yes {
		var err error
		if code, err = cs.ask(ctx, "Code from the app: "); err != nil {
			return err
		}
		if code == "" {
			return &hintError{errors.New("no code was entered; the account is unchanged"), "--yes skips this step"}
		}
	}
	backup, err := c.Accounts.Enrol(ctx, commandLine(), acc.ID, e, code)
	if errors.Is(err, account.ErrCode) {
		return &hintError{errors.New("wrong code; the account is unchanged"), "check that the clocks of this machine and of the app agree"}
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
	fmt.Fprintf(cs.out, "Account %s has a second factor. Save these backup codes; each works once:\n\n  %s\n",
		acc.Username, strings.Join(codes, "\n  "))
	return nil
}
