package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
)

// Invitation is a pending invitation.
type Invitation struct {
	// ID identifies the invitation in requests.
	ID int64
	scene.Invitation
}

// Errors of invitations.
var (
	errNoInvitation = fault.New(fault.NotFound, "there is no such pending invitation")
	errNobody       = fault.New(fault.Conflict, "this invitation cannot be accepted: no account had the name or address when it was sent")
)

// Servers returns the current media servers, including usher itself and those that the
// program added.
func (s *Stage) Servers(ctx context.Context) ([]scene.Source, error) {
	i := s.current()
	present, err := i.present(ctx)
	if err != nil {
		return nil, err
	}
	var list []scene.Source
	for src, err := range i.core.Sources.All(ctx, source.Server) {
		if err != nil {
			return nil, err
		}
		one, err := i.describe(ctx, present, src)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// describe returns a server in the form of a scene.
func (i *instance) describe(ctx context.Context, present *scene.Cast, src source.Source) (scene.Source, error) {
	if self := i.core.Sources.Self(); self.ID == src.ID {
		src = self
	}
	out := scene.Source{Kind: src.Kind, Name: src.Name, Identifier: src.Identifier, Connections: src.Connections}
	out.Owner = usernameOf(present, src.OwnerID)
	var err error
	out.Sections, err = i.core.Sources.Sections(ctx, src.ID)
	return out, err
}

// usernameOf returns the name of an account, or "" if there is none.
func usernameOf(present *scene.Cast, id int64) string {
	for _, p := range present.People {
		if p.ID == id {
			return p.Username
		}
	}
	return ""
}

// AddServer adds a media server with its sections and its shares.
func (s *Stage) AddServer(ctx context.Context, src scene.Source) (added scene.Source, err error) {
	return added, s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		row, err := present.AddSource(ctx, s.cfg.By, i.core, src)
		if err != nil {
			if row.ID != 0 { // a section is malformed, or it is shared with an unknown account
				err = errors.Join(err, i.core.Sources.Remove(ctx, s.cfg.By, ref(row.Identifier)))
			}
			return err
		}
		added, err = i.describe(ctx, present, row)
		return err
	})
}

// RemoveServer removes a media server, with its shares and the tokens for it.
func (s *Stage) RemoveServer(ctx context.Context, id string) error {
	return s.change(func(i *instance) error { return known(id, i.core.Sources.Remove(ctx, s.cfg.By, ref(id))) })
}

// ref returns the reference to a media server.
func ref(id string) source.Ref { return source.Ref{Kind: source.Server, Identifier: id} }

// known returns err. If the server is unknown, the error names it.
func known(id string, err error) error {
	if errors.Is(err, source.ErrNotFound) {
		return fault.New(fault.NotFound, fmt.Sprintf("there is no server with the id %q", id))
	}
	return err
}

// Shares returns the current shares, ordered by server.
func (s *Stage) Shares(ctx context.Context) ([]scene.Share, error) {
	i := s.current()
	var list []scene.Share
	for src, err := range i.core.Sources.All(ctx, source.Server) {
		if err != nil {
			return nil, err
		}
		shares, err := i.core.Sources.SharesOfServer(ctx, src.ID)
		if err != nil {
			return nil, err
		}
		for _, h := range shares {
			list = append(list, scene.Share{Server: src.Identifier, With: h.Username, Sections: titles(h.Chosen, h.Sections)})
		}
	}
	return list, nil
}

// titles returns the names of the chosen sections, or nil if all sections are shared.
func titles(chosen bool, sections []source.Section) []string {
	if !chosen {
		return nil
	}
	names := make([]string, 0, len(sections))
	for _, sec := range sections {
		names = append(names, sec.Title)
	}
	return names
}

// AddShare shares a server with an account. The owner of the server or, without one,
// the first admin invites the account, which accepts.
func (s *Stage) AddShare(ctx context.Context, h scene.Share) error {
	return s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		src, err := i.core.Sources.Find(ctx, ref(h.Server))
		if err != nil {
			return known(h.Server, err)
		}
		n := slices.IndexFunc(present.People, func(p scene.Person) bool { return src.OwnedBy(p.ID, p.Admin) && !p.Disabled })
		if n < 0 {
			return fault.New(fault.Conflict, fmt.Sprintf("the server %s has no owner who can share it", h.Server))
		}
		p, err := i.person(ctx, h.With)
		if err != nil {
			return err
		}
		return scene.Admit(ctx, s.cfg.By, i.core, present.People[n], p, src.Identifier, h.Sections)
	})
}

// RemoveShare removes the share of a server with an account, and revokes the tokens for
// it.
func (s *Stage) RemoveShare(ctx context.Context, server, username string) error {
	return s.change(func(i *instance) error {
		p, err := i.person(ctx, username)
		if err != nil {
			return err
		}
		src, err := i.core.Sources.Find(ctx, ref(server))
		if err != nil {
			return known(server, err)
		}
		return i.core.Sources.Unshare(ctx, s.cfg.By, src, p.ID)
	})
}

// Befriend makes two accounts friends.
func (s *Stage) Befriend(ctx context.Context, a, b string) error {
	return s.between(ctx, a, b, func(i *instance, a, b scene.Person) error { return scene.Befriend(ctx, s.cfg.By, i.core, a, b) })
}

// Unfriend ends a friendship, with the shares, the tokens for them, and the invitations
// between the two accounts.
func (s *Stage) Unfriend(ctx context.Context, a, b string) error {
	return s.between(ctx, a, b, func(i *instance, a, b scene.Person) error {
		return i.core.Friends.Remove(ctx, s.cfg.By, a.ID, b.ID)
	})
}

// between calls f with two accounts.
func (s *Stage) between(ctx context.Context, a, b string, f func(i *instance, a, b scene.Person) error) error {
	return s.change(func(i *instance) error {
		one, err := i.person(ctx, a)
		if err != nil {
			return err
		}
		other, err := i.person(ctx, b)
		if err != nil {
			return err
		}
		return f(i, one, other)
	})
}

// Invitations returns the pending invitations, including those that the program sent.
func (s *Stage) Invitations(ctx context.Context) (list []Invitation, err error) {
	err = s.current().eachInvitation(ctx, func(one waiting) { list = append(list, one.Invitation) })
	return list, err
}

// waiting is a pending invitation with its two accounts.
type waiting struct {
	Invitation
	inviterID, accountID int64 // accountID is 0 if nobody has the name
}

// eachInvitation calls f for each pending invitation, ordered by sender.
func (i *instance) eachInvitation(ctx context.Context, f func(waiting)) error {
	present, err := i.present(ctx)
	if err != nil {
		return err
	}
	for _, p := range present.People {
		sent, err := i.core.Friends.Sent(ctx, p.ID)
		if err != nil {
			return err
		}
		for _, one := range sent {
			f(waiting{Invitation{one.Number, scene.Invitation{
				From: p.Username, To: one.Invited, Server: one.Server.Identifier, Sections: titles(one.Chosen, one.Sections),
			}}, p.ID, one.AccountID})
		}
	}
	return nil
}

// invitation returns the invitation with an ID.
func (i *instance) invitation(ctx context.Context, id int64) (found waiting, err error) {
	err = i.eachInvitation(ctx, func(one waiting) {
		if one.ID == id {
			found = one
		}
	})
	if err == nil && found.ID == 0 {
		err = errNoInvitation
	}
	return found, err
}

// Invite sends an invitation, which stays pending.
func (s *Stage) Invite(ctx context.Context, w scene.Invitation) (sent Invitation, err error) {
	return sent, s.change(func(i *instance) error {
		from, err := i.person(ctx, w.From)
		if err != nil {
			return err
		}
		number, err := scene.Invite(ctx, s.cfg.By, i.core, from, w.To, w.Server, w.Sections)
		if err != nil {
			return known(w.Server, err)
		}
		one, err := i.invitation(ctx, number)
		sent = one.Invitation
		return err
	})
}

// AcceptInvitation accepts an invitation as the invited account.
func (s *Stage) AcceptInvitation(ctx context.Context, id int64) error {
	return s.change(func(i *instance) error {
		one, err := i.invitation(ctx, id)
		if err != nil {
			return err
		}
		if one.accountID == 0 {
			return errNobody
		}
		return i.core.Friends.Accept(ctx, s.cfg.By, one.accountID, id)
	})
}

// EndInvitation withdraws or declines an invitation. Programs of both sides cannot tell
// which.
func (s *Stage) EndInvitation(ctx context.Context, id int64) error {
	return s.change(func(i *instance) error {
		one, err := i.invitation(ctx, id)
		if err != nil {
			return err
		}
		return i.core.Friends.End(ctx, s.cfg.By, one.inviterID, id)
	})
}

// AddToHome adds an account that signs in to the home of owner, as an admin if admin is
// true.
func (s *Stage) AddToHome(ctx context.Context, owner, username string, admin bool) error {
	return s.between(ctx, owner, username, func(i *instance, owner, p scene.Person) error {
		return i.core.Homes.Join(ctx, s.cfg.By, owner.ID, p.ID, admin)
	})
}

// RemoveFromHome removes an account from a home. A managed account is deleted.
func (s *Stage) RemoveFromHome(ctx context.Context, owner, username string) error {
	return s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(present.People, func(p scene.Person) bool { return p.Username == username && p.Home == owner })
		if n < 0 {
			return fault.New(fault.NotFound, fmt.Sprintf("%s is not in the home of %s", username, owner))
		}
		o, err := i.person(ctx, owner)
		if err != nil {
			return err
		}
		return i.core.Homes.Remove(ctx, s.cfg.By, o.ID, strconv.FormatInt(present.People[n].ID, 10))
	})
}
