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
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
)

// sourceCommands are the commands that manage the sources of a kind.
type sourceCommands struct {
	*console
	*folder
	kind source.Kind
}

// serverCommand is the group of the commands about servers.
func serverCommand(con *console, dir *folder) *cobra.Command {
	cs := sourceCommands{con, dir, source.Server}
	return group("server", "Manage the servers that accounts can reach", `Manage the servers that accounts can reach. Name a server by its machine
identifier, its name, or the beginning of either. A server is listed for its owner
and for the accounts it is shared with.`,
		cs.add(), cs.listFlags(cs.list()), cs.remove(), sectionCommands{con, dir}.command())
}

// providerCommand is the group of the commands about providers.
func providerCommand(con *console, dir *folder) *cobra.Command {
	cs := sourceCommands{con, dir, source.Provider}
	return group("provider", "Manage the providers that servers can ask for", `Manage providers: sources that a server requests as provider://ID, such as a guide
or a cloud library.`,
		cs.add(), cs.listFlags(cs.list()), cs.remove())
}

// connectionFlags collects each --connection and the --local and --relay that
// follow it, in the order of the command line.
type connectionFlags struct {
	list []source.Connection
	said string // the flag that follows the last connection: "local" or "relay"
}

// Set implements pflag.Value for --connection.
func (c *connectionFlags) Set(uri string) error {
	conn := source.Connection{URI: uri, Local: source.LooksLocal(uri)}
	if _, err := source.ParseConnection(conn.URI, conn.Local, conn.Relay); err != nil {
		return err
	}
	c.list, c.said = append(c.list, conn), ""
	return nil
}

// String implements pflag.Value.
func (c *connectionFlags) String() string { return "" }

// Type implements pflag.Value.
func (c *connectionFlags) Type() string { return "URI" }

// mark is a flag that describes the preceding connection.
type mark struct {
	of   *connectionFlags
	name string
	set  func(*source.Connection, bool)
}

// Set implements pflag.Value.
func (m mark) Set(text string) error {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("must be true or false")
	}
	if len(m.of.list) == 0 {
		return errors.New("must follow the --connection that it describes")
	}
	switch {
	case on && m.of.said != "" && m.of.said != m.name:
		return errors.New("a connection is either --local or --relay")
	case on:
		m.of.said = m.name
	case m.of.said == m.name:
		m.of.said = ""
	}
	m.set(&m.of.list[len(m.of.list)-1], on)
	return nil
}

// String implements pflag.Value.
func (m mark) String() string { return "" }

// Type implements pflag.Value; with it, help shows the flag like a bool.
func (m mark) Type() string { return "bool" }

func (cs sourceCommands) add() *cobra.Command {
	src := source.Source{Kind: cs.kind}
	var connections connectionFlags
	var owner string
	cmd := &cobra.Command{
		Use:   "add NAME --id ID --connection URI [--local|--relay] …",
		Short: "Add a " + string(cs.kind),
		Example: `  usher ` + string(cs.kind) + ` add Den --id 5f3a…c9 --connection http://192.168.1.5:32400
  usher ` + string(cs.kind) + ` add Den --id 5f3a…c9 --owner mia \
      --connection http://192.168.1.5:32400 --local \
      --connection https://relay.example.org:443 --relay`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.Name, src.Connections = args[0], connections.list
			if src.Identifier == "" {
				return wrongUse("--id is missing")
			}
			if len(src.Connections) == 0 {
				return wrongUse("--connection is missing")
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				return cs.store(ctx, c, src, owner)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&src.Identifier, "id", "", "its machine `identifier`")
	f.Var(&connections, "connection", "`URI` at which clients reach it; can be repeated")
	f.Var(mark{&connections, "local", func(c *source.Connection, on bool) { c.Local = on }}, "local",
		"the preceding connection is on the local network (default for private addresses)")
	f.Var(mark{&connections, "relay", func(c *source.Connection, on bool) { c.Relay = on }}, "relay", "the preceding connection is a relay")
	f.Lookup("local").NoOptDefVal, f.Lookup("relay").NoOptDefVal = "true", "true"
	f.StringVar(&owner, "owner", "", "`account` that owns it (default every admin)")
	f.BoolVar(&src.Everyone, "everyone", false, "share it with every account")
	f.StringVar(&src.Product, "product", "Plex Media Server", "`product` name in lists of servers")
	f.StringVar(&src.ProductVersion, "product-version", "", "the product's `version`")
	if cs.kind == source.Server {
		f.StringVar(&src.Platform, "platform", "", "`system` that it runs on, such as Linux")
		f.StringVar(&src.PlatformVersion, "platform-version", "", "the system's `version`")
		f.StringVar(&src.Device, "device", "", "`machine` that it runs on, such as PC")
	}
	return cmd
}

func (cs sourceCommands) store(ctx context.Context, c *core.Core, src source.Source, owner string) error {
	if owner != "" {
		acc, err := cs.findAccount(ctx, c, owner)
		if err != nil {
			return err
		}
		src.OwnerID = acc.ID
	}
	added, err := c.Sources.Add(ctx, commandLine(), src)
	if errors.Is(err, source.ErrExists) {
		return fmt.Errorf("a %s with the identifier %s already exists", src.Kind, src.Identifier)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cs.out, "added %s %s\n", src.Kind, added)
	return cs.warnOfNamesakes(ctx, c, added)
}

// warnOfNamesakes prints a warning if other sources have the name of a new one: users
// cannot distinguish them.
func (cs sourceCommands) warnOfNamesakes(ctx context.Context, c *core.Core, added source.Source) error {
	for other, err := range c.Sources.All(ctx, added.Kind) {
		if err != nil {
			return err
		}
		if other.Identifier != added.Identifier && strings.EqualFold(other.Name, added.Name) {
			fmt.Fprintf(cs.err, "warning: another %s has this name: %s\n", added.Kind, other)
		}
	}
	return nil
}

// sourceJSON is a server or provider in --json.
type sourceJSON struct {
	Identifier  string           `json:"identifier"`  // identifies the source
	Name        string           `json:"name"`        // the display name
	Owner       string           `json:"owner"`       // empty: every admin
	Everyone    bool             `json:"everyone"`    // shared with every account
	Connections []connectionJSON `json:"connections"` // never null
	CreatedAt   time.Time        `json:"createdAt"`   // when it was added
}

type connectionJSON struct {
	URI   string `json:"uri"`   // the address to use
	Local bool   `json:"local"` // in the server's network
	Relay bool   `json:"relay"` // through a relay
}

func newSourceJSON(src source.Source) sourceJSON {
	row := sourceJSON{src.Identifier, src.Name, src.OwnerName, src.Everyone, []connectionJSON{}, src.CreatedAt}
	for _, c := range src.Connections {
		row.Connections = append(row.Connections, connectionJSON{c.URI, c.Local, c.Relay})
	}
	return row
}

func (cs sourceCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List " + string(cs.kind) + "s", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(func(r paging.Request) (paging.List[source.Source], error) { return c.Sources.List(ctx, cs.kind, r) }, newSourceJSON)
				return printPages(cs.console, read, []string{"IDENTIFIER", "NAME", "OWNER", "CONNECTIONS"}, sourceCells)
			})
		},
	}
}

func sourceCells(r sourceJSON) []string {
	owner := choose(r.Owner == "", "admins", r.Owner)
	where := "where this server listens"
	if len(r.Connections) > 0 {
		where = r.Connections[0].URI
		if n := len(r.Connections) - 1; n > 0 {
			where += fmt.Sprintf(" and %d more", n)
		}
	}
	return []string{r.Identifier, r.Name, owner, where}
}

func (cs sourceCommands) remove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove " + strings.ToUpper(string(cs.kind)), Args: takes(1),
		Short: "Remove a " + string(cs.kind) + ", its shares and the tokens for it",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				src, err := cs.findSource(ctx, c, cs.kind, args[0])
				if err != nil {
					return err
				}
				question := fmt.Sprintf("Remove %s %s, its shares and the tokens for it?", cs.kind, src)
				if err := cs.confirm(ctx, yes, question); err != nil {
					return err
				}
				err = c.Sources.Remove(ctx, commandLine(), source.Ref{Kind: cs.kind, Identifier: src.Identifier})
				if errors.Is(err, source.ErrSelf) {
					return &hintError{source.ErrSelf, "once it runs with another --server-id, an admin can remove this one at /admin/servers"}
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "removed %s %s\n", cs.kind, src.Identifier)
				return nil
			})
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}
