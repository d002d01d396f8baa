package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
)

// auditCommands are the commands that read the audit log.
type auditCommands struct {
	*console
	*folder
}

func (cs auditCommands) command() *cobra.Command {
	return group("audit", "Read and verify the audit log", `Read the log of sign-ins, rejections and changes, and verify that it was not
tampered with. docs/reference.md lists the events. These commands work whether or
not the server is running.`,
		cs.listFlags(cs.list()), cs.jsonFlag(cs.verify()))
}

// auditOptions are the flags of usher audit list.
type auditOptions struct {
	account, since string
	events         []string
	follow         bool
}

func (cs auditCommands) list() *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events, oldest first",
		Long: `List events, oldest first. With --follow, list the last ten rows and then new rows
as they are written, until Ctrl-C. With --limit, list the last rows. With --json,
each row is an object on one line.

The events are:

` + listEvents(),
		Example: `  usher audit list --since 24h
  usher audit list --account mia --event sign-in.refused --event pin.refused
  usher audit list --follow --json`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error { return cs.print(ctx, c, o) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.account, "account", "", "only events about this `account`")
	f.StringArrayVar(&o.events, "event", nil, "only this `event`, such as sign-in.refused; can be repeated")
	f.StringVar(&o.since, "since", "", "only events since this `time`: a duration before now such as 24h, or a date such as 2026-01-31")
	f.BoolVar(&o.follow, "follow", false, "wait for new rows and print them")
	return cmd
}

// followEvery is how often --follow polls the log. The server may be another
// process, so it cannot notify this one.
const followEvery = 250 * time.Millisecond

// auditPage is how many rows are read at a time.
const auditPage = 1000

// followed is how many existing rows --follow prints first.
const followed = 10

func (cs auditCommands) print(ctx context.Context, c *core.Core, o auditOptions) error {
	if cs.limit < 0 {
		return errLimit
	}
	q, err := cs.query(ctx, c, o)
	last := cs.limit
	if last == 0 && o.follow && o.since == "" {
		last = followed
	}
	if err == nil && last > 0 {
		q.After, err = beforeLast(ctx, c, q, last)
	}
	if err != nil {
		return err
	}
	width, _ := cs.size()
	t := &table{width: width, header: auditHeader, whole: 1}
	if o.follow || width == 0 {
		t.least = auditWidths
	}
	if o.follow {
		return cs.follow(ctx, c, q, t)
	}
	return cs.paged(func() error {
		t.out = cs.out
		for more := true; more; {
			var err error
			if more, err = cs.printPage(ctx, c, &q, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// follow prints rows until Ctrl-C. That is how users stop it, so it is not an error.
func (cs auditCommands) follow(ctx context.Context, c *core.Core, q audit.Query, t *table) error {
	t.out = cs.out
	for {
		more, err := cs.printPage(ctx, c, &q, t)
		if err == nil && !more {
			select {
			case <-ctx.Done():
			case <-time.After(followEvery):
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// printPage prints the next rows of a query and advances it. more is true if there may
// be more rows already.
func (cs auditCommands) printPage(ctx context.Context, c *core.Core, q *audit.Query, t *table) (more bool, err error) {
	newest, err := beforeLast(ctx, c, audit.Query{}, 1)
	if err != nil {
		return false, err
	}
	page := *q
	page.OldestFirst = true
	list, err := c.Audit.List(ctx, page)
	if err != nil {
		return false, err
	}
	if err := cs.printRows(list, t); err != nil {
		return false, err
	}
	if n := len(list); n > 0 {
		q.After = list[n-1].ID
	}
	if len(list) == q.Limit {
		return true, nil
	}
	q.After = max(q.After, newest) // do not read filtered rows again
	return false, nil
}

// beforeLast returns the ID of the row before the last n.
func beforeLast(ctx context.Context, c *core.Core, q audit.Query, n int) (int64, error) {
	q.Limit = n
	list, err := c.Audit.List(ctx, q)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].ID - 1, nil
}

// listEvents lists the kinds of event for the help.
func listEvents() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, columnGap, ' ', 0)
	for _, m := range audit.Meanings() {
		fmt.Fprintf(w, "  %s\t%s\n", m.Kind, m.Means)
	}
	_ = w.Flush() // a strings.Builder never fails
	return strings.TrimRight(b.String(), "\n")
}

// auditQuery turns flags into a query.
func (cs auditCommands) query(ctx context.Context, c *core.Core, o auditOptions) (q audit.Query, err error) {
	q.Limit = auditPage
	if q.Events, err = auditEvents(o.events); err != nil {
		return q, err
	}
	if o.since != "" {
		if q.Since, err = sinceTime(o.since, time.Now()); err != nil {
			return q, err
		}
	}
	if o.account == "" {
		return q, nil
	}
	acc, err := c.Accounts.Find(ctx, o.account)
	if !errors.Is(err, account.ErrNotFound) {
		q.Account = acc.ID
		return q, err
	}
	// The log still has the events of removed accounts.
	q.Username = o.account
	gone, err := c.Audit.List(ctx, audit.Query{Username: o.account, Limit: 1})
	if err == nil && len(gone) == 0 {
		_, err = cs.findAccount(ctx, c, o.account)
	}
	return q, err
}

// auditEvents parses the names of events, without duplicates.
func auditEvents(names []string) (kinds []audit.Kind, err error) {
	for _, name := range names {
		known := func(m audit.Meaning) bool { return string(m.Kind) == name }
		if !slices.ContainsFunc(audit.Meanings(), known) {
			return nil, wrongUse("unknown event %s: docs/reference.md lists the events", name)
		}
		kinds = append(kinds, audit.Kind(name))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// sinceTime parses a duration before now, or a date in the local time zone.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil {
		if ago < 0 {
			return now, wrongUse("--since %s is negative: use %s", text, strings.TrimPrefix(text, "-"))
		}
		return now.Add(-ago), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, wrongUse("--since %s is neither a duration such as 24h nor a date such as 2026-01-31", text)
	}
	return at, nil
}

// auditJSON is a row of the audit log in --json.
type auditJSON struct {
	ID        int64     `json:"id"`        // counts up from 1
	At        time.Time `json:"at"`        // when it happened
	Event     string    `json:"event"`     // see usher audit list --help
	AccountID int64     `json:"accountId"` // 0: no known account
	Account   string    `json:"account"`   // its name at the time
	Actor     string    `json:"actor"`     // empty: the account itself
	Device    string    `json:"device"`    // the name that the device reported
	Address   string    `json:"address"`   // of the client
	Detail    string    `json:"detail"`    // further details
	Hash      string    `json:"hash"`      // of this row and the previous one
}

// printRows prints rows as JSON objects, one on each line, or as a table.
func (cs auditCommands) printRows(list []audit.Entry, t *table) error {
	if !cs.json {
		lines := make([][]string, len(list))
		for i, e := range list {
			lines[i] = printable([]string{
				e.At.Local().Format(time.DateTime), string(e.Event), e.Account, e.Actor, e.Address, e.Device, e.Detail,
			})
		}
		return t.write(lines)
	}
	enc := json.NewEncoder(cs.out)
	enc.SetEscapeHTML(false)
	for _, e := range list {
		err := enc.Encode(auditJSON{
			e.ID, e.At, string(e.Event), e.AccountID, e.Account, e.Actor, e.Device, e.Address, e.Detail, fmt.Sprintf("%x", e.Hash),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// auditHeader are the columns, and auditWidths their usual widths, which --follow uses
// because it does not know the rows to come.
var (
	auditHeader = []string{"TIME", "EVENT", "ACCOUNT", "BY", "ADDRESS", "DEVICE", "DETAIL"}
	auditWidths = []int{19, 21, 12, 20, 15, 24, 6}
)

func (cs auditCommands) verify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Verify that no row of the audit log was changed or is missing",
		Long: `Verify that no row of the audit log was changed or is missing. If one was or is,
print the first and exit with code 1. docs/security-model.md explains what this
can detect and what it cannot.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				rows, err := c.Audit.Verify(ctx)
				broken := (*audit.BrokenChainError)(nil)
				if err != nil && !errors.As(err, &broken) {
					return err
				}
				if broken != nil {
					err = broken // without the context of the wrapping error
				}
				if cs.json {
					return errors.Join(err, cs.printJSON(newVerifiedJSON(rows, broken)))
				}
				if err == nil {
					fmt.Fprintf(cs.out, "the audit log is intact (%d rows)\n", rows)
				}
				return err
			})
		},
	}
}

// verifiedJSON is the result of a verification in --json.
type verifiedJSON struct {
	Good    bool   `json:"good"`              // the chain is intact
	Rows    int64  `json:"rows"`              // intact rows
	Row     int64  `json:"row,omitempty"`     // the first bad row
	Problem string `json:"problem,omitempty"` // the reason why verification failed
}

func newVerifiedJSON(rows int64, broken *audit.BrokenChainError) verifiedJSON {
	if broken == nil {
		return verifiedJSON{Good: true, Rows: rows}
	}
	return verifiedJSON{Rows: rows, Row: broken.Row, Problem: broken.Problem}
}
