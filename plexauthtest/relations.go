package plexauthtest

import (
	"context"
	"strconv"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// AddHomeUser adds a managed user to the home of owner, and creates the home if
// necessary. pin can be empty. The user cannot sign in, but programs can switch to it.
// Client and Token work for it as for any user.
func (s *Server) AddHomeUser(owner *User, name string, pin plexauth.Secret) *User {
	s.t.Helper()
	ctx, homes := context.Background(), s.current.Load().Homes
	added, err := homes.AddManaged(ctx, operator, owner.id, name, "")
	if err == nil && pin != "" {
		err = homes.ResetPIN(ctx, operator, added.Account.ID, pin)
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s to the home of %s: %v", name, owner.Username, err)
	}
	return &User{Username: name, PIN: pin, home: owner.Username, managed: true, id: added.Account.ID, server: s}
}

// AddToHome adds a user who signs in to the home of owner, and creates the home if
// necessary.
func (s *Server) AddToHome(owner, u *User) {
	s.t.Helper()
	if err := s.current.Load().Homes.Join(context.Background(), operator, owner.id, u.id, false); err != nil {
		s.t.Fatalf("plexauthtest: adding %s to the home of %s: %v", u.Username, owner.Username, err)
	}
	u.home = owner.Username
}

// RemoveFromHome removes a user from the home of owner. A managed user, as AddHomeUser
// creates, is deleted.
func (s *Server) RemoveFromHome(owner, u *User) {
	s.t.Helper()
	err := s.current.Load().Homes.Remove(context.Background(), operator, owner.id, strconv.FormatInt(u.id, 10))
	if err != nil {
		s.t.Fatalf("plexauthtest: removing %s from the home of %s: %v", u.Username, owner.Username, err)
	}
	u.home = ""
}

// RemoveUser removes a user, and the managed users of that user's home.
func (s *Server) RemoveUser(u *User) {
	s.t.Helper()
	if err := s.current.Load().Accounts.Remove(context.Background(), operator, u.id); err != nil {
		s.t.Fatalf("plexauthtest: removing %s: %v", u.Username, err)
	}
}

// RemoveServer removes a server, with its shares and the tokens for it.
func (s *Server) RemoveServer(src Source) {
	s.t.Helper()
	ref := source.Ref{Kind: source.Server, Identifier: src.Identifier}
	if err := s.current.Load().Sources.Remove(context.Background(), operator, ref); err != nil {
		s.t.Fatalf("plexauthtest: removing %s: %v", src.Name, err)
	}
}

// SetPIN sets the PIN of a user: four digits, or "" for none. It is required when
// another user of the home switches to the user.
func (s *Server) SetPIN(u *User, pin plexauth.Secret) {
	s.t.Helper()
	if err := s.current.Load().Homes.ResetPIN(context.Background(), operator, u.id, pin); err != nil {
		s.t.Fatalf("plexauthtest: setting the PIN of %s: %v", u.Username, err)
	}
	u.PIN = pin
}

// AddSection adds a section to a server. Its type is movie, show, artist or photo.
func (s *Server) AddSection(src Source, name, sectionType string) {
	s.t.Helper()
	err := s.onServer(src, func(found source.Source) error {
		_, err := s.current.Load().Sources.AddSection(context.Background(), operator, found, source.Section{Title: name, Kind: sectionType})
		return err
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding the section %s to %s: %v", name, src.Name, err)
	}
}

// Share shares all sections of a server with a user, the way an operator does: the user
// does not become a friend of the owner.
func (s *Server) Share(src Source, u *User) {
	s.t.Helper()
	s.changeShare(src, u, (*source.Service).Share)
}

// ShareSections shares sections of a server, given by name, with a user. The owner
// invites the user, who accepts, so the two become friends. Without names, all sections
// are shared.
func (s *Server) ShareSections(owner *User, src Source, u *User, sections ...string) {
	s.t.Helper()
	err := scene.Admit(context.Background(), operator, s.current.Load().Core, owner.person(), u.person(), src.Identifier, sections)
	if err != nil {
		s.t.Fatalf("plexauthtest: sharing %s with %s: %v", src.Name, u.Username, err)
	}
}

// Unshare removes a share, which revokes the tokens that depend on it.
func (s *Server) Unshare(src Source, u *User) {
	s.t.Helper()
	s.changeShare(src, u, (*source.Service).Unshare)
}

// Befriend makes two users friends.
func (s *Server) Befriend(a, b *User) {
	s.t.Helper()
	if err := scene.Befriend(context.Background(), operator, s.current.Load().Core, a.person(), b.person()); err != nil {
		s.t.Fatalf("plexauthtest: making %s and %s friends: %v", a.Username, b.Username, err)
	}
}

// Unfriend ends a friendship, with the shares and invitations between the two.
func (s *Server) Unfriend(a, b *User) {
	s.t.Helper()
	if err := s.current.Load().Friends.Remove(context.Background(), operator, a.id, b.id); err != nil {
		s.t.Fatalf("plexauthtest: ending the friendship of %s and %s: %v", a.Username, b.Username, err)
	}
}

// Invite sends an invitation to src, a server of from. to is a username or an e-mail
// address, and no account need have it. With the zero Source, the invitation is to a
// friendship only. Without names of sections, it covers all sections. It stays pending.
func (s *Server) Invite(from *User, to string, src Source, sections ...string) Invitation {
	s.t.Helper()
	id, err := scene.Invite(context.Background(), operator, s.current.Load().Core, from.person(), to, src.Identifier, sections)
	if err != nil {
		s.t.Fatalf("plexauthtest: inviting %s as %s: %v", to, from.Username, err)
	}
	return Invitation{ID: id, Sender: from.Username, To: to, Server: src.Identifier, Sections: sections}
}

// AcceptInvitation accepts an invitation as u, who was invited.
func (s *Server) AcceptInvitation(u *User, i Invitation) {
	s.t.Helper()
	if err := s.current.Load().Friends.Accept(context.Background(), operator, u.id, i.ID); err != nil {
		s.t.Fatalf("plexauthtest: accepting the invitation of %s as %s: %v", i.Sender, u.Username, err)
	}
}

// EndInvitation withdraws an invitation that the user as sent, or declines one that as
// received.
func (s *Server) EndInvitation(as *User, i Invitation) {
	s.t.Helper()
	if err := s.current.Load().Friends.End(context.Background(), operator, as.id, i.ID); err != nil {
		s.t.Fatalf("plexauthtest: ending the invitation of %s as %s: %v", i.Sender, as.Username, err)
	}
}

// person returns the user in the form of a scene.
func (u *User) person() scene.Person {
	return scene.Person{Account: scene.Account{Username: u.Username, Home: u.home, Managed: u.managed}, ID: u.id}
}

// changeShare calls change with the id of the server and of the account.
func (s *Server) changeShare(
	src Source, u *User, change func(*source.Service, context.Context, audit.Actor, source.Source, int64) error,
) {
	s.t.Helper()
	err := s.onServer(src, func(found source.Source) error {
		return change(s.current.Load().Sources, context.Background(), operator, found, u.id)
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: changing the share of %s with %s: %v", src.Name, u.Username, err)
	}
}

// onServer calls f with a server.
func (s *Server) onServer(src Source, f func(source.Source) error) error {
	found, err := s.current.Load().Sources.Find(context.Background(), source.Ref{Kind: source.Server, Identifier: src.Identifier})
	if err != nil {
		return err
	}
	return f(found)
}
