// Package session keeps people signed in to the pages.
//
// It owns the cookie's value, how long a session lasts, and its two steps
// (password, then second factor). It does not own who someone is (package
// account), the cookie as HTTP has it, or the pages (package web). A session is
// no token: it works on the pages only, and no program ever sees it.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// ErrNotFound says that there is no such session: it was ended, has expired, or
// belongs to an account that is disabled or removed.
var ErrNotFound = fault.New(fault.NotFound, "this browser is not signed in any more")

const (
	// Life is how long someone stays signed in.
	Life = 30 * 24 * time.Hour
	// halfLife is how long the second factor may take.
	halfLife = 10 * time.Minute
	// touchEvery is how precisely the last use of a session is known.
	touchEvery = time.Minute
)

// From is where a session is used.
type From struct{ UserAgent, Address string }

// Config is what a Service stands on.
type Config struct {
	// Store holds the sessions. Required.
	Store *store.Store
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Service begins, finds and ends sessions. It is safe for concurrent use.
type Service struct {
	store *store.Store
	now   func() time.Time
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg.Store, cfg.Now}
}

// newCookie draws a session's secret: 26 characters with 130 bits.
func newCookie() (plexauth.Secret, store.Hash) {
	cookie := plexauth.Secret(rand.Text())
	return cookie, hashOf(cookie)
}

func hashOf(cookie plexauth.Secret) store.Hash { return sha256.Sum256([]byte(cookie)) }

// maxUserAgent bounds what is kept of a browser's own description.
const maxUserAgent = 255

// Begin spends a proof on a session. complete: nothing but the proof is needed.
// The error of a proof that no longer holds is store.ErrConflict. It does so
// even when ctx has ended, as token.Service's SignIn does.
func (s *Service) Begin(ctx context.Context, proof store.SignIn, complete bool, from From) (plexauth.Secret, store.Session, error) {
	ctx = context.WithoutCancel(ctx)
	cookie, hash := newCookie()
	life := Life
	if !complete {
		life = halfLife
	}
	session, err := s.store.AddSession(ctx, proof, hash, store.Session{
		Complete: complete, UserAgent: from.UserAgent[:min(len(from.UserAgent), maxUserAgent)], Address: from.Address,
		ExpiresAt: s.now().Add(life),
	})
	if err != nil {
		return "", store.Session{}, err
	}
	return cookie, session, nil
}

// Complete spends the proof of a second factor, and returns the session's new
// secret. The error of a proof that no longer holds is store.ErrConflict. It
// does so even when ctx has ended, as Begin does.
func (s *Service) Complete(ctx context.Context, half store.Session, proof store.SignIn) (plexauth.Secret, error) {
	ctx = context.WithoutCancel(ctx)
	if half.AccountID != proof.AccountID {
		return "", fmt.Errorf("completing a session of account %d with a proof of account %d", half.AccountID, proof.AccountID)
	}
	cookie, hash := newCookie()
	if err := s.store.CompleteSession(ctx, proof, half.ID, hash, s.now().Add(Life)); err != nil {
		return "", err
	}
	return cookie, nil
}

// Find returns the session of a cookie, and notes that it was used. ErrNotFound.
func (s *Service) Find(ctx context.Context, cookie plexauth.Secret, from From) (store.Session, error) {
	session, err := s.store.SessionByHash(ctx, hashOf(cookie))
	if errors.Is(err, store.ErrNotFound) {
		return store.Session{}, ErrNotFound
	}
	if err != nil {
		return store.Session{}, err
	}
	if s.now().Sub(session.LastUsedAt) >= touchEvery || session.Address != from.Address {
		err = s.store.TouchSession(ctx, session.ID, from.Address)
	}
	return session, err
}

// List lists an account's sessions, the most recently used first.
func (s *Service) List(ctx context.Context, account int64) ([]store.Session, error) {
	return s.store.Sessions(ctx, account)
}

// End ends a session of an account. ErrNotFound.
func (s *Service) End(ctx context.Context, account, id int64) error {
	err := s.store.EndSession(ctx, account, id)
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
