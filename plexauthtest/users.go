package plexauthtest

import (
	"context"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// User is a user of the server. Its methods are safe for concurrent use. They
// call Fatalf of the test if they fail.
type User struct {
	// Username is the name to sign in with.
	Username string
	// Email is the e-mail address. It is empty for Managed.
	Email string
	// Password is the password. It is empty for Managed.
	Password plexauth.Secret
	// BackupCodes are the backup codes of TwoFactor, unused at first. They are
	// nil for other users.
	BackupCodes []plexauth.Secret

	id         int64
	totpSecret plexauth.Secret
	oldToken   plexauth.Secret // the only token of a user who cannot sign in
	server     *Server
}

// Credentials returns the argument for plexauth.Client.SignIn: the username,
// the password and, if the user has a second factor, the current verification
// code.
func (u *User) Credentials() plexauth.SignInRequest {
	return plexauth.SignInRequest{
		Login: u.Username, Password: u.Password, VerificationCode: u.VerificationCode(),
	}
}

// VerificationCode returns the current TOTP code of the user, by the server's
// clock. It returns "" if the user has no second factor. Each code works once.
// Advance the clock by 30 seconds to get the next one.
func (u *User) VerificationCode() plexauth.Secret {
	if u.totpSecret == "" {
		return ""
	}
	code, err := totp.GenerateCode(string(u.totpSecret), u.server.Now().Truncate(time.Second))
	if err != nil {
		u.server.t.Fatalf("plexauthtest: generating a code for %s: %v", u.Username, err)
	}
	return plexauth.Secret(code)
}

// LinkPIN completes the sign-in of the PIN with the given code, as if the user
// had allowed access at plexauth.Client.LinkURL or AuthURL. It returns the URL
// that the browser of the user is then sent to: plexauth.PINRequest.ForwardURL
// with the proof, or "" if the PIN was requested without one. To end a sign-in
// with package plexauth/login, open it in the browser that started.
func (u *User) LinkPIN(code string) (forward string) {
	s := u.server
	s.t.Helper()
	by, pins := audit.Actor{AccountID: u.id, Address: "127.0.0.1"}, s.current.Load().PINs
	p, err := pins.Find(context.Background(), by, code)
	if err == nil {
		err = pins.Link(context.Background(), by, code)
	}
	var to pin.Forward
	if err == nil && p.Forward != "" {
		to, err = pins.Forward(context.Background(), by, code)
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: linking the PIN %[2]s for %[1]s: %[3]v", u.Username, code, err)
	}
	if to.WithProof == nil {
		return ""
	}
	return to.WithProof.String()
}

// AddUser adds a user with a password. email may be empty.
func (s *Server) AddUser(username, email string, password plexauth.Secret) *User {
	s.t.Helper()
	return s.add(account.NewAccount{Username: username, Email: email, Password: password})
}

func (s *Server) add(n account.NewAccount) *User {
	s.t.Helper()
	a, err := s.current.Load().Accounts.Add(context.Background(), operator, n)
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", n.Username, err)
	}
	return &User{Username: n.Username, Email: n.Email, Password: n.Password, id: a.ID, server: s}
}

// populate adds the users and the sources of Server.
func (s *Server) populate() {
	s.t.Helper()
	s.Admin = s.add(account.NewAccount{
		Username: "admin", Email: "admin@example.org", Password: "admin's password", Admin: true,
	})
	s.Member = s.AddUser("member", "member@example.org", "member's password")
	s.TwoFactor = s.AddUser("twofactor", "twofactor@example.org", "twofactor's password")
	s.Disabled = s.AddUser("disabled", "disabled@example.org", "disabled's password")
	s.enrol(s.TwoFactor)
	s.Disabled.oldToken = s.tokenOn(clientIdentifier, s.Disabled)
	if err := s.current.Load().Accounts.Disable(context.Background(), operator, s.Disabled.id); err != nil {
		s.t.Fatalf("plexauthtest: disabling an account: %v", err)
	}

	s.Managed = s.add(account.NewAccount{Username: "managed", Managed: true})

	self := s.current.Load().Sources.Self()
	s.Self = Source{self.Name, self.Identifier, plexauth.ServerSource(self.Identifier)}
	s.Den = s.addSource(source.Server, "Den", "den", s.Admin.id)
	s.Guide = s.addSource(source.Provider, "Guide", "guide", 0)
	s.Share(s.Den, s.Member)
}

// enrol adds a second factor to a user.
func (s *Server) enrol(u *User) {
	s.t.Helper()
	ctx, accounts := context.Background(), s.current.Load().Accounts
	e := account.NewEnrolment("plexauthtest", u.Username)
	var err error
	if u.BackupCodes, err = accounts.Enrol(ctx, operator, u.id, e, ""); err != nil {
		s.t.Fatalf("plexauthtest: enrolling the second factor of %s: %v", u.Username, err)
	}
	u.totpSecret = e.Secret
}

func (s *Server) addSource(kind source.Kind, name, identifier string, owner int64) Source {
	s.t.Helper()
	_, err := s.current.Load().Sources.Add(context.Background(), operator, source.Source{
		Kind: kind, Name: name, Identifier: identifier, OwnerID: owner, Product: "Plex Media Server",
		Connections: []source.Connection{
			{URI: "http://192.0.2.5:32400", Local: true},
			{URI: "https://[2001:db8::5]:32400"},
			{URI: "https://relay.example.org:443", Relay: true},
		},
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", name, err)
	}
	src := Source{name, identifier, plexauth.ServerSource(identifier)}
	if kind == source.Provider {
		src.Source = plexauth.ProviderSource(identifier)
	}
	return src
}

// AddServer adds a server that owner owns. Nothing listens at its addresses.
func (s *Server) AddServer(name, identifier string, owner *User) Source {
	s.t.Helper()
	return s.addSource(source.Server, name, identifier, owner.id)
}

// Share shares a server with a user.
func (s *Server) Share(src Source, u *User) {
	s.t.Helper()
	s.changeShare(src, u, (*source.Service).Share)
}

// Unshare removes a share. This revokes the tokens that depend on it.
func (s *Server) Unshare(src Source, u *User) {
	s.t.Helper()
	s.changeShare(src, u, (*source.Service).Unshare)
}

// changeShare calls change with the id of the server and of the account.
func (s *Server) changeShare(
	src Source, u *User, change func(*source.Service, context.Context, audit.Actor, source.Source, int64) error,
) {
	s.t.Helper()
	sources := s.current.Load().Sources
	found, err := sources.Find(context.Background(), source.Ref{Kind: source.Server, Identifier: src.Identifier})
	if err == nil {
		err = change(sources, context.Background(), operator, found, u.id)
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: changing the share of %s with %s: %v", src.Name, u.Username, err)
	}
}

// RevokeTokens revokes every access token of a user, and the tokens issued with
// them.
func (s *Server) RevokeTokens(u *User) {
	s.t.Helper()
	ctx := context.Background()
	list, err := s.current.Load().Tokens.List(ctx, u.id)
	for _, tok := range list {
		if tok.Kind == token.Access && err == nil {
			err = s.current.Load().Tokens.Revoke(ctx, operator, tok.ID)
		}
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: revoking the tokens of %s: %v", u.Username, err)
	}
}
