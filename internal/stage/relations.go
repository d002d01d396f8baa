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

// Invitation is an invitation that waits for an answer.
type Invitation struct {
	// ID is what programs name it by.
	ID int64
	scene.Invitation
}

// Errors of invitations.
var (
	errNoInvitation = fault.New(fault.NotFound, "no such invitation waits for an answer")
	errNobody       = fault.New(fault.Conflict, "nobody can accept this invitation: when it was sent, no account had the name or address")
)

// Servers returns the media servers that there are at this moment, with usher itself:
// also those that the program has added.
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

// describe returns a server as scenes have it.
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

// usernameOf returns the name of an account; empty if there is none.
func usernameOf(present *scene.Cast, id int64) string {
	for _, p := range present.People {
		if p.ID == id {
			return p.Username
		}
	}
	return ""
}

// AddServer adds a media server, with its sections and with whom an operator shares it.
func (s *Stage) AddServer(ctx context.Context, src scene.Source) (added scene.Source, err error) {
	return added, s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		row, err := present.AddSource(ctx, s.cfg.By, i.core, src)
		if err != nil {
			if row.ID != 0 { // one of its sections is malformed, or it is shared with nobody known
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

// ref names a media server.
func ref(id string) source.Ref { return source.Ref{Kind: source.Server, Identifier: id} }

// known returns err, which says of an unknown server which one it is.
func known(id string, err error) error {
	if errors.Is(err, source.ErrNotFound) {
		return fault.New(fault.NotFound, fmt.Sprintf("there is no server with the id %q", id))
	}
	return err
}

// Shares returns what is shared at this moment, by server.
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

// titles are the names of the sections that were chosen; nil: all of them are meant.
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

// AddShare shares a server with an account, as its owner or, without one, the first
// admin: the account is invited, and accepts.
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
			return fault.New(fault.Conflict, fmt.Sprintf("nobody owns the server %s, so nobody shares it", h.Server))
		}
		p, err := i.person(ctx, h.With)
		if err != nil {
			return err
		}
		return scene.Admit(ctx, s.cfg.By, i.core, present.People[n], p, src.Identifier, h.Sections)
	})
}

// RemoveShare ends the share of a server with an account, and the tokens for it.
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

// Unfriend ends a friendship with what it has led to: shares, the tokens for them, and
// invitations.
func (s *Stage) Unfriend(ctx context.Context, a, b string) error {
	return s.between(ctx, a, b, func(i *instance, a, b scene.Person) error {
		return i.core.Friends.Remove(ctx, s.cfg.By, a.ID, b.ID)
	})
}

// between changes what is between two accounts.
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

// Invitations returns the invitations that wait for an answer at this moment: also those
// that the program has sent.
func (s *Stage) Invitations(ctx context.Context) (list []Invitation, err error) {
	err = s.current().eachInvitation(ctx, func(one waiting) { list = append(list, one.Invitation) })
	return list, err
}

// waiting is an invitation with the accounts that it is between.
type waiting struct {
	Invitation
	inviterID, accountID int64 // accountID is 0 if nobody has the name
}

// eachInvitation calls f for each invitation that waits, by who sent it.
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

// Invite sends an invitation, which then waits.
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

// AcceptInvitation accepts an invitation as who was invited.
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

// EndInvitation ends an invitation, which says to programs of both sides that it was
// withdrawn or declined.
func (s *Stage) EndInvitation(ctx context.Context, id int64) error {
	return s.change(func(i *instance) error {
		one, err := i.invitation(ctx, id)
		if err != nil {
			return err
		}
		return i.core.Friends.End(ctx, s.cfg.By, one.inviterID, id)
	})
}

// AddToHome lets an account that signs in live in the home of another, as its admin if
// asked to.
func (s *Stage) AddToHome(ctx context.Context, owner, username string, admin bool) error {
	return s.between(ctx, owner, username, func(i *instance, owner, p scene.Person) error {
		return i.core.Homes.Join(ctx, s.cfg.By, owner.ID, p.ID, admin)
	})
}

// RemoveFromHome takes an account out of a home. A managed account is removed.
func (s *Stage) RemoveFromHome(ctx context.Context, owner, username string) error {
	return s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(present.People, func(p scene.Person) bool { return p.Username == username && p.Home == owner })
		if n < 0 {
			return fault.New(fault.NotFound, fmt.Sprintf("%s does not live in the home of %s", username, owner))
		}
		o, err := i.person(ctx, owner)
		if err != nil {
			return err
		}
		return i.core.Homes.Remove(ctx, s.cfg.By, o.ID, strconv.FormatInt(present.People[n].ID, 10))
	})
}
