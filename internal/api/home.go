package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// homeHandlers list and change the users of the caller's home, and switch among
// them.
type homeHandlers struct {
	homes   *home.Service
	cache   *accountCache
	avatars avatarHandlers
	now     func() time.Time
}

// errInvitation reports that invitations into a home by e-mail are not supported.
var errInvitation = fault.New(fault.Denied,
	"nobody is invited into a home here: the operator adds accounts to it")

// read returns the caller's home.
func (h homeHandlers) read(ctx context.Context, c *call) (home.Home, error) {
	found, err := h.homes.Of(ctx, c.principal.AccountID)
	return found, asInvalid(err)
}

// home returns the wire form of a home.
func (h homeHandlers) home(c *call, found home.Home) wire.Home {
	body := wire.Home{ID: found.OwnerID}
	for _, u := range found.Users {
		if u.Role == home.Owner {
			body.Name = u.Account.Title
		}
		body.Users = append(body.Users, h.user(c, u))
	}
	if guest, has := found.Guest(); has {
		body.GuestID, body.GuestUUID = guest.Account.ID, guest.Account.UUID
	}
	return body
}

// user returns a user of a home for a response, without a token. The users of a home see
// each other's e-mail addresses.
func (h homeHandlers) user(c *call, u home.User) wire.HomeUser {
	p := person(u.Account.Profile(), home.Facts{})
	body := wire.HomeUser{
		ID: p.ID, UUID: p.UUID, Admin: wire.Bool(u.Admin()), Guest: wire.Bool(u.Role == home.Guest),
		Restricted: wire.Bool(u.Account.Managed()), HasPassword: wire.Bool(p.HasPassword), Protected: wire.Bool(u.Protected()),
		Title: p.Title, Username: p.Username, Email: p.Email, FriendlyName: p.Title,
		Thumb: h.avatars.base(c.http) + picturePath(u.Account.Profile()),
	}
	if u.Restriction != "" {
		body.RestrictionProfile = wire.Some(u.Restriction)
	}
	return body
}

// info returns the caller's home.
func (h homeHandlers) info(ctx context.Context, c *call) (answer, error) {
	found, err := h.read(ctx, c)
	return answer{status: http.StatusOK, body: wire.HomeInfo(h.home(c, found))}, err
}

// users lists the users of the caller's home.
func (h homeHandlers) users(ctx context.Context, c *call) (answer, error) {
	found, err := h.read(ctx, c)
	return answer{status: http.StatusOK, body: wire.HomeUsers(h.home(c, found))}, err
}

// usersV1 is users in version 1.
func (h homeHandlers) usersV1(ctx context.Context, c *call) (answer, error) {
	found, err := h.read(ctx, c)
	if err != nil {
		return answer{}, err
	}
	body := h.home(c, found)
	body.Users, body.Part, err = wire.Cut(c.http, c.params, body.Users)
	return answer{status: http.StatusOK, body: wire.LegacyHomeUsers(body), part: body.Part}, err
}

// add adds a managed user.
func (h homeHandlers) add(ctx context.Context, c *call) (answer, error) {
	in, err := readTexts(c, "title", "friendlyName", "restrictionProfile", "invitedEmail")
	if err != nil {
		return answer{}, err
	}
	if in["invitedEmail"] != "" {
		return answer{}, errInvitation
	}
	name := cmp.Or(in["title"], in["friendlyName"])
	if err := missing("title", name); err != nil {
		return answer{}, err
	}
	u, err := h.homes.AddManaged(ctx, c.actor(), c.principal.AccountID, name, in["restrictionProfile"])
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.LegacyHomeUser{HomeUser: h.user(c, u)}}, nil
}

// homeChange is a request to change a user of a home. Nil fields are unchanged.
type homeChange struct {
	name        string
	restriction *string
	admin       *bool
	pin         *plexauth.Secret // an empty one removes it
	currentPIN  plexauth.Secret
}

// readHomeChange reads the whole request before anything is changed: a
// malformed request changes nothing.
func readHomeChange(c *call) (homeChange, error) {
	in, err := readTexts(c, "title", "friendlyName", "restrictionProfile")
	if err != nil {
		return homeChange{}, err
	}
	change := homeChange{name: cmp.Or(in["title"], in["friendlyName"])}
	if c.params.Has("restrictionProfile") {
		change.restriction = new(in["restrictionProfile"])
	}
	admin, err := c.params.Bool("admin")
	if err != nil {
		return homeChange{}, err
	}
	if c.params.Has("admin") {
		change.admin = &admin
	}
	remove, err := c.params.Bool("removePin")
	if err != nil {
		return homeChange{}, err
	}
	pin, err := c.params.Secret("pin")
	if err != nil {
		return homeChange{}, err
	}
	switch {
	case remove:
		change.pin = new(plexauth.Secret)
	case c.params.Has("pin"):
		change.pin = &pin
	}
	change.currentPIN, err = c.params.Secret("currentPin")
	return change, err
}

// change changes the caller's own PIN, or the name, the restriction, the role or the
// PIN of another user.
func (h homeHandlers) change(ctx context.Context, c *call) (answer, error) {
	who := c.http.PathValue("id")
	found, err := h.read(ctx, c)
	if err != nil {
		return answer{}, err
	}
	u, err := found.Find(who)
	if err != nil {
		return answer{}, err
	}
	in, err := readHomeChange(c)
	if err != nil {
		return answer{}, err
	}
	by, self := c.actor(), c.principal.AccountID
	if in.name != "" {
		if err := h.homes.Rename(ctx, by, self, who, in.name); err != nil {
			return answer{}, err
		}
	}
	if in.restriction != nil {
		if err := h.homes.Restrict(ctx, by, self, who, *in.restriction); err != nil {
			return answer{}, err
		}
	}
	if in.admin != nil {
		if err := h.homes.SetAdmin(ctx, by, self, who, *in.admin); err != nil {
			return answer{}, err
		}
	}
	if err := h.changePIN(ctx, c, u, in); err != nil {
		return answer{}, err
	}
	// The current state: PlexAPI reads XML with a root.
	if found, err = h.read(ctx, c); err == nil {
		u, err = found.Find(who)
	}
	return answer{status: http.StatusOK, body: wire.LegacyHomeUser{HomeUser: h.user(c, u)}}, err
}

// changePIN changes a PIN, if the request is about one.
func (h homeHandlers) changePIN(ctx context.Context, c *call, u home.User, in homeChange) error {
	switch {
	case in.pin == nil:
		return nil
	case u.Account.ID == c.principal.AccountID:
		return h.homes.ChangePIN(ctx, c.actor(), u.Account.ID, in.currentPIN, *in.pin)
	}
	return h.homes.SetManagedPIN(ctx, c.actor(), c.principal.AccountID, fmt.Sprint(u.Account.ID), *in.pin)
}

// remove removes a user from the home.
func (h homeHandlers) remove(ctx context.Context, c *call) (answer, error) {
	if _, err := h.read(ctx, c); err != nil {
		return answer{}, err
	}
	err := h.homes.Remove(ctx, c.actor(), c.principal.AccountID, c.http.PathValue("id"))
	return answer{status: http.StatusOK}, err
}

// toUser switches to a user of the home.
func (h homeHandlers) toUser(ctx context.Context, c *call) (answer, error) {
	a, tok, err := h.issue(ctx, c)
	if err != nil {
		return answer{}, err
	}
	page, err := h.cache.fresh(ctx, a)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: h.avatars.account(c, page, tok, h.now())}, nil
}

// toUserV1 is toUser in version 1.
func (h homeHandlers) toUserV1(ctx context.Context, c *call) (answer, error) {
	a, tok, err := h.issue(ctx, c)
	if err != nil {
		return answer{}, err
	}
	body, err := h.cache.legacy(ctx, c, h.avatars, a, tok)
	return answer{status: http.StatusCreated, body: body}, err
}

func (h homeHandlers) issue(ctx context.Context, c *call) (account.Account, plexauth.Secret, error) {
	pin, err := c.params.Secret("pin")
	if err != nil {
		return account.Account{}, "", err
	}
	if c.ClientIdentifier == "" {
		return account.Account{}, "", errNoClient // no device would hold the token
	}
	if _, err := h.read(ctx, c); err != nil {
		return account.Account{}, "", err
	}
	return h.homes.Switch(ctx, c.actor(), c.principal, c.http.PathValue("id"), pin, c.device())
}

// readTexts reads parameters by name.
func readTexts(c *call, names ...string) (map[string]string, error) {
	texts := make(map[string]string, len(names))
	for _, name := range names {
		text, err := c.params.Text(name)
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, nil
}
