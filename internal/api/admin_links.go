package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// adminLinks creates the links that a program passes on to users: invitations, and reset
// links. They are the only secrets in responses of the admin API, and each is only in the
// response to the request that created it.
type adminLinks struct {
	invites  *invite.Service
	accounts *account.Service
	sources  *source.Service
	letters  Letters // nil: no e-mails are sent
	base     func(*http.Request) string
}

// newAdminLinks returns the feature. Its links begin with the public URL or, without
// one, with the first address of this server.
func newAdminLinks(c *core.Core, cfg Config) adminLinks {
	publicURL := cfg.PublicURL
	if publicURL == "" {
		if own := c.Sources.Self().Connections; len(own) > 0 {
			publicURL = own[0].URI
		}
	}
	return adminLinks{c.Invites, c.Accounts, c.Sources, cfg.Letters, newBaseURL(publicURL)}
}

func (f adminLinks) routes() []adminRoute {
	const invitations = "/admin/api/v1/invitations"
	return []adminRoute{
		{"GET", invitations, adminkey.AccountsRead, paged, false, f.list},
		{"POST", invitations, adminkey.AccountsWrite, "", true, f.invite},
		{"DELETE", invitations + "/{invitation}", adminkey.AccountsWrite, "", false, f.revoke},
		{"POST", accountPath + "/reset-link", adminkey.AccountsWrite, "", true, f.reset},
	}
}

// invitationJSON is an invitation for admins.
type invitationJSON struct {
	ID        int64     `json:"id"`        // number of the invitation
	Username  string    `json:"username"`  // suggested name; can be empty
	Email     string    `json:"email"`     // can be empty
	Admin     bool      `json:"admin"`     // brings an account of an admin
	Servers   []string  `json:"servers"`   // names of the servers that it shares
	MadeBy    string    `json:"madeBy"`    // username of the admin; empty for the command line
	CreatedAt time.Time `json:"createdAt"` // in UTC
	ExpiresAt time.Time `json:"expiresAt"` // in UTC
}

func newInvitationJSON(i invite.Invitation) invitationJSON {
	servers := make([]string, 0, len(i.Servers))
	for _, s := range i.Servers {
		servers = append(servers, s.Name)
	}
	return invitationJSON{i.ID, i.Name, i.Email, i.Admin, servers, i.Maker, i.CreatedAt, i.ExpiresAt}
}

// madeInvitationJSON is an invitation with its link, in the clear: a plexauth.Secret
// would not be encoded.
type madeInvitationJSON struct {
	invitationJSON
	Link   string `json:"link"`   // in the clear, shown only here
	Mailed string `json:"mailed"` // the address that it was e-mailed to; empty: none
}

func (f adminLinks) list(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	l, err := f.invites.List(ctx, part)
	return listed(l, err, newInvitationJSON)
}

// invite creates an invitation. Attack: a key for accounts invites an admin, or to servers
// that it cannot share.
func (f adminLinks) invite(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Username, Email string
		Admin, Mail     bool
		Servers         []string
		Lifetime        *int64
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	n := invite.New{Name: in.Username, Email: in.Email, Admin: in.Admin, Life: lifetime(in.Lifetime)}
	err := c.mayChange(account.Account{Admin: in.Admin})
	if err == nil && len(in.Servers) > 0 {
		err = c.needs(adminkey.ServersWrite)
	}
	if err == nil {
		n.Servers, err = f.servers(ctx, in.Servers)
	}
	if err != nil {
		return 0, nil, err
	}
	if in.Mail {
		if err := f.sendsMail(in.Email); err != nil {
			return 0, nil, err
		}
		n.Letter = func(i invite.Invitation, secret plexauth.Secret) mail.Message {
			i.Maker = c.key.Maker
			return f.letters.Invitation(i, secret)
		}
	}
	secret, made, err := f.invites.Make(ctx, c.actor(), n)
	if err != nil {
		return 0, nil, ofLink(err)
	}
	made.Maker = c.key.Maker
	return http.StatusCreated, madeInvitationJSON{
		newInvitationJSON(made), f.link(c, "/invitation", secret), made.MailedTo(),
	}, nil
}

// sendsMail returns an error unless this server sends e-mails and email is not empty.
func (f adminLinks) sendsMail(email string) error {
	switch {
	case f.letters == nil:
		return fault.Invalidf("mail", "this server sends no e-mails")
	case email == "":
		return fault.Invalidf("mail", "there is no e-mail address to send the link to")
	}
	return nil
}

// servers returns the servers with some identifiers.
func (f adminLinks) servers(ctx context.Context, identifiers []string) (list []source.Source, err error) {
	if len(identifiers) > invite.MaxServers {
		return nil, fault.Invalidf("servers", "an invitation shares %d servers at most", invite.MaxServers)
	}
	for _, id := range identifiers {
		src, err := f.sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: id})
		if errors.Is(err, source.ErrNotFound) {
			err = fault.Invalidf("servers", "there is no server with one of these identifiers")
		}
		if err != nil {
			return nil, err
		}
		list = append(list, src)
	}
	return list, nil
}

func (f adminLinks) revoke(ctx context.Context, c *adminCall) (int, any, error) {
	return gone(f.invites.Revoke(ctx, c.actor(), c.id("invitation")))
}

// resetLinkJSON is a link with which the owner of an account regains access.
type resetLinkJSON struct {
	Link      string    `json:"link"`      // in the clear
	ExpiresAt time.Time `json:"expiresAt"` // in UTC
	Mailed    string    `json:"mailed"`    // the address that it was e-mailed to; empty: none
}

// reset creates a reset link. Attack: a key for accounts takes over an admin's account
// with one.
func (f adminLinks) reset(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Password, SecondFactor, Mail bool
		Lifetime                     *int64
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	what := account.Reset{Password: in.Password, SecondFactor: in.SecondFactor}
	var letter account.ResetLetter
	if in.Mail {
		if err := f.mayMail(ctx, c, what); err != nil {
			return 0, nil, err
		}
		letter = f.letters.Reset
	}
	made, err := f.accounts.MailReset(ctx, c.actor(), c.id("id"), what, lifetime(in.Lifetime), letter)
	if err != nil {
		return 0, nil, ofLink(err)
	}
	return http.StatusCreated, resetLinkJSON{
		f.link(c, "/reset", made.Secret), made.ExpiresAt, made.MailedTo(),
	}, nil
}

// mayMail returns an error if a link must not be sent to the e-mail address of an
// account. If the account changes after the check, the link is created but not sent.
func (f adminLinks) mayMail(ctx context.Context, c *adminCall, what account.Reset) error {
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err == nil {
		err = c.mayChange(a)
	}
	if err == nil && f.letters == nil {
		err = f.sendsMail(a.Email)
	}
	if err == nil {
		err = what.CheckMail(a)
	}
	return err
}

// link returns the URL of the page for a secret. Package web has the pages.
func (f adminLinks) link(c *adminCall, path string, secret plexauth.Secret) string {
	return f.base(c.http) + path + "?key=" + string(secret)
}

// lifetime returns a number of seconds as a Duration, or 0 if there is none. A number
// that does not fit into a Duration becomes one that is invalid as a lifetime.
func lifetime(seconds *int64) time.Duration {
	switch {
	case seconds == nil:
		return 0
	case *seconds < 1:
		return -1
	case *seconds > int64(math.MaxInt64/time.Second):
		return math.MaxInt64
	}
	return time.Duration(*seconds) * time.Second
}

// ofLink renames the field in the error of creating a link to the name in the body.
func ofLink(err error) error {
	switch fault.FieldOf(err) {
	case invite.Expiry:
		return fault.WithField(err, "lifetime", "")
	case "what":
		return fault.WithField(err, "password", "")
	}
	return err
}
