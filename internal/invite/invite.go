// Package invite lets users create their own account with a link.
//
// It owns the invitation: its maker, its lifetime, what the new account gets, and its
// single use in the transaction that adds the account. It does not own the account
// (package account), its passkey (package passkey), or the shares (package source).
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

// Errors that callers distinguish.
var (
	// ErrLink reports that an invitation is invalid: it was used or revoked, has
	// expired, or its maker is not an admin any more.
	ErrLink = fault.New(fault.Denied,
		"this invitation was used already, has expired or was revoked; ask an admin for another one")
	// ErrNotFound reports that there is no such invitation.
	ErrNotFound = fault.New(fault.NotFound, "there is no such invitation")
	// ErrRateLimited reports that a network tried too many links that do not exist. It
	// contains the time to wait.
	ErrRateLimited = fault.New(fault.Limited, "too many links that do not exist")
	// ErrNotAdmin reports that only admins can invite.
	ErrNotAdmin = fault.New(fault.Denied, "only an admin can invite people")
	// ErrTooMany reports that there are already MaxOpen open invitations.
	ErrTooMany = fault.New(fault.Conflict,
		"too many invitations are open: revoke some that nobody needs, or wait until they are used or expire")
	// ErrEmailTaken reports that another account has got the invitation's e-mail
	// address meanwhile.
	ErrEmailTaken = fault.New(fault.Conflict,
		"another account has the e-mail address of this invitation by now; ask an admin for another one")
)

// The lifetime of an invitation.
const (
	DefaultLife = 7 * 24 * time.Hour
	MinLife     = time.Minute
	MaxLife     = 30 * 24 * time.Hour
)

// Expiry is the field that the error about an invalid lifetime names.
const Expiry = "expires"

// MaxServers is the maximum number of servers that an invitation shares.
const MaxServers = 50

// MaxOpen is the maximum number of open invitations: those that are neither used nor
// expired.
const MaxOpen = 200

// Hash is the SHA-256 of an invitation's secret, which is all that is stored of it.
type Hash [sha256.Size]byte

// Invitation is a link with which a user creates an account.
type Invitation struct {
	ID int64 // counts up from 1
	// MakerID is the admin who created it, or 0 for the command line. Maker is the
	// admin's name. It is not written.
	MakerID int64
	Maker   string
	// KeyID is the key of the admin API that created it, or 0. The invitation is
	// revoked with this key.
	KeyID int64
	// Name is the suggested name, which the user can change. It may be empty.
	Name string
	// Email is the e-mail address of the account, which the user cannot change. It may
	// be empty.
	Email string
	Admin bool // create an admin account
	// Servers are shared with the account, by name.
	Servers   []Server
	CreatedAt time.Time // to the millisecond, UTC
	ExpiresAt time.Time
	// Queued reports whether an e-mail with the link was queued. Only Make sets it.
	Queued bool
}

// MailedTo returns the address to which the link is being sent, or "" if it is not.
func (i Invitation) MailedTo() string {
	if !i.Queued {
		return ""
	}
	return i.Email
}

// Server is a server that an invitation shares.
type Server struct {
	ID   int64
	Name string
}

// New describes an invitation to create. The zero value lets anyone who has the link
// create an account, for DefaultLife.
type New struct {
	Name, Email string
	Admin       bool
	Servers     []source.Source
	// Life is the lifetime. If zero, it is DefaultLife.
	Life time.Duration
	// Letter returns the e-mail with the link for Email, if that is not empty. The
	// e-mail is queued in the transaction that creates the invitation. If the queue is
	// full, the invitation is created without an e-mail. If Letter is nil, no e-mail is
	// sent.
	Letter func(i Invitation, secret plexauth.Secret) mail.Message
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// ByHash returns an invitation, even if it has expired, or db.ErrNotFound.
	ByHash(ctx context.Context, q db.Querier, h Hash) (Invitation, error)
	// Get returns an invitation, even if it has expired, or db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (Invitation, error)
	// Open counts the invitations that expire after a time.
	Open(ctx context.Context, q db.Querier, at time.Time) (int, error)
	// List reads the invitations, the newest first.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Invitation], error)
	// Insert adds an invitation and returns its ID.
	Insert(ctx context.Context, tx *db.Tx, i Invitation, h Hash) (id int64, err error)
	// Delete removes an invitation. The error is db.ErrNotFound if it does not exist.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// DeleteExpired removes the invitations that expired before a time.
	DeleteExpired(ctx context.Context, tx *db.Tx, before time.Time) error
}

// Config has the dependencies and limits of a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Accounts adds the accounts, Passkeys the passkeys of users who choose one, and
	// Sources the shares. Required.
	Accounts *account.Service
	Passkeys *passkey.Service
	Sources  *source.Service
	// Outbox queues the e-mails with invitations. If nil, none are sent.
	Outbox mail.Queue
	// Audit is the audit log. Required.
	Audit *audit.Log
	// FailedTries is the number of non-existing links that a network may try in a row.
	// After that, it may try one each minute. If zero, there is no limit.
	FailedTries int
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service manages invitations. It is safe for concurrent use.
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

// Make creates an invitation for an admin or the command line. It returns the secret of
// its link, which cannot be read again. Errors: fault.Invalid, account.ErrExists,
// account.ErrAlike, ErrNotAdmin, ErrTooMany.
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

// mail queues the e-mail with the link of an invitation, and reports whether it did.
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

// remembered is how long an expired invitation is listed.
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

// describe returns the description of the invitation for the audit log.
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

// checkMaker returns none unless the maker of an invitation is currently an admin, or
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

// List reads the unused invitations, the newest first. Some of them may have expired.
func (s *Service) List(ctx context.Context, r paging.Request) (paging.List[Invitation], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, r)
	return list, db.Wrap("listing invitations", err)
}

// Get returns an unused invitation. It may have expired. Errors: ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Invitation, error) {
	i, err := s.cfg.Rows.Get(ctx, s.cfg.DB, id)
	if errors.Is(err, db.ErrNotFound) {
		return i, fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return i, db.Wrap("reading an invitation", err)
}

// Revoke revokes an unused invitation. Errors: ErrNotFound, account.ErrMembersOnly.
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

// Find returns the invitation of a link's secret. It changes nothing, so that programs
// that open every link in an e-mail do not use up the invitation. Errors: ErrLink,
// ErrRateLimited.
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

// errUnknown is ErrLink for a secret that belongs to no stored invitation.
var errUnknown = fmt.Errorf("%w (there is none)", ErrLink)

// valid returns the invitation of a secret if it is valid. Errors: ErrLink.
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

// Chosen holds the choices of an invited user: a name, and how to sign in.
type Chosen struct {
	Username string
	// Password is the password, unless Passkey is set.
	Password plexauth.Secret
	// Passkey is one of passkey.Service.FinishJoin.
	Passkey *passkey.Joining
}

// Accept adds the account of an invited user with the invitation's shares, and uses up
// the invitation. Of concurrent calls, on any node, one succeeds. If it fails, the
// invitation stays valid. Errors: ErrLink, ErrRateLimited, ErrEmailTaken,
// fault.Invalid, account.ErrExists, account.ErrAlike, passkey.ErrExists.
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

// bring adds the shares that an account gets with an invitation.
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
