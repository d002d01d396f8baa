package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// tokenCommands are the commands that manage the tokens of the data folder.
type tokenCommands struct {
	*console
	*folder
}

func (cs tokenCommands) command(lookup lookupCommands) *cobra.Command {
	return group("token", "List, revoke, inspect and derive tokens", `List and revoke the active tokens in the data folder (list, revoke), check a token
with a server (inspect), and request one (transient).

The text of a token is never listed, because usher does not store it. Transient
tokens are not stored at all, so they are not listed; they become invalid with the
token that they are derived from.`,
		cs.listFlags(cs.list()), cs.revoke(), lookup.inspectToken(), lookup.transientToken())
}

// tokenJSON is a token in --json.
type tokenJSON struct {
	ID               int64     `json:"id"`               // for usher token revoke
	Kind             string    `json:"kind"`             // access or server
	Account          string    `json:"account"`          // whose it is
	Server           string    `json:"server,omitempty"` // the only server that it is for
	ClientIdentifier string    `json:"clientIdentifier"` // identifies the device
	Product          string    `json:"product"`          // the program
	Device           string    `json:"device"`           // the type that the device reports
	Address          string    `json:"address"`          // of the last use
	CreatedAt        time.Time `json:"createdAt"`        // when it was issued
	LastUsedAt       time.Time `json:"lastUsedAt"`       // to the minute; of several nodes, to a quarter of an hour
}

func newTokenJSON(t token.Token) tokenJSON {
	return tokenJSON{
		t.ID, t.Kind.String(), t.Username, t.Source, t.Device.ClientIdentifier, t.Device.Product,
		choose(t.Device.Name != "", t.Device.Name, t.Device.Device), t.Device.Address, t.CreatedAt, t.LastUsedAt,
	}
}

func (cs tokenCommands) list() *cobra.Command {
	var owner, search string
	cmd := &cobra.Command{
		Use: "list", Short: "List active tokens", Args: takes(0),
		Long: `List active tokens, the newest first. With --search, list those of a device or program
whose name begins with a text, and without --account also those of an account, by that
name.`,
		Example: `  usher token list --search "living room"
  usher token list --account mia --search player`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				var id int64
				if owner != "" {
					acc, err := cs.findAccount(ctx, c, owner)
					if err != nil {
						return err
					}
					id = acc.ID
				}
				read := eachRow(func(r paging.Request) (paging.List[token.Token], error) { return c.Tokens.Search(ctx, search, id, r) }, newTokenJSON)
				return printPages(cs.console, read, []string{"ID", "ACCOUNT", "KIND", "PRODUCT", "DEVICE", "ADDRESS", "LAST USED"}, func(r tokenJSON) []string {
					return []string{
						fmt.Sprint(r.ID), r.Account, choose(r.Server == "", r.Kind, r.Kind+" "+r.Server), r.Product, r.Device,
						r.Address, shortTime(r.LastUsedAt),
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only tokens of a device, program or account whose name begins with this `text`")
	cmd.Flags().StringVar(&owner, "account", "", "only tokens of this `account`")
	return cmd
}

func (cs tokenCommands) revoke() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token and all tokens derived from it", Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return wrongUse("%q is not a token number", args[0])
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				_, err := c.Tokens.Get(ctx, id)
				if err == nil {
					question := fmt.Sprintf("Revoke token %d and all tokens derived from it?", id)
					err = cs.confirm(ctx, yes, question)
				}
				if err == nil {
					err = c.Tokens.Revoke(ctx, commandLine(), id)
				}
				if errors.Is(err, token.ErrNotFound) {
					return &hintError{fmt.Errorf("there is no token %d", id), cs.invocation("token list")}
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "revoked token %d\n", id)
				return nil
			})
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}
