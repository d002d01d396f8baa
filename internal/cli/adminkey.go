package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
)

// adminKeyCommands are the commands that manage the keys of the admin API.
type adminKeyCommands struct {
	*console
	*folder
}

func (cs adminKeyCommands) command() *cobra.Command {
	return group("admin-key", "Manage the keys of the admin API", `Manage the keys with which programs use the admin API, below /admin/api. Each key
has scopes, which define what it can do. docs/admin-api.md describes the API.`,
		cs.jsonFlag(cs.create()), cs.listFlags(cs.list()), cs.revoke())
}

func (cs adminKeyCommands) create() *cobra.Command {
	var n adminkey.NewKey
	var expires string
	cmd := &cobra.Command{
		Use: "create NAME --scope SCOPE …", Short: "Create a key, and print it once",
		Long: `Create a key of the admin API, and print it. Only its hash is stored, so it cannot be
printed again. The audit log names the key in each change that it makes.

A scope with :write includes the one with :read. The scopes are:

` + listScopes(),
		Example: `  usher admin-key create dashboard --scope status:read --scope accounts:read
  usher admin-key create invites --scope accounts:write --expires 720h`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			n.Name = args[0]
			if n.Expires, err = expiryTime(expires, time.Now()); err != nil {
				return err
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				secret, k, err := c.AdminKeys.Make(ctx, commandLine(), n)
				switch {
				case fault.KindOf(err) == fault.Invalid:
					return wrongUse("%w", err)
				case errors.Is(err, adminkey.ErrExists):
					return &hintError{fmt.Errorf("a key %s exists already", n.Name), cs.invocation("admin-key list")}
				case err != nil:
					return err
				}
				if cs.json {
					return cs.printJSON(struct {
						Key string `json:"key"` // the secret
						adminKeyJSON
					}{string(secret), newAdminKeyJSON(adminkey.Stored{Key: k}, time.Now())})
				}
				fmt.Fprintln(cs.out, string(secret))
				fmt.Fprintf(cs.err, "store it: it cannot be shown again; revoke it with %s\n", cs.invocation("admin-key revoke "+k.Name))
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&n.Scopes, "scope", nil, "`scope` of the key; can be repeated")
	cmd.Flags().StringVar(&expires, "expires", "", "`time` at which the key expires: a duration from now such as 720h, or a date such as 2027-01-31 (default never)")
	return cmd
}

// listScopes lists the scopes for the help.
func listScopes() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, columnGap, ' ', 0)
	for _, m := range adminkey.Scopes() {
		fmt.Fprintf(w, "  %s\t%s\n", m.Scope, m.Means)
	}
	_ = w.Flush() // a strings.Builder never fails
	return strings.TrimRight(b.String(), "\n")
}

// expiryTime parses a duration from now, or a date in the local time zone. For an empty
// text, it returns the zero time.
func expiryTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if life, err := time.ParseDuration(text); err == nil {
		return now.Add(life), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, wrongUse("--expires %s is neither a duration such as 720h nor a date such as 2027-01-31", text)
	}
	return at, nil
}

// adminKeyJSON is a key of the admin API in --json.
type adminKeyJSON struct {
	ID         int64            `json:"id"`         // counts up
	Name       string           `json:"name"`       // as in the audit log
	Scopes     []adminkey.Scope `json:"scopes"`     // what it allows
	Maker      string           `json:"maker"`      // the account that created it; empty: the command line
	Valid      bool             `json:"valid"`      // has not expired, and its maker is not disabled
	CreatedAt  time.Time        `json:"createdAt"`  // when it was created
	LastUsedAt *time.Time       `json:"lastUsedAt"` // to the minute; null: never
	ExpiresAt  *time.Time       `json:"expiresAt"`  // null: never
}

func newAdminKeyJSON(k adminkey.Stored, now time.Time) adminKeyJSON {
	return adminKeyJSON{k.ID, k.Name, k.Scopes, k.Maker, k.Valid(now), k.CreatedAt, orNull(k.LastUsedAt), orNull(k.ExpiresAt)}
}

// orNull returns nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (cs adminKeyCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(
					func(r paging.Request) (paging.List[adminkey.Stored], error) { return c.AdminKeys.List(ctx, r) },
					func(k adminkey.Stored) adminKeyJSON { return newAdminKeyJSON(k, time.Now()) },
				)
				return printPages(cs.console, read, []string{"NAME", "MADE BY", "STATE", "EXPIRES", "LAST USED", "SCOPES"}, adminKeyCells)
			})
		},
	}
}

func adminKeyCells(r adminKeyJSON) []string {
	when := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return shortTime(*t)
	}
	var scopes strings.Builder
	for i, s := range r.Scopes {
		scopes.WriteString(choose(i > 0, " ", "") + string(s))
	}
	return []string{
		r.Name, choose(r.Maker == "", "command line", r.Maker), choose(r.Valid, "valid", "not valid"), when(r.ExpiresAt),
		when(r.LastUsedAt), scopes.String(),
	}
}

func (cs adminKeyCommands) revoke() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Revoke a key", Args: takes(1),
		Long: "Revoke a key of the admin API. A running server rejects it within a second. The\ninvitations and reset links that it created, and that were not used, become invalid.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				k, err := c.AdminKeys.ByName(ctx, args[0])
				if err == nil {
					err = cs.confirm(ctx, yes, fmt.Sprintf("Revoke the key %s? Programs that use it stop working, and the links that it created become invalid.", k.Name))
				}
				if err == nil {
					err = c.AdminKeys.Revoke(ctx, commandLine(), k.ID)
				}
				if errors.Is(err, adminkey.ErrNotFound) {
					return &hintError{fmt.Errorf("there is no key %s", args[0]), cs.invocation("admin-key list")}
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cs.out, "revoked the key %s\n", k.Name)
				return nil
			})
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}
