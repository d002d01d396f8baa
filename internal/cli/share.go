package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
)

// shareCommands are the commands that manage shares.
type shareCommands struct {
	*console
	*folder
}

func (cs shareCommands) command() *cobra.Command {
	return group("share", "Manage which accounts can reach which servers",
		"Manage which accounts can reach which servers, in addition to the owners.",
		cs.change("add", "Share a server with an account", "%s can reach %s\n", (*source.Service).Share),
		cs.listFlags(cs.list()),
		cs.change("remove", "Remove a share and the tokens that depend on it", "%s can no longer reach %s\n", (*source.Service).Unshare))
}

// shareChange is a method of source.Service that adds or removes a share.
type shareChange = func(*source.Service, context.Context, audit.Actor, source.Source, int64) error

func (cs shareCommands) change(verb, short, done string, change shareChange) *cobra.Command {
	return &cobra.Command{
		Use: verb + " SERVER ACCOUNT", Short: short, Args: takes(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[1], func(ctx context.Context, c *core.Core, acc account.Account) error {
				src, err := cs.findSource(ctx, c, source.Server, args[0])
				if err != nil {
					return err
				}
				switch err := change(c.Sources, ctx, commandLine(), src, acc.ID); {
				case errors.Is(err, source.ErrShared):
					return fmt.Errorf("%s can already reach %s", acc.Username, src.Name)
				case errors.Is(err, source.ErrNotShared):
					return fmt.Errorf("%s is not shared with %s", src.Name, acc.Username)
				case err != nil:
					return err
				}
				fmt.Fprintf(cs.out, done, acc.Username, src.Name)
				return nil
			})
		},
	}
}

// shareJSON is a share in --json.
type shareJSON struct {
	Server     string    `json:"server"`     // its identifier
	ServerName string    `json:"serverName"` // its display name
	Account    string    `json:"account"`    // the account that it is shared with
	CreatedAt  time.Time `json:"createdAt"`  // when it was shared
}

func newShareJSON(s source.Share) shareJSON {
	return shareJSON{s.Identifier, s.SourceName, s.Username, s.CreatedAt}
}

func (cs shareCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List shares", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(func(r paging.Request) (paging.List[source.Share], error) { return c.Sources.Shares(ctx, r) }, newShareJSON)
				return printPages(cs.console, read, []string{"SERVER", "NAME", "ACCOUNT", "SINCE"}, func(r shareJSON) []string {
					return []string{r.Server, r.ServerName, r.Account, shortTime(r.CreatedAt)}
				})
			})
		},
	}
}
