package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/paging"
)

// originCommands are the commands that manage the list of allowed origins.
type originCommands struct {
	*console
	*folder
}

func (cs originCommands) command() *cobra.Command {
	return group("origin", "Manage the sites that users are sent back to after sign-in", `Manage the origins, scheme://host[:port], that users are redirected to after they signed
in, without asking. For any other address, users see the whole address first, and follow
a link.`,
		cs.change("add", "Allow an origin", "added %s to the allowed origins\n", (*origin.Service).Allow),
		cs.listFlags(cs.list()),
		cs.change("remove", "Remove an allowed origin", "removed %s from the allowed origins\n", (*origin.Service).Remove))
}

func (cs originCommands) change(
	verb, short, done string, change func(*origin.Service, context.Context, audit.Actor, string) (string, error),
) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ORIGIN", Short: short, Args: takes(1),
		Example: "  usher origin " + verb + " https://app.example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				changed, err := change(c.Origins, ctx, commandLine(), args[0])
				switch {
				case fault.KindOf(err) == fault.Invalid:
					return wrongUse("%w", err)
				case errors.Is(err, origin.ErrExists):
					return fmt.Errorf("%s is already allowed", changed)
				case errors.Is(err, origin.ErrNotFound):
					return &hintError{fmt.Errorf("%s is not allowed", changed), cs.invocation("origin list")}
				case err != nil:
					return err
				}
				fmt.Fprintf(cs.out, done, changed)
				return nil
			})
		},
	}
}

// originJSON is an allowed origin in --json.
type originJSON struct {
	Origin    string    `json:"origin"`    // scheme, host and port
	CreatedAt time.Time `json:"createdAt"` // when it was allowed
}

func (cs originCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the allowed origins", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(
					func(r paging.Request) (paging.List[origin.Origin], error) { return c.Origins.List(ctx, r) },
					func(o origin.Origin) originJSON { return originJSON(o) },
				)
				return printPages(cs.console, read, []string{"ORIGIN", "SINCE"}, func(r originJSON) []string {
					return []string{r.Origin, shortTime(r.CreatedAt)}
				})
			})
		},
	}
}
