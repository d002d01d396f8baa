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
		Short: "Print a transient token, which ends by itself",
		Long: `Print a transient token of the media server: it reaches what the kept token
reaches, and ends after 48 hours, with a restart of the server, or with the kept
token. This is the one command that prints a token; it is what it is for.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			t, err := c.TransientToken(cmd.Context())
			if err != nil {
				return cs.told(p, err)
			}
			if cs.json {
				return cs.printJSON(struct {
					Token     string    `json:"token"`
					ExpiresAt time.Time `json:"expiresAt"`
				}{string(t.Token), t.ExpiresAt})
			}
			fmt.Fprintln(cs.out, string(t.Token))
			fmt.Fprintln(cs.err, "It ends at", shortTime(t.ExpiresAt)+".")
			return nil
		},
	})
}

// inspection is what is found out about a token, in --json.
type inspection struct {
	Good bool   `json:"good"`
	Kind string `json:"kind"`
	// Account is whose it is; empty when the server does not say.
	Account string `json:"account,omitempty"`
	// ExpiresAt is absent when the token does not say.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Ends      string     `json:"ends"`
	Server    string     `json:"server"`
}

func (cs lookupCommands) inspectToken() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use:   "inspect TOKEN|-",
		Short: "Say what a token is, whose, until when, and whether it is good here",
		Long: `Say what kind of token this is, whose, until when, and whether it is good at the
server of the profile, without printing it. "-" reads it from standard input,
which keeps it out of the shell's history.`,
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
				return cs.told(p, err)
			}
			found.Server = p.AccountURL
			if err := cs.printInspection(found); err != nil {
				return err
			}
			if !found.Good {
				return fmt.Errorf("the token is not good at %s", p.AccountURL)
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
		"Good there", choose(i.Good, "yes", "no"))
}

// inspect asks the server about a token, and looks at what it shows by itself.
func inspect(ctx context.Context, c *plexauth.Client, token plexauth.Secret) (inspection, error) {
	i := inspection{Kind: "unknown", Ends: "unknown"}
	switch {
	case token == "":
		return i, wrongUse("the token is empty")
	case strings.HasPrefix(string(token), "transient-"):
		i.Kind, i.Ends = "transient", "after 48 hours, with a restart of its server, or with the token it was made from"
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
		i.Ends = "" // it has
		return i, nil
	}
	if err != nil {
		return i, err
	}
	i.Good, i.Account = true, acc.Username
	if len(token) != 20 {
		return i, nil
	}
	// What a token for one server cannot do is list the others.
	if _, err := c.Resources(ctx); err == nil {
		i.Kind = "access"
	} else if errors.Is(err, plexauth.ErrForbidden) || errors.Is(err, plexauth.ErrUnauthorized) {
		i.Kind, i.Ends = "server", "with the token that listed the server, or with the share"
	}
	return i, nil
}

// jwtExpiry reads when a JWT says that it ends. Nothing is verified: the
// server does that.
func jwtExpiry(token plexauth.Secret) *time.Time {
	parts := strings.Split(string(token), ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct{ Exp int64 }
	if json.Unmarshal(text, &claims) != nil || claims.Exp == 0 {
		return nil
	}
	at := time.Unix(claims.Exp, 0)
	return &at
}

func (cs lookupCommands) sourceCommand() *cobra.Command {
	return group("source", "Ask a media server about its sources", "", cs.showSource())
}

// wayJSON is a connection in --json.
type wayJSON struct {
	URI      string `json:"uri"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Local    bool   `json:"local"`
	Relay    bool   `json:"relay"`
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
		Short:   "Say how a source is reached; an admin's sign-in is needed",
		Long:    "Say how a source, server://ID or provider://ID, is reached. The transient token that comes with it is not printed.",
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
				return cs.told(p, err)
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
	Name             string    `json:"name"`
	ClientIdentifier string    `json:"clientIdentifier"`
	Product          string    `json:"product"`
	Provides         []string  `json:"provides"`
	Owned            bool      `json:"owned"`
	Owner            string    `json:"owner,omitempty"`
	Connections      []wayJSON `json:"connections"`
}

func (cs lookupCommands) resourcesCommand() *cobra.Command {
	return cs.clientCommand(&cobra.Command{
		Use: "resources", Short: "List the servers that the signed-in account reaches", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := cs.newClient()
			if err != nil {
				return err
			}
			list, err := c.Resources(cmd.Context())
			if err != nil {
				return cs.told(p, err)
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

// waysInBrief is the first connection, and how many more there are.
func waysInBrief(ways []wayJSON) string {
	switch len(ways) {
	case 0:
		return ""
	case 1:
		return ways[0].URI
	}
	return fmt.Sprintf("%s and %d more", ways[0].URI, len(ways)-1)
}
