package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// errNoPerson says that nobody has a username.
var errNoPerson = fault.New(fault.NotFound, "there is no account with this username")

// person returns the person with a username.
func (i *instance) person(username string) (scene.Person, error) {
	p, ok := i.cast.Person(username)
	if !ok {
		return p, errNoPerson
	}
	return p, nil
}

// AddPerson adds an account.
func (s *Stage) AddPerson(ctx context.Context, a scene.Account) (scene.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.current()
	next := *i
	next.cast = i.cast.Clone()
	p, err := s.cfg.Scene.AddPerson(ctx, s.cfg.By, i.core, next.cast, a)
	if err != nil {
		if p.ID != 0 { // its token, its PIN or its second factor is malformed
			err = errors.Join(err, i.core.Accounts.Remove(ctx, s.cfg.By, p.ID))
		}
		return p, err
	}
	s.now.Store(&next)
	return p, nil
}

// Code returns the code of an account's second factor at this moment.
func (s *Stage) Code(username string) (plexauth.Secret, error) {
	p, err := s.current().person(username)
	if err != nil {
		return "", err
	}
	if p.Seed == "" {
		return "", fault.New(fault.NotFound, "the account has no second factor")
	}
	code, err := totp.GenerateCode(string(p.Seed), s.Clock.Now().Truncate(time.Second))
	if err != nil {
		return "", fmt.Errorf("generating a code: %w", err)
	}
	return plexauth.Secret(code), nil
}

// IssueToken returns a new token of an account, on a device.
func (s *Stage) IssueToken(ctx context.Context, username string, d device.Device) (plexauth.Secret, error) {
	i := s.current()
	p, err := i.person(username)
	if err != nil {
		return "", err
	}
	return i.core.Tokens.Issue(ctx, s.cfg.By, p.ID, d)
}

// RevokeTokens revokes every token of an account, with what they led to.
func (s *Stage) RevokeTokens(ctx context.Context, username string) error {
	i := s.current()
	p, err := i.person(username)
	if err != nil {
		return err
	}
	read := func(r paging.Request) (paging.List[token.Token], error) { return i.core.Tokens.List(ctx, p.ID, r) }
	for tok, err := range paging.All(paging.DefaultLimit, read) {
		if err == nil {
			err = i.core.Tokens.Revoke(ctx, s.cfg.By, tok.ID)
		}
		if err != nil && fault.KindOf(err) != fault.NotFound { // it was revoked with its parent
			return err
		}
	}
	return nil
}

// RevokeToken revokes one token, with what it led to.
func (s *Stage) RevokeToken(ctx context.Context, secret plexauth.Secret) error {
	i := s.current()
	p, err := i.core.Tokens.Verify(ctx, secret)
	if err != nil {
		return err
	}
	return i.core.Tokens.Revoke(ctx, s.cfg.By, p.TokenID)
}

// ApprovePIN links the PIN with a code to an account, as if the person had allowed
// it on a page. It returns the address that the person's browser goes on to; empty
// if the program named none.
func (s *Stage) ApprovePIN(ctx context.Context, username, code string) (forward string, err error) {
	i := s.current()
	p, err := i.person(username)
	if err != nil {
		return "", err
	}
	by := actor(p)
	found, err := i.core.PINs.Find(ctx, by, code)
	if err != nil {
		return "", err
	}
	if err := i.core.PINs.Link(ctx, by, code); err != nil || found.Forward == "" {
		return "", err
	}
	to, err := i.core.PINs.Forward(ctx, by, code)
	if err != nil || to.WithProof == nil {
		return "", err
	}
	return to.WithProof.String(), nil
}

// RefusePIN removes the PIN with a code, as if a person had refused it on a page.
func (s *Stage) RefusePIN(ctx context.Context, username, code string) error {
	i := s.current()
	p, err := i.person(username)
	if err != nil {
		return err
	}
	return i.core.PINs.Deny(ctx, actor(p), code)
}

// actor is a user of a browser on this machine.
func actor(p scene.Person) audit.Actor { return audit.Actor{AccountID: p.ID, Address: "127.0.0.1"} }
