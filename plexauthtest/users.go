package plexauthtest

import (
	"context"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// User is a user of the server. Its methods are safe for concurrent use. They
// call Fatalf of the test if they fail.
type User struct {
	// Username is the name to sign in with. For a user of AddHomeUser, it is the name
	// to display.
	Username string
	// Email is the e-mail address. It is empty for Managed.
	Email string
	// Password is the password. It is empty for Managed.
	Password plexauth.Secret
	// PIN is required when another user of the home switches to the user. It is
	// empty if the user has none.
	PIN plexauth.Secret
	// BackupCodes are the backup codes of TwoFactor, unused at first. They are
	// nil for other users.
	BackupCodes []plexauth.Secret

	id         int64
	home       string // username of the owner of the user's home, or empty
	managed    bool
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
// that the user's browser is then redirected to: plexauth.PINRequest.ForwardURL
// with the proof, or "" if the PIN was requested without one. To complete a sign-in
// with package plexauth/login, open it in the browser that started the sign-in.
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
	a, err := s.current.Load().Accounts.Add(context.Background(), operator,
		account.NewAccount{Username: username, Email: email, Password: password})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", username, err)
	}
	return &User{Username: username, Email: email, Password: password, id: a.ID, server: s}
}

// populate adds the users and the sources of a scene. In the default scene, only
// disabled accounts get a token here: the others get theirs from Client and Token.
func (s *Server) populate(play scene.Scene, isDefault bool) {
	s.t.Helper()
	play.Device = clientIdentifier
	for i := range play.Accounts {
		if isDefault && !play.Accounts[i].Disabled {
			play.Accounts[i].Token = ""
		}
	}
	var err error
	if s.cast, err = play.Play(context.Background(), operator, s.current.Load().Core); err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	s.Self = s.Source(s.current.Load().Sources.Self().Name)
	if !isDefault {
		return
	}
	s.Admin, s.Member, s.TwoFactor = s.User("admin"), s.User("member"), s.User("twofactor")
	s.Managed, s.Disabled = s.User("managed"), s.User("disabled")
	s.Den, s.Guide = s.Source("Den"), s.Source("Guide")
}

// User returns the initial user with a username. It calls Fatalf if there is none.
func (s *Server) User(username string) *User {
	s.t.Helper()
	p, ok := s.cast.Person(username)
	if !ok {
		s.t.Fatalf("plexauthtest: the scene has no account %s", username)
	}
	u := &User{
		Username: p.Username, Email: p.Email, Password: p.Password, PIN: p.PIN, BackupCodes: p.BackupCodes,
		home: p.Home, managed: p.Managed, id: p.ID, totpSecret: p.Seed, server: s,
	}
	if p.Disabled {
		u.oldToken = p.Token
	}
	return u
}

// Source returns the initial server or provider with a name. It calls Fatalf if there
// is none.
func (s *Server) Source(name string) Source {
	s.t.Helper()
	for _, src := range s.cast.Sources {
		if src.Name == name {
			return describe(src.Kind, src.Name, src.Identifier)
		}
	}
	s.t.Fatalf("plexauthtest: the scene has no source %s", name)
	return Source{}
}

// describe returns the Source with a kind, a name and an identifier.
func describe(kind source.Kind, name, identifier string) Source {
	if kind == source.Provider {
		return Source{name, identifier, plexauth.ProviderSource(identifier)}
	}
	return Source{name, identifier, plexauth.ServerSource(identifier)}
}

// AddServer adds a server that owner owns. Nothing listens at its addresses.
func (s *Server) AddServer(name, identifier string, owner *User) Source {
	s.t.Helper()
	_, err := s.current.Load().Sources.Add(context.Background(), operator, source.Source{
		Kind: source.Server, Name: name, Identifier: identifier, OwnerID: owner.id, Product: "Plex Media Server",
		Connections: scene.Nowhere(),
	})
	if err != nil {
		s.t.Fatalf("plexauthtest: adding %s: %v", name, err)
	}
	return describe(source.Server, name, identifier)
}

// RevokeTokens revokes every access token of a user, and the tokens issued with
// them.
func (s *Server) RevokeTokens(u *User) {
	s.t.Helper()
	ctx := context.Background()
	tokens := s.current.Load().Tokens
	read := func(r paging.Request) (paging.List[token.Token], error) { return tokens.List(ctx, u.id, r) }
	for tok, err := range paging.All(paging.DefaultLimit, read) {
		if err == nil && tok.Kind == token.Access {
			err = tokens.Revoke(ctx, operator, tok.ID)
		}
		if err != nil {
			s.t.Fatalf("plexauthtest: revoking the tokens of %s: %v", u.Username, err)
		}
	}
}
