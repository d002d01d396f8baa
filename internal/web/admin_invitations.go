package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// adminInvitations lists, makes and revokes invitations.
type adminInvitations struct {
	invites  *invite.Service
	accounts *account.Service
	sources  *source.Service
	now      func() time.Time
	handover handover
	post     post
	caution  caution
	// server is what this server is called; empty: it has no name of its own.
	server string
}

const invitationsPath = "/admin/invitations"

func (a *adminInvitations) pages() []page {
	return []page{
		{"GET", invitationsPath, admin, section(a.show).asHandler},
		{"POST", invitationsPath, admin, a.make},
		{"POST", invitationsPath + "/{id}/revoke", admin, a.caution.before(risk{a.ask, a.revoke})},
	}
}

type invitationsData struct {
	notice
	Invitations []invite.Invitation
	// Now is when the page was made: those that expire earlier have expired.
	Now     time.Time
	Besides neighbours
	// Servers are those that can be shared by a new invitation.
	Servers []serverChoice
	// Life is how many days a new invitation works.
	Life string
}

// serverChoice is a server that an invitation may share.
type serverChoice struct {
	Identifier, Name string
	Chosen           bool
}

// ServersOpen says that the servers are shown: they are few, or some were chosen.
func (d invitationsData) ServersOpen() bool {
	return len(d.Servers) <= tallRows || slices.ContainsFunc(d.Servers, func(c serverChoice) bool { return c.Chosen })
}

func (a *adminInvitations) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := invitationsData{notice: newNotice(v, s), Now: a.now()}
	list, err := a.invites.List(ctx, wantedPage(v, "", tallRows))
	if err != nil {
		return view{}, err
	}
	data.Invitations, data.Besides = list.Rows, besides(v, invitationsPath, "", "invitations", list)
	data.Life = data.Form(invitationsPath).Value("days", strconv.Itoa(int(invite.DefaultLife/day)))
	data.Servers, err = a.servers(ctx, s.values)
	return data.page("admin-invitations", data), err
}

const day = 24 * time.Hour

// servers returns the servers that an invitation may share. What everybody reaches
// need not be shared.
func (a *adminInvitations) servers(ctx context.Context, typed url.Values) (choices []serverChoice, err error) {
	list, err := a.sources.List(ctx, source.Server, paging.Request{Limit: invite.MaxServers})
	for _, src := range list.Rows {
		if !src.Everyone {
			choices = append(choices, serverChoice{src.Identifier, src.Name, slices.Contains(typed["server"], src.Identifier)})
		}
	}
	return choices, err
}

// invitationLinkData is the page that shows the link of an invitation.
type invitationLinkData struct {
	handed
	invite.Invitation
}

// make makes an invitation, and shows its link once.
func (a *adminInvitations) make(ctx context.Context, v *visit) (view, error) {
	data, err := a.made(ctx, v)
	if form, ok := rejected(v, err); ok {
		return a.show(ctx, v, form)
	}
	return view{name: "invitation-link", data: data}, err
}

func (a *adminInvitations) made(ctx context.Context, v *visit) (data invitationLinkData, err error) {
	n := invite.New{
		Name: strings.TrimSpace(v.PostFormValue("username")), Email: strings.TrimSpace(v.PostFormValue("email")),
		Admin: v.PostFormValue("admin") != "",
	}
	n.Life, err = daysOf(v.PostFormValue("days"))
	err = fault.Join(a.accounts.CheckInvited(ctx, n.Name, n.Email), err, confirmPassword(ctx, a.accounts, v))
	if err != nil {
		return data, err
	}
	for _, id := range v.PostForm["server"] {
		src, err := a.sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: id})
		if err != nil {
			return data, err
		}
		n.Servers = append(n.Servers, src)
	}
	base, lang := a.handover.base(v), v.language()
	if a.post.on() {
		n.Letter = func(i invite.Invitation, secret plexauth.Secret) mail.Message {
			return invitationLetter(i, v.account.Username, a.server, base+InvitationLink(secret)).in(lang)
		}
	}
	secret, made, err := a.invites.Make(ctx, v.actor(), n)
	if err != nil {
		return data, err
	}
	data.Invitation = made
	data.handed, err = newHanded(base+InvitationLink(secret), made.ExpiresAt, invitationsPath)
	data.Mailed = made.MailedTo()
	return data, err
}

// daysOf reads a number of days; nothing stands for the default.
func daysOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > int(invite.MaxLife/day) {
		return 0, fault.Invalidf("days", "an invitation works for 1 to %d days", int(invite.MaxLife/day))
	}
	return time.Duration(n) * day, nil
}

func (a *adminInvitations) ask(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	i, err := a.invites.Get(ctx, id)
	if err != nil {
		return question{}, err
	}
	q := question{
		Title:  say("Revoke invitation %s?", decimal(id)),
		Ends:   []phrase{say("1 link is revoked. Nobody can create an account with it any more.")},
		Button: say("Revoke the invitation"), Back: invitationsPath, Others: true,
	}
	if who := cmp.Or(i.Name, i.Email); who != "" {
		q.Title = say("Revoke the invitation for %s?", who)
	}
	return q, nil
}

// revoke ends an invitation.
func (a *adminInvitations) revoke(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = a.invites.Revoke(ctx, v.actor(), id)
	}
	return adminChanged(ctx, v, invitationsPath, "uninvited", a.show, err)
}
