package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/plexauth"
)

// homeCommands are the commands that manage homes. They act as the home's owner.
type homeCommands struct {
	*console
	*folder
}

func (cs homeCommands) command() *cobra.Command {
	return group("home", "Manage homes and their managed users",
		`Manage homes. A home belongs to an account, its owner, and is named by it. It has
managed users and a guest, who have neither a password nor an e-mail address, and
accounts that sign in. Programs of one user can switch to another, with a PIN if the
other has one. Name a user by the name or number that usher home list shows.`,
		cs.listFlags(cs.list()), cs.jsonFlag(cs.add()), cs.join(), cs.rename(), cs.restrict(),
		cs.setAdmin("promote", "Make a member an admin of the home", true),
		cs.setAdmin("demote", "Make an admin of the home a member", false),
		cs.setPIN(), cs.clearPIN(), cs.remove())
}

// homeUserJSON is a user of a home in --json.
type homeUserJSON struct {
	ID          int64     `json:"id"`          // of the account
	UUID        string    `json:"uuid"`        // of the account
	Name        string    `json:"name"`        // shown by clients
	Role        string    `json:"role"`        // owner, admin, member, managed or guest
	Protected   bool      `json:"protected"`   // has a PIN
	Restriction string    `json:"restriction"` // such as little_kid; can be empty
	JoinedAt    time.Time `json:"joinedAt"`    // when it was added
}

func newHomeUserJSON(u home.User) homeUserJSON {
	return homeUserJSON{
		u.Account.ID, u.Account.UUID, u.Account.Title, u.Role.String(), u.Protected(), u.Restriction, u.JoinedAt,
	}
}

func (cs homeCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list ACCOUNT", Short: "List the users of an account's home", Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				found, err := c.Homes.Of(ctx, acc.ID)
				if err != nil {
					return err
				}
				rows := make([]homeUserJSON, 0, len(found.Users))
				for _, u := range found.Users {
					rows = append(rows, newHomeUserJSON(u))
				}
				return printList(cs.console, rows, []string{"ID", "NAME", "ROLE", "PIN", "RESTRICTION", "SINCE"}, func(r homeUserJSON) []string {
					return []string{
						fmt.Sprint(r.ID), r.Name, r.Role, choose(r.Protected, "yes", "no"), r.Restriction, shortTime(r.JoinedAt),
					}
				})
			})
		},
	}
}

func (cs homeCommands) add() *cobra.Command {
	var restriction string
	var guest bool
	cmd := &cobra.Command{
		Use: "add OWNER NAME", Short: "Add a managed user or the guest to a home",
		Long: `Add a managed user to the home of an account: a user without a password and e-mail
address, who cannot sign in. The first one creates the home.

A restriction is reported to programs. usher itself does not enforce it.`,
		Example: `  usher home add mia "Little One" --restriction little_kid
  usher home add mia --guest`,
		Args: func(cmd *cobra.Command, args []string) error {
			if guest {
				return takes(1)(cmd, args)
			}
			return takes(2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, owner account.Account) error {
				add := func() (home.User, error) { return c.Homes.AddGuest(ctx, commandLine(), owner.ID) }
				if !guest {
					add = func() (home.User, error) {
						return c.Homes.AddManaged(ctx, commandLine(), owner.ID, args[1], restriction)
					}
				}
				u, err := add()
				if err != nil {
					return err
				}
				if cs.json {
					return cs.printJSON(newHomeUserJSON(u))
				}
				fmt.Fprintf(cs.out, "added %s (%d) to the home of %s\n", u.Account.Title, u.Account.ID, owner.Username)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&restriction, "restriction", "", "`restriction` that programs can read: little_kid, older_kid or teen")
	cmd.Flags().BoolVar(&guest, "guest", false, "add the guest; a home can have one")
	return cmd
}

func (cs homeCommands) join() *cobra.Command {
	var admin bool
	cmd := &cobra.Command{
		Use: "join OWNER ACCOUNT", Short: "Add an account that signs in to a home", Args: takes(2),
		Long: `Add an account to the home of another. Ask both first: from then on, programs of
each user of the home can switch to the account with its PIN. Without a PIN, they
cannot. An admin of the home can manage its managed users like the owner.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, owner account.Account) error {
				acc, err := cs.findAccount(ctx, c, args[1])
				if err != nil {
					return err
				}
				if err := c.Homes.Join(ctx, commandLine(), owner.ID, acc.ID, admin); err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "added account %s to the home of %s\n", acc.Username, owner.Username)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "make the account an admin of the home")
	return cmd
}

// onUser returns the command for a change of a user of a home. do returns a description
// of the change.
func (cs homeCommands) onUser(
	cmd *cobra.Command, args int, do func(ctx context.Context, c *core.Core, owner account.Account, u home.User, args []string) (string, error),
) *cobra.Command {
	cmd.Args = takes(args)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, owner account.Account) error {
			found, err := c.Homes.Of(ctx, owner.ID)
			if err != nil {
				return err
			}
			u, err := found.Named(args[1])
			if errors.Is(err, home.ErrNotFound) {
				return &hintError{
					fmt.Errorf("there is no user %s in the home of %s", args[1], owner.Username), cs.invocation("home list " + owner.Username),
				}
			}
			if err != nil {
				return err
			}
			done, err := do(ctx, c, owner, u, args[2:])
			if err != nil {
				return err
			}
			fmt.Fprintln(cs.out, done)
			return nil
		})
	}
	return cmd
}

func (cs homeCommands) rename() *cobra.Command {
	cmd := &cobra.Command{Use: "rename OWNER USER NEW-NAME", Short: "Change the name of a managed user"}
	return cs.onUser(cmd, 3, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, args []string) (string, error) {
		err := c.Homes.Rename(ctx, commandLine(), owner.ID, u.Account.UUID, args[0])
		return fmt.Sprintf("renamed %s to %s", u.Account.Title, args[0]), err
	})
}

func (cs homeCommands) restrict() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restrict OWNER USER RESTRICTION", Short: "Set the restriction of a managed user",
		Long: `Set the restriction that programs can read: little_kid, older_kid or teen. An
empty one, '', removes it. usher itself does not enforce it.`,
	}
	return cs.onUser(cmd, 3, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, args []string) (string, error) {
		err := c.Homes.Restrict(ctx, commandLine(), owner.ID, u.Account.UUID, args[0])
		return fmt.Sprintf("the restriction of %s is %s", u.Account.Title, choose(args[0] == "", "removed", args[0])), err
	})
}

func (cs homeCommands) setAdmin(verb, short string, admin bool) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " OWNER USER", Short: short}
	return cs.onUser(cmd, 2, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, _ []string) (string, error) {
		err := c.Homes.SetAdmin(ctx, commandLine(), owner.ID, u.Account.UUID, admin)
		return fmt.Sprintf("%s is now %s of the home of %s", u.Account.Title, choose(admin, "an admin", "a member"), owner.Username), err
	})
}

func (cs homeCommands) setPIN() *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use: "set-pin OWNER USER", Short: "Set the PIN of a user of a home",
		Long: `Set the PIN of a user of a home: four digits. The previous PIN is not required, and the
count of wrong PINs is reset. Tokens from earlier switches stay valid.`,
		Example: `  usher home set-pin mia "Little One"
  usher home set-pin mia mia --pin-stdin < pin.txt`,
	}
	cmd.Flags().BoolVar(&fromStdin, "pin-stdin", false, "read the PIN from the first line of standard input")
	return cs.onUser(cmd, 2, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, _ []string) (string, error) {
		pin, err := cs.newPIN(ctx, fromStdin)
		if err != nil {
			return "", err
		}
		return "set the PIN of " + u.Account.Title, cs.changePIN(ctx, c, owner, u, pin)
	})
}

// newPIN reads a new PIN: typed on a terminal, or from standard input.
func (cs homeCommands) newPIN(ctx context.Context, fromStdin bool) (pin plexauth.Secret, err error) {
	switch {
	case fromStdin:
		pin, err = cs.readAnswer(ctx)
	case !cs.interactive():
		return "", &usageError{&hintError{
			errors.New("there is no terminal to ask for the PIN"), "pass it on standard input with --pin-stdin",
		}}
	default:
		pin, err = cs.askUnseen(ctx, "PIN: ")
	}
	if err == nil && pin == "" {
		err = errors.New("the PIN is empty")
	}
	return pin, err
}

func (cs homeCommands) clearPIN() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clear-pin OWNER USER", Short: "Remove the PIN of a user of a home",
		Long: `Remove the PIN of a user of a home. Then everyone in the home can switch to a managed
user, and nobody to an account that signs in.`,
	}
	return cs.onUser(cmd, 2, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, _ []string) (string, error) {
		done := fmt.Sprintf("removed the PIN of %s", u.Account.Title)
		return choose(u.Protected(), done, u.Account.Title+" has no PIN"), cs.changePIN(ctx, c, owner, u, "")
	})
}

func (homeCommands) changePIN(ctx context.Context, c *core.Core, owner account.Account, u home.User, pin plexauth.Secret) error {
	if !u.Managed() {
		return c.Homes.ResetPIN(ctx, commandLine(), u.Account.ID, pin)
	}
	return c.Homes.SetManagedPIN(ctx, commandLine(), owner.ID, u.Account.UUID, pin)
}

func (cs homeCommands) remove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove OWNER USER", Short: "Remove a user from a home",
		Long: `Remove a user from a home. A managed user is removed with its devices, tokens and
shares. An account that signs in leaves the home, and the tokens from switches from and
to it are revoked.`,
	}
	yesFlag(cmd, &yes)
	return cs.onUser(cmd, 2, func(ctx context.Context, c *core.Core, owner account.Account, u home.User, _ []string) (string, error) {
		if u.Managed() {
			question := fmt.Sprintf("Remove %s with its devices, tokens and shares?", u.Account.Title)
			if err := cs.confirm(ctx, yes, question); err != nil {
				return "", err
			}
		}
		err := c.Homes.Remove(ctx, commandLine(), owner.ID, u.Account.UUID)
		return fmt.Sprintf("removed %s from the home of %s", u.Account.Title, owner.Username), err
	})
}
