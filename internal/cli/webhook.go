package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/plexauth"
)

// webhookCommands are the commands for the webhooks of accounts.
type webhookCommands struct {
	*console
	*folder
}

func (cs webhookCommands) command() *cobra.Command {
	return group("webhook", "Show the webhooks of an account, and the secret that signs them",
		`A webhook is an address to which the server sends the events of an account: a device
signs in, or does so for the first time. The account's owner sets webhooks on
the page /account/webhooks, which also shows and replaces the secret. Programs set
them for their account, too (POST /api/v2/user/webhooks). Each request has the header
X-Usher-Signature, with which the receiver verifies that it is from this server.`,
		cs.jsonFlag(cs.list()), cs.secret())
}

func (cs webhookCommands) with(ctx context.Context, name string, do func(context.Context, *core.Core, account.Account) error) error {
	return accountCommands(cs).withAccount(ctx, name, do)
}

func (cs webhookCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list NAME", Short: "List the webhooks of an account", Args: takes(1),
		Example: "  usher webhook list mia",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.with(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, a account.Account) error {
				urls, err := c.Webhooks.URLs(ctx, a.ID)
				if err != nil {
					return err
				}
				list := make([]webhookJSON, 0, len(urls))
				for _, url := range urls {
					list = append(list, webhookJSON{url})
				}
				if cs.json {
					return cs.printJSON(list)
				}
				for _, w := range list {
					fmt.Fprintln(cs.out, w.URL)
				}
				return nil
			})
		},
	}
}

// webhookJSON is a webhook in --json.
type webhookJSON struct {
	URL string `json:"url"` // where events are sent to
}

func (cs webhookCommands) secret() *cobra.Command {
	renew := false
	cmd := &cobra.Command{
		Use: "secret NAME", Short: "Print the secret that signs the webhooks of an account",
		Long: `Print the secret that signs the webhooks of an account. A receiver computes the
HMAC-SHA256 of the field payload with it, and compares that with the header
X-Usher-Signature.`,
		Example: "  usher webhook secret mia\n  usher webhook secret mia --renew",
		Args:    takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.with(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, a account.Account) error {
				var secret plexauth.Secret
				var err error
				if renew {
					secret, err = c.Webhooks.Renew(ctx, commandLine(), a.ID)
				} else {
					secret, err = c.Webhooks.Secret(ctx, commandLine(), a.ID)
				}
				if err == nil {
					fmt.Fprintln(cs.out, string(secret))
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&renew, "renew", false, "replace it first: later requests are signed with the new one")
	return cmd
}
