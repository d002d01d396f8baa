package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/source"
)

// sectionCommands are the commands that manage the sections of servers.
type sectionCommands struct {
	*console
	*folder
}

func (cs sectionCommands) command() *cobra.Command {
	return group("section", "Manage the sections of servers", `Manage the sections of servers: the libraries that an owner shares one by one.
usher has no media. It reports the sections and their shares to programs; the media
server enforces them.`,
		cs.add(), cs.listFlags(cs.list()), cs.remove())
}

// onServer returns the function of a command whose first argument is a server.
func (cs sectionCommands) onServer(
	do func(ctx context.Context, c *core.Core, src source.Source, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
			src, err := cs.findSource(ctx, c, source.Server, args[0])
			if err != nil {
				return err
			}
			return do(ctx, c, src, args[1:])
		})
	}
}

// sectionJSON is a section in --json.
type sectionJSON struct {
	ID        int64     `json:"id"`        // the id that programs use to share it
	Number    int       `json:"number"`    // at the server, which programs call its key
	Name      string    `json:"name"`      // the display name
	Type      string    `json:"type"`      // movie, show, artist or photo
	CreatedAt time.Time `json:"createdAt"` // when it was added
}

func (cs sectionCommands) add() *cobra.Command {
	var sec source.Section
	cmd := &cobra.Command{
		Use: "add SERVER NAME", Short: "Add a section to a server", Args: takes(2),
		Long: `Add a section to a server. Set the number that the media server uses for it, where it
is called the key, if programs look it up by that.`,
		Example: `  usher server section add Den Movies
  usher server section add Den "TV Shows" --type show --number 2`,
	}
	cmd.Flags().StringVar(&sec.Kind, "type", source.SectionKinds[0],
		"what is in it: a `type` of media servers, "+strings.Join(source.SectionKinds, ", "))
	cmd.Flags().IntVar(&sec.Number, "number", 0, "its `number` at the server (default the next free one)")
	cmd.RunE = cs.onServer(func(ctx context.Context, c *core.Core, src source.Source, args []string) error {
		sec.Title = args[0]
		added, err := c.Sources.AddSection(ctx, commandLine(), src, sec)
		if err != nil {
			return err
		}
		fmt.Fprintf(cs.out, "added section %s (%d) to %s\n", added.Title, added.Number, src.Name)
		return nil
	})
	return cmd
}

func (cs sectionCommands) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list SERVER", Short: "List the sections of a server", Args: takes(1)}
	cmd.RunE = cs.onServer(func(ctx context.Context, c *core.Core, src source.Source, _ []string) error {
		list, err := c.Sources.Sections(ctx, src.ID)
		if err != nil {
			return err
		}
		rows := make([]sectionJSON, 0, len(list))
		for _, s := range list {
			rows = append(rows, sectionJSON{s.ID, s.Number, s.Title, s.Kind, s.CreatedAt})
		}
		return printList(cs.console, rows, []string{"NUMBER", "NAME", "TYPE", "ID", "SINCE"}, func(r sectionJSON) []string {
			return []string{strconv.Itoa(r.Number), r.Name, r.Type, strconv.FormatInt(r.ID, 10), shortTime(r.CreatedAt)}
		})
	})
	return cmd
}

func (cs sectionCommands) remove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove SERVER NAME", Short: "Remove a section of a server, also from shares", Args: takes(2),
		Long: `Remove a section of a server. Accounts that had access to this section only keep access
to the server, without a section.`,
	}
	cmd.RunE = cs.onServer(func(ctx context.Context, c *core.Core, src source.Source, args []string) error {
		gone, err := c.Sources.RemoveSection(ctx, commandLine(), src, args[0])
		if errors.Is(err, source.ErrNoSection) {
			return &hintError{fmt.Errorf("%s has no section %s", src.Name, args[0]), cs.invocation("server section list " + shellQuote(src.Identifier))}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(cs.out, "removed section %s of %s\n", gone.Title, src.Name)
		return nil
	})
	return cmd
}
