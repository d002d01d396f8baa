// Package invite lets users create their own account with a link.
//
// It owns the invitation: who made it, for how long it works, what the account gets
// with it, and using it up, once, in the transaction that adds the account. It does
// not own the account (package account), its passkey (package passkey), or the shares
// (package source).
package invite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers tell apart.
var (
	// ErrLink says that an invitation does not work: it was used or revoked, has
	// expired, or the admin who made it is one no longer.
	ErrLink = fault.New(fault.Denied,
		"this invitation was used already, has expired or was revoked; ask an admin for another one")
	// ErrNotFound says that there is no such invitation.
	ErrNotFound = fault.New(fault.NotFound, "there is no such invitation")
	// ErrRateLimited says that too many links did not exist. It has a wait.
	ErrRateLimited = fault.New(fault.Limited, "too many links that do not exist")
	// ErrNotAdmin says that only admins invite.
	ErrNotAdmin = fault.New(fault.Denied, "only an admin can invite people")
	// ErrTooMany says that too many invitations are open.
	ErrTooMany = fault.New(fault.Conflict,
		"too many invitations are open: revoke some that nobody needs, or wait until they are used or expire")
	// ErrEmailTaken says that somebody has the invitation's e-mail address by now.
	ErrEmailTaken = fault.New(fault.Conflict,
		"another account has the e-mail address of this invitation by now; ask an admin for another one")
)

// How long an invitation works.
const (
	DefaultLife = 7 * 24 * time.Hour
	MinLife     = time.Minute
	MaxLife     = 30 * 24 * time.Hour
)

// Expiry is the field of an invalid time.
const Expiry = "expires"

// MaxServers is how many servers an invitation shares at most.
const MaxServers = 50

// MaxOpen is how many invitations are open at most: those that were not used and have
// not expired.
const MaxOpen = 200

// Hash is the SHA-256 of an invitation's secret, which is all that is stored of it.
type Hash [sha256.Size]byte

// Invitation is a link with which somebody makes an account.
type Invitation struct {
	ID int64 // counts up from 1
	// MakerID is the admin who made it; 0: the command line. Maker is their name. It
	// is read only.
	MakerID int64
	Maker   string
	// KeyID is the key of the admin API that made it, with which it goes; 0: none.
	KeyID int64
	// Name is suggested to the person, who may choose another one. Empty: none is.
	Name string
	// Email is the e-mail address of the account; the person cannot change it. Empty:
	// it has none.
	Email string
	Admin bool // the account may administer this usher
	// Servers are shared with the account, by name.
	Servers   []Server
	CreatedAt time.Time // to the millisecond, UTC
	ExpiresAt time.Time
	// Queued reports whether an e-mail with the link waits to be sent. Only Make says
	// so.
	Queued bool
}

// Server is a server that an invitation shares.
type Server struct {
	ID   int64
	Name string
}

// New is what it takes to make an invitation. The zero value invites anybody to
// choose a name, for DefaultLife.
type New struct {
	Name, Email string
	Admin       bool
	Servers     []source.Source
	// Life is how long it works. Zero: DefaultLife.
	Life time.Duration
	// Letter writes the e-mail that takes the link to Email, if that is not empty. It
	// is queued in the transaction that makes the invitation. If too many wait, there
	// is an invitation all the same. Nil: none is sent.
	Letter func(i Invitation, secret plexauth.Secret) mail.Message
}

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// ByHash returns an invitation, also if it has expired: db.ErrNotFound.
	ByHash(ctx context.Context, q db.Querier, h Hash) (Invitation, error)
	// Get returns an invitation, also if it has expired: db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (Invitation, error)
	// Open counts those that expire after a time.
	Open(ctx context.Context, q db.Querier, at time.Time) (int, error)
	// List reads the invitations with the one that was made last first.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Invitation], error)
	// Insert adds an invitation and returns its ID.
	Insert(ctx context.Context, tx *db.Tx, i Invitation, h Hash) (id int64, err error)
	// Delete removes an invitation: db.ErrNotFound.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// DeleteExpired removes those that have expired before a time.
	DeleteExpired(ctx context.Context, tx *db.Tx, before time.Time) error
}

// Config has the dependencies and limits of a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Accounts are added by invitations, with a passkey of Passkeys if people choose
	// that, and Sources are shared with them. Required.
	Accounts *account.Service
	Passkeys *passkey.Service
	Sources  *source.Service
	// Outbox gets the e-mails with invitations. Nil: none is sent.
	Outbox mail.Queue
	// Audit is the log of what happens to invitations. Required.
	Audit *audit.Log
	// FailedTries is how many links that do not exist one network may try at once
	// before each further one must wait a minute. Zero: no limit.
	FailedTries int
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps invitations. It is safe for concurrent use.
type Service struct {
	cfg     Config
	guesses *guard.Failures
}

// NewService returns a Service.
func NewService(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg, &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}}
}

// Make makes an invitation, and returns the secret of its link: only now. An admin
// makes it, or the command line. fault.Invalid, account.ErrExists, account.ErrAlike,
// ErrNotAdmin, ErrTooMany.
func (s *Service) Make(ctx context.Context, by audit.Actor, n New) (secret plexauth.Secret, i Invitation, err error) {
	if n.Life == 0 {
		n.Life = DefaultLife
	}
	if n.Life < MinLife || n.Life > MaxLife {
		return "", i, fault.Invalidf(Expiry, "an invitation works for at least a minute and for 30 days at most")
	}
	if len(n.Servers) > MaxServers {
		return "", i, fault.Invalidf("server", "an invitation shares %d servers at most", MaxServers)
	}
	if err := s.cfg.Accounts.CheckInvited(ctx, n.Name, n.Email); err != nil {
		return "", i, err
	}
	secret = plexauth.Secret(rand.Text())
	i = Invitation{MakerID: by.MakerID(), KeyID: by.KeyID, Name: n.Name, Email: n.Email, Admin: n.Admin, Servers: servers(n.Servers)}
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := account.CheckMayChange(by, account.Account{Admin: i.Admin}); err != nil {
			return err
		}
		if err := s.checkMaker(ctx, tx, i.MakerID, ErrNotAdmin); err != nil {
			return err
		}
		i.CreatedAt, i.ExpiresAt = tx.Now(), tx.Now().Add(n.Life)
		if err := s.cfg.Rows.DeleteExpired(ctx, tx, tx.Now().Add(-remembered)); err != nil {
			return err
		}
		open, err := s.cfg.Rows.Open(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		if open >= MaxOpen {
			return ErrTooMany
		}
		if i.ID, err = s.cfg.Rows.Insert(ctx, tx, i, hash(secret)); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, audit.InvitationMade, 0, i); err != nil {
			return err
		}
		i.Queued, err = s.mail(ctx, tx, n, i, secret)
		return err
	})
	if err != nil {
		return "", Invitation{}, db.Wrap("making an invitation", err)
	}
	return secret, i, nil
}

// mail queues the e-mail with the link of an invitation, and reports whether there is
// one.
func (s *Service) mail(ctx context.Context, tx *db.Tx, n New, i Invitation, secret plexauth.Secret) (bool, error) {
	if n.Letter == nil || i.Email == "" || s.cfg.Outbox == nil {
		return false, nil
	}
	err := s.cfg.Outbox.Add(ctx, tx, n.Letter(i, secret))
	if errors.Is(err, mail.ErrFull) {
		return false, nil
	}
	return err == nil, err
}

// remembered is how long an invitation that has expired is listed.
const remembered = 7 * 24 * time.Hour

func servers(list []source.Source) (of []Server) {
	seen := make(map[int64]bool)
	for _, src := range list {
		if !seen[src.ID] {
			seen[src.ID] = true
			of = append(of, Server{src.ID, src.Name})
		}
	}
	return of
}

func hash(secret plexauth.Secret) Hash { return sha256.Sum256([]byte(secret)) }

// describe is the invitation in the audit log.
func (i Invitation) describe() string {
	text := fmt.Sprintf("invitation %d", i.ID)
	if i.Name != "" {
		text += " for " + i.Name
	}
	if i.Admin {
		text += ", admin"
	}
	for n, server := range i.Servers {
		text += map[bool]string{true: ", shares ", false: " and "}[n == 0] + server.Name
	}
	return text
}

func (s *Service) record(ctx context.Context, tx *db.Tx, by audit.Actor, kind audit.Kind, accountID int64, i Invitation) error {
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: kind, AccountID: accountID, Detail: i.describe()})
}

// checkMaker returns an error unless the maker of an invitation is an admin now, or
// the command line.
func (s *Service) checkMaker(ctx context.Context, q db.Querier, id int64, none error) error {
	if id == 0 {
		return nil
	}
	admin, err := s.cfg.Accounts.IsAdmin(ctx, q, id)
	if err == nil && !admin {
		err = none
	}
	return err
}

// List reads the invitations that were not used, with the one that was made last
// first. Some of them may have expired.
func (s *Service) List(ctx context.Context, r paging.Request) (paging.List[Invitation], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, r)
	return list, db.Wrap("listing invitations", err)
}

// Get returns an invitation that was not used. It may have expired. ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Invitation, error) {
	i, err := s.cfg.Rows.Get(ctx, s.cfg.DB, id)
	if errors.Is(err, db.ErrNotFound) {
		return i, fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return i, db.Wrap("reading an invitation", err)
}

// Revoke ends an invitation that was not used. ErrNotFound, account.ErrMembersOnly.
func (s *Service) Revoke(ctx context.Context, by audit.Actor, id int64) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		i, err := s.cfg.Rows.Get(ctx, tx, id)
		if err == nil {
			err = account.CheckMayChange(by, account.Account{Admin: i.Admin})
		}
		if err != nil {
			return err
		}
		if err := s.cfg.Rows.Delete(ctx, tx, id); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.InvitationRevoked, 0, Invitation{ID: id})
	})
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return db.Wrap("revoking an invitation", err)
}

// Find returns the invitation of a link's secret. It changes nothing: programs that
// look at every link in an e-mail do no harm. ErrLink, ErrRateLimited.
func (s *Service) Find(ctx context.Context, by audit.Actor, secret plexauth.Secret) (Invitation, error) {
	network, now := guard.Network(by.Address), s.cfg.Now()
	if wait := s.guesses.Take(network, now); wait > 0 {
		return Invitation{}, fault.WithWait(ErrRateLimited, wait)
	}
	i, err := s.valid(ctx, s.cfg.DB, secret, now)
	if !errors.Is(err, errUnknown) {
		s.guesses.Return(network)
	}
	return i, db.Wrap("reading an invitation", err)
}

// errUnknown is ErrLink for a secret that no invitation has, or has any longer.
var errUnknown = fmt.Errorf("%w (there is none)", ErrLink)

// valid returns the invitation of a secret if it works now. ErrLink.
func (s *Service) valid(ctx context.Context, q db.Querier, secret plexauth.Secret, now time.Time) (Invitation, error) {
	i, err := s.cfg.Rows.ByHash(ctx, q, hash(secret))
	switch {
	case errors.Is(err, db.ErrNotFound):
		return Invitation{}, errUnknown
	case err != nil:
		return Invitation{}, err
	case !i.ExpiresAt.After(now):
		return Invitation{}, ErrLink
	}
	return i, s.checkMaker(ctx, q, i.MakerID, ErrLink)
}

// Chosen are the choices of an invited user: a name, and how to sign in.
type Chosen struct {
	Username string
	// Password is the password, unless Passkey is set.
	Password plexauth.Secret
	// Passkey is one of passkey.Service.FinishJoin.
	Passkey *passkey.Joining
}

// Accept adds the account of an invited user, with the invitation's
// shares, and uses the invitation up. Of many who do so at the same time, on
// whichever node, one succeeds. If it fails, the invitation still works. ErrLink,
// ErrRateLimited, ErrEmailTaken, fault.Invalid, account.ErrExists, account.ErrAlike,
// passkey.ErrExists.
func (s *Service) Accept(
	ctx context.Context, by audit.Actor, secret plexauth.Secret, c Chosen,
) (account.Verified, error) {
	i, err := s.Find(ctx, by, secret)
	if err != nil {
		return account.Verified{}, err
	}
	n := account.NewAccount{Username: strings.TrimSpace(c.Username), Email: i.Email, Admin: i.Admin, Password: c.Password}
	if c.Passkey != nil {
		n.Passwordless, n.UUID = true, c.Passkey.UUID
	}
	use := func(ctx context.Context, tx *db.Tx) error {
		if i, err = s.valid(ctx, tx, secret, tx.Now()); err != nil {
			return err
		}
		return s.cfg.Rows.Delete(ctx, tx, i.ID)
	}
	bring := func(ctx context.Context, tx *db.Tx, a account.Account) error {
		return s.bring(ctx, tx, by, i, a, c.Passkey)
	}
	v, err := s.cfg.Accounts.AddWith(ctx, by, n, use, bring)
	if fault.KindOf(err) == fault.Exists && fault.FieldOf(err) == account.Email {
		err = fmt.Errorf("%w (%w)", ErrEmailTaken, err)
	}
	return v, err
}

// bring adds what an account gets with an invitation.
func (s *Service) bring(
	ctx context.Context, tx *db.Tx, by audit.Actor, i Invitation, a account.Account, key *passkey.Joining,
) error {
	if err := s.record(ctx, tx, by, audit.InvitationUsed, a.ID, i); err != nil {
		return err
	}
	for _, server := range i.Servers {
		share := source.Share{SourceID: server.ID, AccountID: a.ID}
		if _, err := s.cfg.Sources.ShareIn(ctx, tx, by, share, source.Choice{}); err != nil {
			return err
		}
	}
	if key == nil {
		return nil
	}
	return s.cfg.Passkeys.Store(ctx, tx, by, *key, a.ID)
}
