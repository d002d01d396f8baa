package plexauthtest

import (
	"context"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// User is somebody with an account.
type User struct {
	Username string
	// Email and Password are empty for Managed.
	Email    string
	Password plexauth.Secret
	// BackupCodes are TwoFactor's; nil for others.
	BackupCodes []plexauth.Secret

	id       int64
	seed     plexauth.Secret
	oldToken plexauth.Secret // of somebody who gets no other
	server   *Server
}

// SignIn is what the person gives to sign in, with the code that their
// authenticator shows now, if they have one. A code works once: the next one is
// there after half a minute, which Advance makes pass.
func (u *User) Credentials() plexauth.SignInRequest {
	return plexauth.SignInRequest{Login: u.Username, Password: u.Password, VerificationCode: u.VerificationCode()}
}

// Code is what the person's authenticator shows at the server's time; empty
// without a second factor.
func (u *User) VerificationCode() plexauth.Secret {
	if u.seed == "" {
		return ""
	}
	code, err := totp.GenerateCode(string(u.seed), u.server.Now().Truncate(time.Second))
	if err != nil {
		u.server.t.Fatalf("plexauthtest: a code for %s: %v", u.Username, err)
	}
	return plexauth.Secret(code)
}

// LinkPIN does what the person does on the page where a PIN's code is entered:
// it signs in the device that shows the code.
func (u *User) LinkPIN(code string) {
	s := u.server
	s.t.Helper()
	by := pin.By{AccountID: u.id, Address: "127.0.0.1"}
	if err := s.current.Load().PINs.Link(context.Background(), code, by); err != nil {
		s.t.Fatalf("plexauthtest: %s enters the code %s: %v", u.Username, code, err)
	}
}

// passwordHash is the hash that a sign-in of the person's rests on.
func (u *User) passwordHash(s *Server) string {
	s.t.Helper()
	a, err := s.current.Load().Store.Account(context.Background(), u.id)
	if err != nil {
		s.t.Fatalf("plexauthtest: %s: %v", u.Username, err)
	}
	return a.PasswordHash
}

// AddUser adds an account with a password.
func (s *Server) AddUser(username, email string, password plexauth.Secret) *User {
	s.t.Helper()
	return s.add(account.NewAccount{Username: username, Email: email, Password: password})
}

func (s *Server) add(n account.NewAccount) *User {
	s.t.Helper()
	a, err := s.current.Load().Accounts.Add(context.Background(), n)
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", n.Username, err)
	}
	return &User{Username: n.Username, Email: n.Email, Password: n.Password, id: a.ID, server: s}
}

// populate makes the people and the sources.
func (s *Server) populate() {
	s.t.Helper()
	s.Admin = s.add(account.NewAccount{Username: "admin", Email: "admin@example.org", Password: "admin's password", Admin: true})
	s.Member = s.AddUser("member", "member@example.org", "member's password")
	s.TwoFactor = s.AddUser("twofactor", "twofactor@example.org", "twofactor's password")
	s.Disabled = s.AddUser("disabled", "disabled@example.org", "disabled's password")
	s.enrol(s.TwoFactor)
	s.Disabled.oldToken = s.tokenOn(device, s.Disabled)
	if err := s.current.Load().Accounts.SetDisabled(context.Background(), s.Disabled.id, true); err != nil {
		s.t.Fatalf("plexauthtest: disabling: %v", err)
	}

	managed, err := s.current.Load().Store.AddAccount(context.Background(), store.Account{
		UUID: "managed", Username: "managed", UsernameKey: "managed", Title: "Managed",
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding managed: %v", err)
	}
	s.Managed = &User{Username: "managed", id: managed.ID, server: s}

	self := s.current.Load().Sources.Self()
	s.Self = Source{self.Name, self.Identifier, plexauth.ServerSource(self.Identifier)}
	s.Den = s.addSource(store.ServerSource, "Den", "den", s.Admin.id)
	s.Guide = s.addSource(store.ProviderSource, "Guide", "guide", 0)
	s.Share(s.Den, s.Member)
}

// enrol gives a person a second factor.
func (s *Server) enrol(u *User) {
	s.t.Helper()
	ctx, accounts := context.Background(), s.current.Load().Accounts
	a, err := s.current.Load().Store.Account(ctx, u.id)
	if err != nil {
		s.t.Fatalf("plexauthtest: %s: %v", u.Username, err)
	}
	e := account.NewEnrolment("plexauthtest", u.Username)
	if u.BackupCodes, err = accounts.Enrol(ctx, a, e, ""); err != nil {
		s.t.Fatalf("plexauthtest: a second factor for %s: %v", u.Username, err)
	}
	u.seed = e.Secret
}

func (s *Server) addSource(kind, name, identifier string, owner int64) Source {
	s.t.Helper()
	_, err := s.current.Load().Sources.Add(context.Background(), store.Source{
		Kind: kind, Name: name, Identifier: identifier, OwnerID: owner, Product: "Plex Media Server",
		Connections: []store.Connection{
			{URI: "http://192.0.2.5:32400", Local: true},
			{URI: "https://[2001:db8::5]:32400"},
			{URI: "https://relay.example.org:443", Relay: true},
		},
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", name, err)
	}
	src := Source{name, identifier, plexauth.ServerSource(identifier)}
	if kind == store.ProviderSource {
		src.Source = plexauth.ProviderSource(identifier)
	}
	return src
}

// AddServer adds a server that belongs to a person.
func (s *Server) AddServer(name, identifier string, owner *User) Source {
	s.t.Helper()
	return s.addSource(store.ServerSource, name, identifier, owner.id)
}

// Share lets a person reach a server.
func (s *Server) Share(src Source, u *User) {
	s.t.Helper()
	s.shared(src, u, (*source.Service).Share)
}

// Unshare takes a share back, with the tokens that rest on it.
func (s *Server) Unshare(src Source, u *User) {
	s.t.Helper()
	s.shared(src, u, (*source.Service).Unshare)
}

func (s *Server) shared(src Source, u *User, change func(*source.Service, context.Context, int64, int64) error) {
	s.t.Helper()
	sources := s.current.Load().Sources
	found, err := sources.Find(context.Background(), source.Ref{Kind: store.ServerSource, Identifier: src.Identifier})
	if err == nil {
		err = change(sources, context.Background(), found.ID, u.id)
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: sharing %s with %s: %v", src.Name, u.Username, err)
	}
}

// RevokeTokens ends every token of a person's.
func (s *Server) RevokeTokens(u *User) {
	s.t.Helper()
	ctx := context.Background()
	list, err := s.current.Load().Store.Tokens(ctx, u.id)
	for _, tok := range list {
		if tok.Kind == store.AccessToken && err == nil {
			err = s.current.Load().Tokens.Revoke(ctx, tok.ID)
		}
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: revoking the tokens of %s: %v", u.Username, err)
	}
}
