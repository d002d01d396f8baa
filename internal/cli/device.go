package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// deviceCommands are the commands for the devices of accounts.
type deviceCommands struct {
	*console
	*folder
}

func (cs deviceCommands) command() *cobra.Command {
	return group("device", "List and merge the devices of an account", `List the devices that are signed in with an account, and merge two that are the same.
Name the account by its username or e-mail address, in any case.`,
		cs.listFlags(cs.list()), cs.jsonFlag(cs.merge()))
}

// deviceJSON is a device in --json.
type deviceJSON struct {
	ID               int64     `json:"id"`               // for usher device merge
	ClientIdentifier string    `json:"clientIdentifier"` // identifies the device
	Product          string    `json:"product"`          // the program
	Device           string    `json:"device"`           // the type that the device reports
	Platform         string    `json:"platform"`         // the operating system
	Address          string    `json:"address"`          // of the last sign-in
	CreatedAt        time.Time `json:"createdAt"`        // when it first signed in
	LastSeenAt       time.Time `json:"lastSeenAt"`       // to the minute
}

func newDeviceJSON(d device.Device) deviceJSON {
	return deviceJSON{
		d.ID, d.ClientIdentifier, d.Product, cmp.Or(d.Name, d.Device), d.Platform, d.Address, d.CreatedAt, d.LastSeenAt,
	}
}

func (cs deviceCommands) list() *cobra.Command {
	var search string
	cmd := &cobra.Command{
		Use: "list ACCOUNT", Short: "List the devices that are signed in with an account", Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				query := device.Query{Text: search, Order: device.BySeen}
				read := eachRow(
					func(r paging.Request) (paging.List[device.Device], error) {
						return c.Devices.Search(ctx, acc.ID, query, r)
					},
					newDeviceJSON,
				)
				return printPages(cs.console, read, []string{"ID", "PRODUCT", "DEVICE", "PLATFORM", "ADDRESS", "LAST SEEN"}, func(r deviceJSON) []string {
					return []string{fmt.Sprint(r.ID), r.Product, r.Device, r.Platform, r.Address, shortTime(r.LastSeenAt)}
				})
			})
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only devices with this `text` in the name, program, platform or address")
	return cmd
}

func (cs deviceCommands) merge() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "merge ACCOUNT FROM INTO", Short: "Merge two devices that are the same",
		Long: `Merge two devices of an account that are the same, such as a program before and after
it was reinstalled. FROM and INTO are IDs from usher device list. FROM disappears
from the list, and stays signed in as INTO: signing INTO out signs out both. A device
can have ten tokens and ten keys: beyond that, the least recently used are revoked.`,
		Example: `  usher device list mia
  usher device merge mia 7 12`,
		Args: takes(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := deviceNumber(args[1])
			if err != nil {
				return err
			}
			into, err := deviceNumber(args[2])
			if err != nil {
				return err
			}
			return cs.withAccount(cmd.Context(), args[0], func(ctx context.Context, c *core.Core, acc account.Account) error {
				return cs.mergeThem(ctx, c, acc, from, into, yes)
			})
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}

func (cs deviceCommands) mergeThem(ctx context.Context, c *core.Core, acc account.Account, from, into int64, yes bool) error {
	m, err := c.Tokens.Merging(ctx, acc.ID, from, into)
	if err == nil {
		question := fmt.Sprintf("Merge device %d (%s) into device %d (%s)?", from, m.From.Label(), into, m.Into.Label())
		if m.Ended > 0 {
			question += fmt.Sprintf(" The %d least recently used tokens and keys are revoked.", m.Ended)
		}
		err = cs.confirm(ctx, yes, question)
	}
	if err == nil {
		m, err = c.Tokens.MergeDevices(ctx, commandLine(), acc.ID, from, into)
	}
	switch {
	case errors.Is(err, token.ErrNoDevice):
		return &hintError{fmt.Errorf("account %s has no two devices %d and %d that are signed in", acc.Username, from, into),
			cs.invocation("device list " + acc.Username)}
	case errors.Is(err, token.ErrSameDevice):
		return wrongUse("a device cannot be merged with itself")
	case err != nil:
		return err
	}
	if cs.json {
		return cs.printJSON(struct {
			Moved int `json:"moved"` // tokens and keys that the other device has now
			Ended int `json:"ended"` // tokens and keys that were revoked, because there were too many
		}{m.Moved, m.Ended})
	}
	fmt.Fprintf(cs.out, "merged device %d into device %d\n", from, into)
	return nil
}

func deviceNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, wrongUse("%s is not the number of a device", text)
	}
	return id, nil
}
