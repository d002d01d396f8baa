package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/plexauth"
)

// lookupCommands are the commands that ask a server with the token that signin stored.
type lookupCommands struct {
	*console
	*remote
}

func (cs lookupCommands) transientToken() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use:   "transient",
		Short: "Print a transient token, which expires on its own",
		Long: `Print a transient token of the media server. It gives the same access as the
stored token. It expires after 48 hours, and becomes invalid when the server
restarts or the stored token is revoked. No other command prints a token.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			t, err := c.TransientToken(cmd.Context())
			if err != nil {
				return cs.explain(p, err)
			}
			if cs.json {
				return cs.printJSON(struct {
					Token     string    `json:"token"`
					ExpiresAt time.Time `json:"expiresAt"`
				}{string(t.Token), t.ExpiresAt})
			}
			fmt.Fprintln(cs.out, string(t.Token))
			fmt.Fprintln(cs.err, "it expires at", shortTime(t.ExpiresAt))
			return nil
		},
	})
}

// inspection describes a token in --json.
type inspection struct {
	// Good reports whether the server accepts the token.
	Good bool `json:"good"`
	// Kind is the kind of token, as far as its text and the server show it.
	Kind string `json:"kind"`
	// Account is the token's account; empty if the server does not return it.
	Account string `json:"account,omitempty"`
	// ExpiresAt is absent if the token does not contain it.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Ends describes in words when the token becomes invalid.
	Ends string `json:"ends"`
	// Server is the server that checked the token.
	Server string `json:"server"`
}

func (cs lookupCommands) inspectToken() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use:   "inspect TOKEN|-",
		Short: "Show the kind, account, expiry and validity of a token",
		Long: `Show the kind of a token, its account, when it expires, and whether the server of
the profile accepts it. The token is not printed. "-" reads it from standard
input, which keeps it out of the shell's history.`,
		Example: `  usher token inspect - < token.txt`,
		Args:    takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token := plexauth.Secret(args[0])
			if args[0] == "-" {
				var err error
				if token, err = cs.readAnswer(cmd.Context()); err != nil {
					return err
				}
			}
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			c.Token = plexauth.StaticToken(token)
			found, err := inspect(cmd.Context(), c, token)
			if err != nil {
				return cs.explain(p, err)
			}
			found.Server = p.AccountURL
			if err := cs.printInspection(found); err != nil {
				return err
			}
			if !found.Good {
				return fmt.Errorf("the token is not valid at %s", p.AccountURL)
			}
			return nil
		},
	})
}

func (cs lookupCommands) printInspection(i inspection) error {
	if cs.json {
		return cs.printJSON(i)
	}
	ends := i.Ends
	if i.ExpiresAt != nil {
		ends = shortTime(*i.ExpiresAt)
	}
	return cs.printFields("Kind", i.Kind, "Account", i.Account, "Ends", ends, "Server", i.Server,
		"Valid there", choose(i.Good, "yes", "no"))
}

// inspect describes a token, from its text and from the server's responses.
func inspect(ctx context.Context, c *plexauth.Client, token plexauth.Secret) (inspection, error) {
	i := inspection{Kind: "unknown", Ends: "unknown"}
	switch {
	case token == "":
		return i, wrongUse("the token is empty")
	case strings.HasPrefix(string(token), "transient-"):
		i.Kind, i.Ends = "transient", "after 48 hours, when its server restarts, or when the token that it is derived from is revoked"
	case strings.Count(string(token), ".") == 2:
		i.Kind = "JWT"
		if i.ExpiresAt = jwtExpiry(token); i.ExpiresAt != nil {
			i.Ends = "when it expires"
		}
	case len(token) == 20:
		i.Kind, i.Ends = "access or server", "when it is revoked"
	}
	acc, err := c.TokenDetails(ctx)
	if errors.Is(err, plexauth.ErrUnauthorized) || errors.Is(err, plexauth.ErrTokenExpired) {
		i.Ends = "" // it is invalid already
		return i, nil
	}
	if err != nil {
		return i, err
	}
	i.Good, i.Account = true, acc.Username
	if len(token) != 20 {
		return i, nil
	}
	// A token for one server cannot list the others.
	if _, err := c.Resources(ctx); err == nil {
		i.Kind = "access"
	} else if errors.Is(err, plexauth.ErrForbidden) || errors.Is(err, plexauth.ErrUnauthorized) {
		i.Kind, i.Ends = "server", "when the token that listed the server is revoked, or the share is removed"
	}
	return i, nil
}

// lastSecond is the end of the year 9999: JSON has no later times.
const lastSecond = 253402300799

// jwtExpiry reads the expiry claim of a JWT. It does not verify the JWT: the
// server does that.
func jwtExpiry(token plexauth.Secret) *time.Time {
	parts := strings.Split(string(token), ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct{ Exp int64 }
	if json.Unmarshal(text, &claims) != nil || claims.Exp <= 0 || claims.Exp > lastSecond {
		return nil
	}
	at := time.Unix(claims.Exp, 0)
	return &at
}

func (cs lookupCommands) sourceCommand() *cobra.Command {
	return group("source", "Read the sources of a media server", "", cs.showSource())
}

// wayJSON is a connection of a resource in --json.
type wayJSON struct {
	URI      string `json:"uri"`      // the address to use
	Protocol string `json:"protocol"` // http or https
	Address  string `json:"address"`  // host name or IP address
	Port     int    `json:"port"`     // explicit or default
	Local    bool   `json:"local"`    // in the server's network
	Relay    bool   `json:"relay"`    // through a relay
}

func newWays(list []plexauth.Connection) []wayJSON {
	ways := make([]wayJSON, 0, len(list))
	for _, c := range list {
		ways = append(ways, wayJSON{c.URI, c.Protocol, c.Address, c.Port, c.Local, c.Relay})
	}
	return ways
}

func (cs lookupCommands) showSource() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use:     "show SOURCE",
		Short:   "Show the connections of a source (admins only)",
		Long:    "Show the connections of a source, server://ID or provider://ID. The transient token in the response is not printed.",
		Example: `  usher source show server://5f3a…c9`,
		Args:    takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := plexauth.ParseSource(args[0])
			if err != nil {
				return wrongUse("%s", strings.TrimPrefix(err.Error(), "plexauth: "))
			}
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			got, err := c.SourceConnection(cmd.Context(), source)
			if err != nil {
				return cs.explain(p, err)
			}
			ways := newWays(got.Connections)
			if cs.json {
				return cs.printJSON(struct {
					Name             string    `json:"name"`
					ClientIdentifier string    `json:"clientIdentifier"`
					Connections      []wayJSON `json:"connections"`
				}{got.Name, got.ClientIdentifier, ways})
			}
			fmt.Fprintf(cs.out, "%s (%s)\n\n", printable([]string{got.Name})[0], printable([]string{got.ClientIdentifier})[0])
			return printList(cs.console, ways, []string{"URI", "NETWORK"}, func(w wayJSON) []string {
				return []string{w.URI, choose(w.Relay, "relay", choose(w.Local, "local", "remote"))}
			})
		},
	})
}

// resourceJSON is a server in --json.
type resourceJSON struct {
	Name             string    `json:"name"`             // the display name
	ClientIdentifier string    `json:"clientIdentifier"` // identifies the server
	Product          string    `json:"product"`          // the program
	Provides         []string  `json:"provides"`         // its roles
	Owned            bool      `json:"owned"`            // by the account
	Owner            string    `json:"owner,omitempty"`  // absent if owned
	Connections      []wayJSON `json:"connections"`      // never null
}

func (cs lookupCommands) resourcesCommand() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use: "resources", Short: "List the servers that the signed-in account can reach", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			list, err := c.Resources(cmd.Context())
			if err != nil {
				return cs.explain(p, err)
			}
			rows := make([]resourceJSON, 0, len(list))
			for _, r := range list {
				rows = append(rows, resourceJSON{
					r.Name, r.ClientIdentifier, r.Product, r.Provides, r.Owned, r.SourceTitle, newWays(r.Connections),
				})
			}
			return printList(cs.console, rows, []string{"NAME", "IDENTIFIER", "PRODUCT", "OWNER", "CONNECTIONS"}, func(r resourceJSON) []string {
				return []string{r.Name, r.ClientIdentifier, r.Product, choose(r.Owned, "you", r.Owner), waysInBrief(r.Connections)}
			})
		},
	})
}

// waysInBrief returns the first connection and the number of the others.
func waysInBrief(ways []wayJSON) string {
	switch len(ways) {
	case 0:
		return ""
	case 1:
		return ways[0].URI
	}
	return fmt.Sprintf("%s and %d more", ways[0].URI, len(ways)-1)
}
