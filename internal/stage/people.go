package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// People returns the current accounts in the order in which they were added, including
// those that the program added, for example by a sign-up. Names and homes are the
// current ones. Secrets are those that the scene or the test chose, if any.
func (s *Stage) People(ctx context.Context) ([]scene.Person, error) {
	present, err := s.current().present(ctx)
	if err != nil {
		return nil, err
	}
	return present.People, nil
}

// present returns the current accounts.
func (i *instance) present(ctx context.Context) (*scene.Cast, error) {
	present := new(scene.Cast)
	read := func(r paging.Request) (paging.List[account.Account], error) { return i.core.Accounts.List(ctx, r) }
	for a, err := range paging.All(paging.DefaultLimit, read) {
		if err != nil {
			return nil, err
		}
		p, err := i.personOf(ctx, a)
		if err != nil {
			return nil, err
		}
		present.People = append(present.People, p)
	}
	return present, nil
}

// personOf returns the person of an account.
func (i *instance) personOf(ctx context.Context, a account.Account) (scene.Person, error) {
	p := scene.Person{ID: a.ID, Account: scene.Account{Managed: a.Managed()}}
	for _, known := range i.cast.People {
		if known.ID == a.ID {
			p = known
		}
	}
	p.Username, p.Email, p.Admin, p.Disabled = a.Username, a.Email, a.Admin, a.Disabled
	p.Home, p.HomeAdmin, p.Guest, p.Restriction = "", false, false, ""
	h, err := i.core.Homes.Of(ctx, a.ID)
	if fault.KindOf(err) == fault.NotFound { // it is disabled
		return p, nil
	}
	if err != nil || h.OwnerID == a.ID {
		return p, err
	}
	guest, _ := h.Guest()
	p.Home, p.HomeAdmin = h.Users[0].Account.Username, h.Self.Admin()
	p.Guest, p.Restriction = guest.Account.ID == a.ID, h.Self.Restriction
	return p, nil
}

// person returns the person with a username.
func (i *instance) person(ctx context.Context, username string) (scene.Person, error) {
	present, err := i.present(ctx)
	if err != nil {
		return scene.Person{}, err
	}
	p, ok := present.Person(username)
	if !ok {
		return p, fault.New(fault.NotFound, "there is no account "+username+present.MeantPerson(username))
	}
	return p, nil
}

// change calls f with the server. No reset runs meanwhile.
func (s *Stage) change(f func(i *instance) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(s.current())
}

// AddPerson adds an account.
func (s *Stage) AddPerson(ctx context.Context, a scene.Account) (p scene.Person, err error) {
	return p, s.change(func(i *instance) error {
		present, err := i.present(ctx)
		if err != nil {
			return err
		}
		if p, err = s.cfg.Scene.AddPerson(ctx, s.cfg.By, i.core, present, a); err != nil {
			if p.ID != 0 { // its token, its PIN or its second factor is malformed
				err = errors.Join(err, i.core.Accounts.Remove(ctx, s.cfg.By, p.ID))
			}
			return err
		}
		next := *i
		next.cast = i.cast.Clone()
		next.cast.People = append(next.cast.People, p)
		s.now.Store(&next)
		return nil
	})
}

// RemovePerson removes an account, and the managed accounts of its home.
func (s *Stage) RemovePerson(ctx context.Context, username string) error {
	return s.change(func(i *instance) error {
		p, err := i.person(ctx, username)
		if err != nil {
			return err
		}
		return i.core.Accounts.Remove(ctx, s.cfg.By, p.ID)
	})
}

// Code returns the current code of an account's second factor.
func (s *Stage) Code(ctx context.Context, username string) (plexauth.Secret, error) {
	p, err := s.current().person(ctx, username)
	if err != nil {
		return "", err
	}
	if p.Seed == "" {
		return "", fault.New(fault.NotFound, "the account has no second factor whose secret is known")
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
	p, err := i.person(ctx, username)
	if err != nil {
		return "", err
	}
	return i.core.Tokens.Issue(ctx, s.cfg.By, p.ID, d)
}

// RevokeTokens revokes every token of an account, with their descendants.
func (s *Stage) RevokeTokens(ctx context.Context, username string) error {
	i := s.current()
	p, err := i.person(ctx, username)
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

// RevokeToken revokes one token, with its descendants.
func (s *Stage) RevokeToken(ctx context.Context, secret plexauth.Secret) error {
	i := s.current()
	p, err := i.core.Tokens.Verify(ctx, secret)
	if err != nil {
		return err
	}
	return i.core.Tokens.Revoke(ctx, s.cfg.By, p.TokenID)
}

// ApprovePIN links the PIN with a code to an account, as if the user had allowed access
// on a page. It returns the URL that the user's browser is redirected to, or "" if the
// program set none.
func (s *Stage) ApprovePIN(ctx context.Context, username, code string) (forward string, err error) {
	i := s.current()
	p, err := i.person(ctx, username)
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

// RefusePIN removes the PIN with a code, as if a user had denied it on a page.
func (s *Stage) RefusePIN(ctx context.Context, username, code string) error {
	i := s.current()
	p, err := i.person(ctx, username)
	if err != nil {
		return err
	}
	return i.core.PINs.Deny(ctx, actor(p), code)
}

// actor returns a person who uses a browser on this machine.
func actor(p scene.Person) audit.Actor { return audit.Actor{AccountID: p.ID, Address: "127.0.0.1"} }
