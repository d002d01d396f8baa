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
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// inviteCommands are the commands that manage invitations.
type inviteCommands struct {
	*console
	*folder
}

func (cs inviteCommands) command() *cobra.Command {
	return group("invite", "Invite users, who create their own accounts", `Invite users. The person who opens the link of an invitation chooses a name and a
password, or a passkey, and gets an account. The link works once.`,
		cs.jsonFlag(cs.create()), cs.listFlags(cs.list()), cs.revoke())
}

// inviteOptions are the flags of usher invite create.
type inviteOptions struct {
	invite.New
	servers   []string // names or identifiers, as the user typed them
	publicURL string
	byMail    bool
}

func (cs inviteCommands) create() *cobra.Command {
	var o inviteOptions
	cmd := &cobra.Command{
		Use: "create", Short: "Print a link with which a user creates an account", Args: takes(0),
		Long: `Print a link with which a user creates an account, once. It is shown only now: usher
stores its hash. It becomes invalid when it expires or is revoked. With --mail, the
server also sends it to the address of --email.`,
		Example: `  usher invite create
  usher invite create --name mia --email mia@example.org --server "Living room" --expires 48h
  usher invite create --email mia@example.org --mail`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := linkBase(o.publicURL); err != nil {
				return err
			}
			if o.byMail && o.Email == "" {
				return wrongUse("--mail requires --email")
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				return cs.printInvitation(ctx, c, o)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "suggested `name`")
	f.StringVar(&o.Email, "email", "", "`e-mail` address of the account, which the user cannot change")
	f.BoolVar(&o.Admin, "admin", false, "create an admin account, which owns this server")
	f.StringArrayVar(&o.servers, "server", nil, "`server` to share with the account; can be repeated")
	f.DurationVar(&o.Life, "expires", invite.DefaultLife, "how long the link works, 720h at most")
	f.BoolVar(&o.byMail, "mail", false, "send the link to the address of --email, with the mail server of usher serve")
	f.StringVar(&o.publicURL, "public-url", "", linkURLUsage)
	return cmd
}

// printInvitation creates an invitation, and prints its link.
func (cs inviteCommands) printInvitation(ctx context.Context, c *core.Core, o inviteOptions) error {
	base, err := cs.linkBase(ctx, c, o.publicURL, o.byMail)
	if err != nil {
		return err
	}
	if o.byMail {
		o.Letter = web.Letters{Base: plexauth.Secret(base), Server: c.ServerName()}.Invitation
	}
	for _, text := range o.servers {
		src, err := cs.findSource(ctx, c, source.Server, text)
		if err != nil {
			return err
		}
		o.Servers = append(o.Servers, src)
	}
	secret, made, err := c.Invites.Make(ctx, commandLine(), o.New)
	if fault.FieldOf(err) == invite.Expiry {
		return wrongUse("--expires: %w", err)
	}
	if err != nil {
		return plainExists(err)
	}
	return cs.printLink(handedLink{
		Link: base + string(web.InvitationLink(secret)), ExpiresAt: made.ExpiresAt, Mailed: made.MailedTo(),
	}, o.byMail, fmt.Sprintf("invitation %d: it works once, and expires at %s", made.ID, shortTime(made.ExpiresAt)))
}

// handedLink is a link that is shown once, in --json.
type handedLink struct {
	Link      string    `json:"link"`      // in the clear
	ExpiresAt time.Time `json:"expiresAt"` // RFC 3339
	Mailed    string    `json:"mailed"`    // the address that it is being sent to; empty: none
}

// printLink prints a link that is shown once, with its QR code if it is printed on a
// terminal. byMail reports whether an e-mail was requested, too.
func (con *console) printLink(l handedLink, byMail bool, about string) error {
	if byMail && l.Mailed == "" {
		fmt.Fprintln(con.err, "the link is not sent by e-mail, because too many e-mails are queued; pass it on yourself")
	}
	if con.json {
		return con.printJSON(l)
	}
	fmt.Fprintln(con.out, l.Link)
	if isTerminal(con.out) {
		qr, err := terminalQR(l.Link, true)
		if err != nil {
			return err
		}
		fmt.Fprintf(con.out, "\n%s\n", qr)
	}
	fmt.Fprintln(con.err, about)
	if l.Mailed != "" {
		fmt.Fprintln(con.err, "an e-mail with the link is on its way to "+l.Mailed)
	}
	return nil
}

// invitationJSON is an invitation in --json.
type invitationJSON struct {
	ID        int64     `json:"id"`        // for usher invite revoke
	Name      string    `json:"name"`      // suggested; can be empty
	Email     string    `json:"email"`     // of the account; can be empty
	Admin     bool      `json:"admin"`     // the account is an admin's
	Servers   []string  `json:"servers"`   // the names of those that are shared
	MadeBy    string    `json:"madeBy"`    // an admin; empty: the command line
	CreatedAt time.Time `json:"createdAt"` // RFC 3339
	ExpiresAt time.Time `json:"expiresAt"` // it works until then
}

func newInvitationJSON(i invite.Invitation) invitationJSON {
	servers := make([]string, 0, len(i.Servers))
	for _, s := range i.Servers {
		servers = append(servers, s.Name)
	}
	return invitationJSON{i.ID, i.Name, i.Email, i.Admin, servers, i.Maker, i.CreatedAt, i.ExpiresAt}
}

func (cs inviteCommands) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the invitations that were not used", Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				read := eachRow(
					func(r paging.Request) (paging.List[invite.Invitation], error) { return c.Invites.List(ctx, r) },
					newInvitationJSON,
				)
				return printPages(cs.console, read, []string{"ID", "NAME", "E-MAIL", "ROLE", "SERVERS", "BY", "UNTIL"}, func(r invitationJSON) []string {
					return []string{
						fmt.Sprint(r.ID), r.Name, r.Email, choose(r.Admin, "admin", "member"), strings.Join(r.Servers, ", "),
						r.MadeBy, shortTime(r.ExpiresAt),
					}
				})
			})
		},
	}
}

func (cs inviteCommands) revoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke an invitation that was not used", Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return wrongUse("%s is not the number of an invitation", args[0])
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				err := c.Invites.Revoke(ctx, commandLine(), id)
				if errors.Is(err, invite.ErrNotFound) {
					return &hintError{fmt.Errorf("there is no invitation %d", id), cs.invocation("invite list")}
				}
				if err == nil {
					fmt.Fprintf(cs.out, "revoked invitation %d\n", id)
				}
				return err
			})
		},
	}
}
