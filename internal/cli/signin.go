package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/plexauth"
)

// signInCommands are the commands that sign in to a server and out.
type signInCommands struct {
	*console
	*remote
}

func (cs signInCommands) signInCommand() *cobra.Command {
	var fromStdin, byPIN bool
	var code string
	cmd := &cobra.Command{
		Use:   "signin [LOGIN | --pin]",
		Short: "Sign in to a server and store the token",
		Long: `Sign in to usher or to the real services, and store the token for the commands
whoami, token transient, source show and resources.

The command prompts for what it needs; the password is never an argument. With
--pin it does not prompt: it shows a code, and waits until a user enters it in a
browser, on any device.

The token is stored in the system's keyring or, without a keyring (or with
USHER_NO_KEYRING=1), in a file that only you can read.`,
		Example: `  usher signin mia
  usher signin mia@example.org --account-url https://plex.tv --profile real
  usher signin mia --password-stdin < password.txt
  usher signin --pin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if byPIN && (len(args) > 0 || fromStdin || code != "") {
				return wrongUse("--pin takes no login, password or code")
			}
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			var acc *plexauth.Account
			if byPIN {
				acc, err = cs.signInByPIN(cmd.Context(), c, p)
			} else {
				acc, err = cs.signInByPassword(cmd.Context(), c, p, strings.Join(args, ""), plexauth.Secret(code), fromStdin)
			}
			if err != nil {
				return err
			}
			if err := cs.keep(&p, acc); err != nil {
				return err
			}
			return cs.printAccount(acc, p)
		},
	}
	passwordFlag(cmd, &fromStdin)
	cmd.Flags().BoolVar(&byPIN, "pin", false, "show a code to enter in a browser, instead of asking for a password")
	cmd.Flags().StringVar(&code, "code", "", "verification `code` of a second factor (default prompt if needed)")
	return cs.clientCommand(cmd)
}

// keep stores a sign-in. It deletes the previous one first and stores the token
// last, so that an interruption never leaves a token next to another server's
// address.
func (cs signInCommands) keep(p *profile, acc *plexauth.Account) error {
	if err := cs.forgetToken(*p); err != nil {
		return err
	}
	p.Username, p.InKeyring = "", false
	if err := cs.saveProfile(*p); err != nil {
		return err
	}
	p.Username = acc.Username
	if err := cs.keepToken(p, acc.AuthToken); err != nil {
		return err
	}
	return cs.saveProfile(*p)
}

// signInByPassword signs in with the flags and prompts for the rest.
func (cs signInCommands) signInByPassword(ctx context.Context, c *plexauth.Client, p profile, login string, code plexauth.Secret, fromStdin bool) (*plexauth.Account, error) {
	in := plexauth.SignInRequest{Login: login, VerificationCode: code, RememberMe: true}
	if cs.interactive() && !fromStdin {
		if err := cs.reach(ctx, c); err != nil {
			return nil, cs.explain(p, err)
		}
	}
	if err := cs.askCredentials(ctx, &in, fromStdin); err != nil {
		return nil, err
	}
	return cs.signIn(ctx, c, p, in)
}

// reach returns an error if the server cannot be reached, so that the user learns it
// before typing a password. It does not wait for a slow server.
func (cs signInCommands) reach(ctx context.Context, c *plexauth.Client) error {
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := c.Ping(short)
	if errors.Is(err, plexauth.ErrUnreachable) && short.Err() == nil || ctx.Err() != nil {
		return err
	}
	return nil
}

// askCredentials prompts for the missing credentials.
func (cs signInCommands) askCredentials(ctx context.Context, in *plexauth.SignInRequest, fromStdin bool) (err error) {
	if in.Login == "" {
		if fromStdin || !cs.interactive() {
			return wrongUse("the login is missing")
		}
		login, err := cs.ask(ctx, "Username or e-mail: ")
		if err != nil {
			return err
		}
		in.Login = string(login)
	}
	if fromStdin {
		in.Password, err = cs.readAnswer(ctx)
		return err
	}
	if !cs.interactive() {
		return noTerminal()
	}
	in.Password, err = cs.askUnseen(ctx, "Password: ")
	return err
}

// signIn signs in. It prompts for a code as long as one is needed and the command
// can prompt.
func (cs signInCommands) signIn(ctx context.Context, c *plexauth.Client, p profile, in plexauth.SignInRequest) (*plexauth.Account, error) {
	for {
		acc, err := c.SignIn(ctx, in)
		if !errors.Is(err, plexauth.ErrVerificationRequired) {
			return acc, cs.explain(p, err)
		}
		if !cs.interactive() {
			if in.VerificationCode != "" {
				return nil, &hintError{
					errors.New("the verification code is wrong or already used"), "wait for the next code, or use a backup code",
				}
			}
			return nil, &hintError{errors.New("a verification code is required"), "pass it with --code"}
		}
		if in.VerificationCode != "" {
			fmt.Fprintln(cs.err, "That code is wrong or already used.")
		}
		if in.VerificationCode, err = cs.ask(ctx, "Verification code: "); err != nil {
			return nil, err
		}
		if in.VerificationCode == "" {
			return nil, errors.New("no code was entered")
		}
	}
}

// whoJSON is an account in --json.
type whoJSON struct {
	ID         int64     `json:"id"`         // the number of the account
	UUID       string    `json:"uuid"`       // the UUID of the account
	Username   string    `json:"username"`   // the unique name
	Email      string    `json:"email"`      // can be empty
	TwoFactor  bool      `json:"twoFactor"`  // needs a code to sign in
	JoinedAt   time.Time `json:"joinedAt"`   // when the account was created
	AccountURL string    `json:"accountUrl"` // the account plane that answered
	MediaURL   string    `json:"mediaUrl"`   // the media plane in use
}

func (cs signInCommands) printAccount(acc *plexauth.Account, p profile) error {
	who := whoJSON{acc.ID, acc.UUID, acc.Username, acc.Email, acc.TwoFactorEnabled, acc.JoinedAt, p.AccountURL, p.MediaURL}
	if cs.json {
		return cs.printJSON(who)
	}
	return cs.printFields("Signed in as", acc.Username, "E-mail", acc.Email, "Second factor", choose(acc.TwoFactorEnabled, "yes", "no"),
		"Account plane", p.AccountURL, "Media plane", p.MediaURL)
}

func (cs signInCommands) signOutCommand() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use: "signout", Short: "Revoke the stored token and delete it", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			if p.Username == "" {
				return fmt.Errorf("not signed in at %s", p.AccountURL)
			}
			err = c.SignOut(cmd.Context())
			if err != nil && !errors.Is(err, plexauth.ErrUnauthorized) {
				return cs.explain(p, err)
			}
			if err := cs.forgetToken(p); err != nil {
				return err
			}
			who := p.Username
			p.Username, p.InKeyring = "", false
			if err := cs.saveProfile(p); err != nil {
				return err
			}
			if cs.json {
				return cs.printJSON(map[string]string{"signedOut": who})
			}
			fmt.Fprintf(cs.out, "signed out %s\n", who)
			return nil
		},
	})
}

func (cs signInCommands) whoAmICommand() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use: "whoami", Short: "Show the account of the stored token", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			acc, err := c.TokenDetails(cmd.Context())
			if err != nil {
				return cs.explain(p, err)
			}
			return cs.printAccount(acc, p)
		},
	})
}
