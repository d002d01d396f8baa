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

// inviteCommands are the commands that keep invitations.
type inviteCommands struct {
	*console
	*folder
}

func (cs inviteCommands) command() *cobra.Command {
	return group("invite", "Invite people, who make their own account", `Invite people. Anyone who opens the link of an invitation chooses a name and a
password, or a passkey, and has an account. The link works once.`,
		cs.jsonFlag(cs.create()), cs.listFlags(cs.list()), cs.revoke())
}

func (cs inviteCommands) create() *cobra.Command {
	var n invite.New
	var servers []string
	var publicURL string
	var byMail bool
	cmd := &cobra.Command{
		Use: "create", Short: "Print a link with which somebody makes an account", Args: takes(0),
		Long: `Print a link with which somebody makes an account, once. It is shown only now: usher
stores its hash. It becomes invalid when it expires or is revoked. With --mail, the
server also sends it to the address of --email.`,
		Example: `  usher invite create --public-url https://usher.example.org
  usher invite create --name mia --email mia@example.org --server "Living room" --expires 48h
  usher invite create --email mia@example.org --mail`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			base, err := linkBase(publicURL)
			if err != nil {
				return err
			}
			if byMail && n.Email == "" {
				return wrongUse("--mail needs --email")
			}
			return cs.withCore(cmd.Context(), func(ctx context.Context, c *core.Core) error {
				if byMail {
					if base, err = cs.mailBase(ctx, c, publicURL); err != nil {
						return err
					}
					n.Letter = web.Letters{Base: plexauth.Secret(base), Server: c.ServerName()}.Invitation
				}
				for _, text := range servers {
					src, err := cs.findSource(ctx, c, source.Server, text)
					if err != nil {
						return err
					}
					n.Servers = append(n.Servers, src)
				}
				secret, made, err := c.Invites.Make(ctx, commandLine(), n)
				if fault.FieldOf(err) == invite.Expiry {
					return wrongUse("--expires: %w", err)
				}
				if err != nil {
					return plainExists(err)
				}
				return cs.printLink(handedLink{
					Link: base + string(web.InvitationLink(secret)), ExpiresAt: made.ExpiresAt, Mailed: mailedTo(made.Queued, made.Email),
				}, byMail, fmt.Sprintf("invitation %d: it works once, and expires at %s", made.ID, shortTime(made.ExpiresAt)))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.Name, "name", "", "`name` that is suggested to the person")
	f.StringVar(&n.Email, "email", "", "`e-mail` address of the account, which the person cannot change")
	f.BoolVar(&n.Admin, "admin", false, "the account is an admin's, who owns this server")
	f.StringArrayVar(&servers, "server", nil, "`server` that is shared with the account; may be given more than once")
	f.DurationVar(&n.Life, "expires", invite.DefaultLife, "how long the link works, 720h at most")
	f.BoolVar(&byMail, "mail", false, "send the link to the address of --email, with the mail server of usher serve")
	f.StringVar(&publicURL, "public-url", "", "`URL` at which browsers reach the server, for the link (default http://"+defaultListen+")")
	return cmd
}

// handedLink is a link that is shown once, in --json.
type handedLink struct {
	Link      string    `json:"link"`      // in the clear
	ExpiresAt time.Time `json:"expiresAt"` // RFC 3339
	Mailed    string    `json:"mailed"`    // the address that it is being sent to; empty: none
}

// mailedTo is the address of an e-mail if there is one.
func mailedTo(mailed bool, address string) string {
	if !mailed {
		return ""
	}
	return address
}

// printLink prints a link that is shown once: with its QR code on a terminal. byMail
// reports whether it was to be sent by e-mail, too.
func (con *console) printLink(l handedLink, byMail bool, about string) error {
	if byMail && l.Mailed == "" {
		fmt.Fprintln(con.err, "the link is not sent by e-mail: too many e-mails wait; hand it over yourself")
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
	Name      string    `json:"name"`      // suggested; empty if there is none
	Email     string    `json:"email"`     // of the account; empty if there is none
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
