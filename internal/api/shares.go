package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/wire"
)

// shareHandlers list and change the shares of the caller's servers.
type shareHandlers struct {
	friendHandlers
	sources   *source.Service
	resources resourceHandlers
}

// server describes a server that the caller can reach, with the sections that the
// caller can see.
func (h shareHandlers) server(ctx context.Context, c *call) (wire.ServerInfo, error) {
	src, seen, err := h.sources.ReachedServer(ctx, c.principal.AccountID, c.http.PathValue("id"))
	if err != nil {
		return wire.ServerInfo{}, err
	}
	owned := src.OwnedBy(c.principal.AccountID, c.principal.Admin)
	return wire.ServerInfo{ServerFacts: h.resources.facts(src, owned), Sections: sections(seen)}, nil
}

// info is server in version 2.
func (h shareHandlers) info(ctx context.Context, c *call) (answer, error) {
	body, err := h.server(ctx, c)
	return answer{status: http.StatusOK, body: body}, err
}

// infoV1 is server in version 1.
func (h shareHandlers) infoV1(ctx context.Context, c *call) (answer, error) {
	body, err := h.server(ctx, c)
	return answer{status: http.StatusOK, body: wire.LegacyServerInfo(body)}, err
}

// sharesV1 lists the shares of a server of the caller.
func (h shareHandlers) sharesV1(ctx context.Context, c *call) (answer, error) {
	src, err := h.sources.OwnServer(ctx, c.principal.AccountID, c.http.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	list, err := h.sources.SharesOfServer(ctx, src.ID)
	if err != nil {
		return answer{}, err
	}
	return h.answerV1(ctx, c, src, list)
}

// shareOneV1 shows one of them.
func (h shareHandlers) shareOneV1(ctx context.Context, c *call) (answer, error) {
	return h.numberedV1(ctx, c, number(c, "share"))
}

// numberedV1 shows the share with a number, which must be of the server in the path.
func (h shareHandlers) numberedV1(ctx context.Context, c *call, share int64) (answer, error) {
	src, err := h.sources.OwnServer(ctx, c.principal.AccountID, c.http.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	list, err := h.sources.SharesOfServer(ctx, src.ID)
	if err != nil {
		return answer{}, err
	}
	for _, s := range list {
		if s.Number == share {
			return h.answerV1(ctx, c, src, []source.Shared{s})
		}
	}
	return answer{}, source.ErrNotShared
}

// answerV1 returns shares of a server. Real servers return the token of the account
// that they are shared with (CVE-2025-69416, CVE-2025-69417). usher returns the
// caller's own token, so a client that takes it for the other account's token acts as
// the caller.
func (h shareHandlers) answerV1(ctx context.Context, c *call, src source.Source, list []source.Shared) (answer, error) {
	body := wire.LegacyShares{MachineIdentifier: src.Identifier}
	if len(list) == 0 {
		return answer{status: http.StatusOK, body: body}, nil
	}
	tok, err := h.sources.Token(ctx, c.actor(), c.principal, src.ID)
	if err != nil {
		return answer{}, err
	}
	all, err := h.sources.Sections(ctx, src.ID)
	if err != nil {
		return answer{}, err
	}
	for _, s := range list {
		a, err := h.homes.avatars.accounts.Get(ctx, s.AccountID)
		if errors.Is(err, account.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return answer{}, err
		}
		p := person(a.Profile(), home.Facts{})
		row := wire.LegacyShare{
			ID: s.Number, Username: p.Username, Email: p.Email, UserID: a.ID, AccessToken: string(tok), Name: src.Name,
			AcceptedAt: s.CreatedAt.Unix(), InvitedAt: s.CreatedAt.Unix(), AllLibraries: wire.Bool(!s.Chosen),
			Section: make([]wire.SharedSection, 0, len(all)),
		}
		for _, sec := range sections(all) {
			shared := false
			for _, mine := range s.Sections {
				shared = shared || mine.ID == sec.ID
			}
			row.Section = append(row.Section, wire.SharedSection{Section: sec, Shared: wire.Bool(shared)})
		}
		body.Shares = append(body.Shares, row)
	}
	return answer{status: http.StatusOK, body: body}, nil
}

// inviteV1 invites an account to a server of the caller.
func (h shareHandlers) inviteV1(ctx context.Context, c *call) (answer, error) {
	w, err := wishOf(c, shareV1)
	if err != nil {
		return answer{}, err
	}
	w.Server = c.http.PathValue("id")
	i, err := h.friends.Invite(ctx, c.actor(), c.principal.AccountID, w)
	if err != nil {
		return answer{}, err
	}
	if i.Accepted {
		ans, err := h.numberedV1(ctx, c, i.Number)
		ans.status = http.StatusCreated
		return ans, err
	}
	one := inviteV1(i)
	one.Username, one.Email, one.FriendlyName, one.Thumb = i.Invited, i.Invited, i.Invited, h.nobodysPicture(c)
	return answer{status: http.StatusCreated, body: wire.Invites{one}}, nil
}

// changeV1 chooses other sections of a share.
func (h shareHandlers) changeV1(ctx context.Context, c *call) (answer, error) {
	choice, err := choiceOf(c, shareV1)
	if err != nil {
		return answer{}, err
	}
	ans, err := h.shareOneV1(ctx, c) // it must be of this server
	if err != nil || !choice.Some {
		return ans, err
	}
	if err := h.sources.Choose(ctx, c.actor(), c.principal.AccountID, number(c, "share"), choice); err != nil {
		return answer{}, err
	}
	return h.shareOneV1(ctx, c)
}

// removeV1 removes a share.
func (h shareHandlers) removeV1(ctx context.Context, c *call) (answer, error) {
	if _, err := h.shareOneV1(ctx, c); err != nil {
		return answer{}, err
	}
	err := h.sources.EndShare(ctx, c.actor(), c.principal.AccountID, number(c, "share"))
	return answer{status: http.StatusOK}, err
}

// add invites an account to a server of the caller, in version 2.
func (h shareHandlers) add(ctx context.Context, c *call) (answer, error) {
	w, err := wishOf(c, shareV2)
	if err != nil {
		return answer{}, err
	}
	if w.Server, err = c.params.Text("machineIdentifier"); err != nil {
		return answer{}, err
	}
	if err := missing("machineIdentifier", w.Server); err != nil {
		return answer{}, err
	}
	i, err := h.friends.Invite(ctx, c.actor(), c.principal.AccountID, w)
	if err != nil {
		return answer{}, err
	}
	ans, err := h.one(ctx, c, i.Number)
	ans.status = http.StatusCreated
	return ans, err
}

// owned lists the shares of the caller's servers.
func (h shareHandlers) owned(ctx context.Context, c *call) (answer, error) {
	list, err := h.shares(ctx, c)
	return answer{status: http.StatusOK, body: list}, err
}

func (h shareHandlers) shares(ctx context.Context, c *call) (list wire.ShareBodies, err error) {
	known, err := h.known(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, a := range known {
		for _, s := range a.Shares {
			list = append(list, h.share(c, a.Account, s))
		}
	}
	return list, nil
}

// waiting lists the invitations to the caller's servers.
func (h shareHandlers) waiting(ctx context.Context, c *call) (answer, error) {
	list, err := h.invitations(ctx, c)
	return answer{status: http.StatusOK, body: list}, err
}

func (h shareHandlers) invitations(ctx context.Context, c *call) (list wire.ShareBodies, err error) {
	sent, err := h.friends.Sent(ctx, c.principal.AccountID)
	if err != nil {
		return nil, err
	}
	for _, i := range sent {
		if i.SourceID != 0 {
			list = append(list, h.invitation(c, i))
		}
	}
	return list, nil
}

// one shows a share of a server of the caller, or an invitation to one.
func (h shareHandlers) one(ctx context.Context, c *call, number int64) (answer, error) {
	for _, read := range []func(context.Context, *call) (wire.ShareBodies, error){h.shares, h.invitations} {
		list, err := read(ctx, c)
		if err != nil {
			return answer{}, err
		}
		for _, s := range list {
			if s.ID == number {
				return answer{status: http.StatusOK, body: s}, nil
			}
		}
	}
	return answer{}, source.ErrNotShared
}

// invites lists the invitations to servers that the caller has received.
func (h shareHandlers) invites(ctx context.Context, c *call) (answer, error) {
	received, err := h.friends.Received(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	var list wire.ReceivedInvites
	for _, i := range received {
		if i.SourceID == 0 {
			continue
		}
		list = append(list, wire.ReceivedInvite{
			ID: i.Number, Owner: h.sharePerson(c, i.From), SharedServers: []wire.ShareBody{h.invitation(c, i.Sent)},
		})
	}
	return answer{status: http.StatusOK, body: list}, nil
}

// acceptShare accepts an invitation.
func (h shareHandlers) acceptShare(ctx context.Context, c *call) (answer, error) {
	err := h.friends.Accept(ctx, c.actor(), c.principal.AccountID, number(c, "id"))
	return answer{status: http.StatusNoContent}, err
}

// change chooses other sections of a share or an invitation.
func (h shareHandlers) change(ctx context.Context, c *call) (answer, error) {
	choice, err := choiceOf(c, shareV2)
	if err != nil {
		return answer{}, err
	}
	ans, err := h.one(ctx, c, number(c, "id"))
	if err != nil || !choice.Some {
		return ans, err
	}
	choose := h.friends.Choose
	if ans.body.(wire.ShareBody).Accepted {
		choose = h.sources.Choose
	}
	if err := choose(ctx, c.actor(), c.principal.AccountID, number(c, "id"), choice); err != nil {
		return answer{}, err
	}
	return h.one(ctx, c, number(c, "id"))
}

// remove removes a share, or cancels an invitation.
func (h shareHandlers) remove(ctx context.Context, c *call) (answer, error) {
	err := h.sources.EndShare(ctx, c.actor(), c.principal.AccountID, number(c, "id"))
	if errors.Is(err, source.ErrNotShared) {
		err = h.friends.End(ctx, c.actor(), c.principal.AccountID, number(c, "id"))
	}
	return answer{status: http.StatusNoContent}, err
}

// share returns a share of a server of the caller in version 2.
func (h friendHandlers) share(c *call, a account.Account, s source.Shared) wire.ShareBody {
	body := wire.ShareBody{
		ID: s.Number, Name: s.SourceName, OwnerID: c.principal.AccountID, InvitedID: s.AccountID, ServerID: s.SourceID,
		Accepted: true, AcceptedAt: wire.Since(s.CreatedAt), Owned: true, MachineIdentifier: s.Identifier,
		LastSeenAt: wire.Since(h.now()), NumLibraries: len(s.Sections), AllLibraries: wire.Bool(!s.Chosen), Libraries: sections(s.Sections),
		Invited: h.sharePerson(c, a),
	}
	if body.Invited.Email != "" {
		body.InvitedEmail = wire.Some(body.Invited.Email)
	}
	return body
}

// invitation returns an invitation to a server in version 2. The invited account is
// shown as the text that was entered, and nothing else.
func (h friendHandlers) invitation(c *call, i friend.Sent) wire.ShareBody {
	return wire.ShareBody{
		ID: i.Number, Name: i.Server.Name, OwnerID: i.InviterID, InvitedEmail: wire.Some(i.Invited), ServerID: i.SourceID,
		Owned: wire.Bool(i.InviterID == c.principal.AccountID), MachineIdentifier: i.Server.Identifier,
		LastSeenAt: wire.Since(h.now()), NumLibraries: len(i.Sections), AllLibraries: wire.Bool(!i.Chosen), Libraries: sections(i.Sections),
		Invited: wire.SharePerson{
			Title: i.Invited, Username: i.Invited, Email: i.Invited, FriendlyName: i.Invited, Thumb: h.nobodysPicture(c),
		},
	}
}

func sections(list []source.Section) []wire.Section {
	all := make([]wire.Section, 0, len(list))
	for _, s := range list {
		all = append(all, wire.Section{ID: s.ID, Key: s.Number, Title: s.Title, Type: s.Kind})
	}
	return all
}

// sharePerson returns the form of an account in shares and invitations.
func (h friendHandlers) sharePerson(c *call, a account.Account) wire.SharePerson {
	u := h.homes.user(c, home.User{Account: a})
	return wire.SharePerson{
		ID: u.ID, UUID: u.UUID, Title: u.Title, Username: u.Username, Email: u.Email, FriendlyName: u.FriendlyName,
		Restricted: u.Restricted, Thumb: u.Thumb,
	}
}

// wishOf reads the invited account and the shared sections of a request. names are the
// parameter names in the request's version.
func wishOf(c *call, names shareNames) (w friend.Wish, err error) {
	if w.Name, err = c.params.Text(names.email); err != nil {
		return w, err
	}
	id, err := c.params.Text(names.id)
	if err != nil {
		return w, err
	}
	if id != "" {
		if w.AccountID, err = strconv.ParseInt(id, 10, 64); err != nil || w.AccountID <= 0 {
			return w, fault.Invalidf(names.id, "%s is not a number from 1 on", names.id)
		}
	}
	w.Choice, err = choiceOf(c, names)
	return w, err
}

// choiceOf reads which sections a request chooses: without one, all. Some programs send
// the list as one text, "1,2" or "[1, 2]".
func choiceOf(c *call, names shareNames) (source.Choice, error) {
	given, err := c.params.List(names.sections)
	if err != nil {
		return source.Choice{}, err
	}
	var list []string
	for _, text := range given {
		list = append(list, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("[], ", r) })...)
	}
	choice := source.Choice{Some: len(list) > 0}
	for _, text := range list {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return source.Choice{}, fault.Invalidf(names.sections, "%s contains a value that is not a number", names.sections)
		}
		choice.Sections = append(choice.Sections, id)
	}
	return choice, nil
}

// shareNames are the names of parameters in a version.
type shareNames struct{ email, id, sections string }

var (
	shareV1 = shareNames{"shared_server[invited_email]", "shared_server[invited_id]", "shared_server[library_section_ids]"}
	shareV2 = shareNames{"invitedEmail", "invitedId", "librarySectionIds"}
)
