package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/wire"
)

// friendHandlers list and change the accounts that the caller knows: friends, and
// invitations to friendships and servers.
type friendHandlers struct {
	friends *friend.Service
	homes   homeHandlers
	now     func() time.Time
}

// acquaintance is an account that the caller knows.
type acquaintance struct {
	friend.Person
	user wire.HomeUser
	home bool // of the caller's home
}

// known returns all accounts that the caller knows: first the others of the home.
func (h friendHandlers) known(ctx context.Context, c *call) ([]acquaintance, error) {
	found, err := h.homes.read(ctx, c)
	if err != nil {
		return nil, err
	}
	people, err := h.friends.People(ctx, c.principal.AccountID)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int)
	var list []acquaintance
	for _, u := range found.Users {
		if u.Account.ID != c.principal.AccountID {
			at[u.Account.ID] = len(list)
			list = append(list, acquaintance{friend.Person{Account: u.Account}, h.homes.user(c, u), true})
		}
	}
	for _, p := range people {
		if i, ok := at[p.Account.ID]; ok {
			list[i].Person = p
			continue
		}
		list = append(list, acquaintance{p, h.homes.user(c, home.User{Account: p.Account}), false})
	}
	return list, nil
}

// users lists the accounts that the caller is related to. The newer SDKs accept JSON
// here, and read it. Other clients that accept JSON nevertheless read XML.
func (h friendHandlers) users(ctx context.Context, c *call) (answer, error) {
	known, err := h.known(ctx, c)
	if err != nil {
		return answer{}, err
	}
	var list wire.Users
	for _, a := range known {
		u := wire.User{HomeUser: a.user, Home: a.home}
		for _, s := range a.Shares {
			u.Servers = append(u.Servers, h.userServer(s.Number, s.SourceID, s.Identifier, s.SourceName, len(s.Sections), s.Chosen))
		}
		for _, i := range a.Waiting {
			if i.SourceID != 0 {
				s := h.userServer(i.Number, i.SourceID, i.Server.Identifier, i.Server.Name, len(i.Sections), i.Chosen)
				s.Pending = wire.Flag(true)
				u.Servers = append(u.Servers, s)
			}
		}
		list = append(list, u)
	}
	if strings.HasPrefix(c.http.UserAgent(), "speakeasy-sdk/") && suffixOf(c.http) == "" {
		c.Format = wire.Negotiate(c.http.Header.Get("Accept"), c.Variant)
	}
	list, part, err := wire.Cut(c.http, c.params, list)
	return answer{status: http.StatusOK, body: wire.UsersPart{Users: list, Part: part}, part: part}, err
}

func (h friendHandlers) userServer(number, serverID int64, identifier, name string, sections int, chosen bool) wire.UserServer {
	return wire.UserServer{
		ID: number, ServerID: serverID, MachineIdentifier: identifier, Name: name, LastSeenAt: h.now().Unix(),
		NumLibraries: sections, AllLibraries: wire.Flag(!chosen),
	}
}

// errStatus rejects a status that friends do not have.
var errStatus = fault.Invalidf("status", "status is accepted, pending_sent or pending_received")

// list lists the friends of a status.
func (h friendHandlers) list(ctx context.Context, c *call) (answer, error) {
	status, err := c.params.Text("status")
	if err != nil {
		return answer{}, err
	}
	var list wire.Friends
	switch status {
	case "", wire.StatusAccepted:
		list, err = h.accepted(ctx, c)
	case wire.StatusSent:
		list, err = h.sent(ctx, c)
	case wire.StatusReceived:
		list, err = h.received(ctx, c)
	default:
		err = errStatus
	}
	return answer{status: http.StatusOK, body: list}, err
}

func (h friendHandlers) accepted(ctx context.Context, c *call) (list wire.Friends, err error) {
	known, err := h.known(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, a := range known {
		f := h.friendOf(a.user, wire.StatusAccepted, a.Since)
		f.Home = wire.Bool(a.home)
		for _, s := range a.Shares {
			f.SharedServers = append(f.SharedServers, h.share(c, a.Account, s))
		}
		list = append(list, f)
	}
	return list, nil
}

func (h friendHandlers) sent(ctx context.Context, c *call) (list wire.Friends, err error) {
	sent, err := h.friends.Sent(ctx, c.principal.AccountID)
	if err != nil {
		return nil, err
	}
	for _, i := range sent {
		f := wire.Friend{
			ID: i.Number, Title: i.Invited, Username: i.Invited, FriendlyName: wire.Some(i.Invited), Thumb: h.nobodysPicture(c),
			Status: wire.StatusSent,
		}
		if i.SourceID != 0 {
			f.SharedServers = append(f.SharedServers, h.invitation(c, i))
		}
		list = append(list, f)
	}
	return list, nil
}

// nobodysPicture returns the address of a picture for unknown accounts. It does
// not exist, but clients require one.
func (h friendHandlers) nobodysPicture(c *call) string {
	return h.homes.avatars.base(c.http) + "/users/unknown/avatar"
}

// received lists the senders of the caller's invitations, without duplicates.
func (h friendHandlers) received(ctx context.Context, c *call) (list wire.Friends, err error) {
	received, err := h.friends.Received(ctx, c.principal.AccountID)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int)
	for _, i := range received {
		n, seen := at[i.From.ID]
		if !seen {
			n = len(list)
			at[i.From.ID] = n
			list = append(list, h.friendOf(h.homes.user(c, home.User{Account: i.From}), wire.StatusReceived, time.Time{}))
		}
		if i.SourceID != 0 {
			list[n].SharedServers = append(list[n].SharedServers, h.invitation(c, i.Sent))
		}
	}
	return list, nil
}

func (friendHandlers) friendOf(u wire.HomeUser, status string, since time.Time) wire.Friend {
	return wire.Friend{
		ID: u.ID, UUID: u.UUID, Title: u.Title, Username: u.Username, Email: u.Email, FriendlyName: wire.Some(u.FriendlyName),
		Restricted: u.Restricted, RestrictionProfile: u.RestrictionProfile, FriendshipCreatedAt: wire.Since(since),
		Thumb: u.Thumb, Status: status,
	}
}

// invite invites an account to be a friend.
func (h friendHandlers) invite(ctx context.Context, c *call) (answer, error) {
	identifier, err := c.params.Text("identifier")
	if err != nil {
		return answer{}, err
	}
	if err := missing("identifier", identifier); err != nil {
		return answer{}, err
	}
	i, err := h.friends.Invite(ctx, c.actor(), c.principal.AccountID, friend.Wish{Name: identifier})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: wire.Friend{
		ID: i.Number, Title: i.Invited, Username: i.Invited, FriendlyName: wire.Some(i.Invited), Thumb: h.nobodysPicture(c),
		Status: wire.StatusSent,
	}}, nil
}

// number reads a number in the path. A malformed number is returned as one that no
// object has.
func number(c *call, name string) int64 {
	n, err := strconv.ParseInt(c.http.PathValue(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// accept accepts the invitations of an account.
func (h friendHandlers) accept(ctx context.Context, c *call) (answer, error) {
	id := number(c, "id")
	if err := h.friends.AcceptFrom(ctx, c.actor(), c.principal.AccountID, id); err != nil {
		return answer{}, err
	}
	list, err := h.accepted(ctx, c)
	if err != nil {
		return answer{}, err
	}
	for _, f := range list {
		if f.ID == id {
			return answer{status: http.StatusOK, body: f}, nil
		}
	}
	return answer{}, friend.ErrNotFound // removed meanwhile
}

// remove removes a friendship with everything that depends on it, or an invitation.
func (h friendHandlers) remove(ctx context.Context, c *call) (answer, error) {
	id := number(c, "id")
	if id >= source.FirstNumber {
		err := h.friends.End(ctx, c.actor(), c.principal.AccountID, id)
		return answer{status: http.StatusNoContent}, err
	}
	err := h.friends.Remove(ctx, c.actor(), c.principal.AccountID, id)
	return answer{status: http.StatusNoContent}, err
}

// settings accepts the permissions of a friend, which usher does not store.
func (h friendHandlers) settings(ctx context.Context, c *call) (answer, error) {
	known, err := h.known(ctx, c)
	if err != nil {
		return answer{}, err
	}
	for _, a := range known {
		if a.user.ID == number(c, "id") {
			return answer{status: http.StatusNoContent}, nil
		}
	}
	return answer{}, friend.ErrNotFound
}

// requested lists the invitations that the caller has sent, in version 1. The text that was
// entered is both the name and the address: PlexAPI reads both.
func (h friendHandlers) requested(ctx context.Context, c *call) (answer, error) {
	sent, err := h.friends.Sent(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	var list wire.Invites
	for _, i := range sent {
		one := inviteV1(i)
		one.Username, one.Email, one.FriendlyName, one.Thumb = i.Invited, i.Invited, i.Invited, h.nobodysPicture(c)
		list = append(list, one)
	}
	return answer{status: http.StatusOK, body: list}, nil
}

// requests lists the invitations that the caller has received, in version 1.
func (h friendHandlers) requests(ctx context.Context, c *call) (answer, error) {
	received, err := h.friends.Received(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	var list wire.Invites
	for _, i := range received {
		one := inviteV1(i.Sent)
		one.Username, one.Email, one.FriendlyName = i.From.Username, i.From.Email, i.From.Title
		one.Thumb = h.homes.avatars.base(c.http) + picturePath(i.From.Profile())
		list = append(list, one)
	}
	return answer{status: http.StatusOK, body: list}, nil
}

func inviteV1(i friend.Sent) wire.Invite {
	one := wire.NewInvite(i.Number, i.CreatedAt, i.SourceID != 0)
	if i.SourceID != 0 {
		one.Servers = append(one.Servers, wire.InviteServer{Name: i.Server.Name, NumLibraries: len(i.Sections)})
	}
	return one
}

// acceptV1 accepts an invitation.
func (h friendHandlers) acceptV1(ctx context.Context, c *call) (answer, error) {
	err := h.friends.Accept(ctx, c.actor(), c.principal.AccountID, number(c, "id"))
	return answer{status: http.StatusOK, body: wire.Invites(nil)}, err
}

// end declines or cancels an invitation.
func (h friendHandlers) end(ctx context.Context, c *call) (answer, error) {
	err := h.friends.End(ctx, c.actor(), c.principal.AccountID, number(c, "id"))
	return answer{status: http.StatusOK, body: wire.Invites(nil)}, err
}
