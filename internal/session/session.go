// Package session manages the sessions of the pages.
//
// It owns the cookie's value, how long a session lasts, and its two steps
// (password, then second factor). It does not own authentication (package
// account), the cookie as HTTP has it, or the pages (package web). A session is
// not a token: it works on the pages only, and no program ever sees it.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// ErrNotFound reports that there is no such session: it was revoked, has
// expired, or belongs to an account that is disabled or removed. A session that
// waits for the second factor is invalid as well once the account's password or
// second factor has changed.
var ErrNotFound = fault.New(fault.NotFound, "there is no such session")

const (
	// Life is how long a session lasts.
	Life = 30 * 24 * time.Hour
	// halfLife is the time limit for the second factor.
	halfLife = 10 * time.Minute
	// PerAccount is the maximum number of browsers signed in to an account, and maxHalf of
	// those that wait for the second factor. One more evicts the least recently used one of
	// its own kind, so that an attacker who has only the password cannot sign the others
	// out.
	PerAccount = 100
	maxHalf    = 20
	// touchEvery is how precisely the last use of a session is known.
	touchEvery = time.Minute
)

// Hash is the SHA-256 of a cookie, which is all that is stored of one.
type Hash [sha256.Size]byte

// Session is a browser that is signed in, or half-way there.
type Session struct {
	ID        int64 // 0: no session
	AccountID int64 // whose it is
	// Complete reports whether the sign-in is complete. Until then, the session is valid
	// for the second factor only.
	Complete bool
	// Revision is the account's when the password was checked.
	Revision   int64
	UserAgent  string    // of the browser that signed in
	Address    string    // of the last use that was written
	CreatedAt  time.Time // to the millisecond, UTC
	LastUsedAt time.Time // to the minute
	ExpiresAt  time.Time // at the latest; see valid
}

// Stored is a session with the fields that determine whether it is valid.
type Stored struct {
	Session
	// AccountDisabled and AccountRevision are the account's now.
	AccountDisabled bool
	AccountRevision int64
}

// valid reports whether the session is valid.
func (s Stored) valid(now time.Time) bool {
	return !s.AccountDisabled && now.Before(s.ExpiresAt) &&
		(s.Complete || s.Revision == s.AccountRevision)
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// ByHash returns a session, valid or not, or db.ErrNotFound.
	ByHash(ctx context.Context, q db.Querier, h Hash) (Stored, error)
	// List reads an account's complete sessions that have not expired by a time, the
	// most recently used first.
	List(ctx context.Context, q db.Querier, accountID int64, now time.Time, r paging.Request) (paging.List[Stored], error)
	// Count counts the complete sessions that have not expired by a time, up to
	// paging.Counted.
	Count(ctx context.Context, q db.Querier, now time.Time) (int, error)
	// CountOf counts those of one account.
	CountOf(ctx context.Context, q db.Querier, accountID int64, now time.Time) (int, error)
	// Insert adds a session and returns its ID.
	Insert(ctx context.Context, tx *db.Tx, s Session, h Hash) (id int64, err error)
	// Replace writes a session's hash and all fields except its account and creation
	// time. The error is db.ErrNotFound if the session does not exist or is complete.
	Replace(ctx context.Context, tx *db.Tx, s Session, h Hash) error
	// NoteUse writes the time of a session's last use with db.Note.
	NoteUse(ctx context.Context, d *db.DB, id int64, at time.Time) error
	// SetLastUsed writes when and from where a session was last used.
	SetLastUsed(ctx context.Context, tx *db.Tx, id int64, at time.Time, address string) error
	// Delete removes sessions of an account: the one with an ID if only is true, and
	// otherwise all others. It returns how many it removed.
	Delete(ctx context.Context, tx *db.Tx, accountID, id int64, only bool) (int, error)
	// DeleteSurplus removes an account's complete or incomplete sessions, except for a
	// number of the most recently used ones, and returns how many it removed.
	DeleteSurplus(ctx context.Context, tx *db.Tx, accountID int64, complete bool, except int) (int, error)
	// DeleteExpired removes the sessions that have expired by a time.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// Config configures a Service. All fields but Now are required.
type Config struct {
	// DB is the database, and Rows its table.
	DB   *db.DB
	Rows Rows
	// Proofs spends the proofs of sign-ins.
	Proofs *signin.Spender
	// Tokens are revoked by RevokeOthers.
	Tokens *token.Service
	// Audit is the audit log.
	Audit *audit.Log
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service starts, finds and revokes sessions. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	rows   Rows
	proofs *signin.Spender
	tokens *token.Service
	audit  *audit.Log
	now    func() time.Time
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{cfg.DB, cfg.Rows, cfg.Proofs, cfg.Tokens, cfg.Audit, cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// newCookie generates a session's secret: 26 characters with 130 bits.
func newCookie() (plexauth.Secret, Hash) {
	cookie := plexauth.Secret(rand.Text())
	return cookie, hashOf(cookie)
}

func hashOf(cookie plexauth.Secret) Hash { return sha256.Sum256([]byte(cookie)) }

// maxUserAgent limits the stored part of a browser's User-Agent.
const maxUserAgent = 255

// Start spends a proof and starts a session. If complete is false, the session waits
// for the second factor. If the proof is void, the error is that of its Claim.Void.
func (s *Service) Start(
	ctx context.Context, by audit.Actor, proof signin.Proof, complete bool, userAgent string,
) (cookie plexauth.Secret, session Session, err error) {
	cookie, hash := newCookie()
	spend := s.proofs.Spend
	if !complete {
		spend = s.proofs.SpendPartial
	}
	err = spend(ctx, by, proof, func(ctx context.Context, tx *db.Tx, spent signin.Spent) error {
		now := tx.Now()
		if err := s.rows.DeleteExpired(ctx, tx, now); err != nil {
			return err
		}
		session = Session{
			AccountID: spent.AccountID, Complete: complete, Revision: spent.Revision,
			UserAgent: userAgent[:min(len(userAgent), maxUserAgent)], Address: by.Address,
			CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(lifeOf(complete)),
		}
		var err error
		if session.ID, err = s.rows.Insert(ctx, tx, session, hash); err != nil {
			return err
		}
		if err := s.makeRoom(ctx, tx, by, session); err != nil {
			return err
		}
		kind := audit.SessionStarted
		if !complete {
			kind = audit.SignInUnfinished
		}
		return s.record(ctx, tx, by, kind, spent, session.ID)
	})
	if err != nil {
		return "", Session{}, fmt.Errorf("starting a session: %w", err)
	}
	return cookie, session, nil
}

func lifeOf(complete bool) time.Duration {
	if complete {
		return Life
	}
	return halfLife
}

// Complete spends the proof of a second factor on a session that waits for it, and
// returns the session's new secret: the first cookie is invalid. If the proof is void,
// the error is that of its Claim.Void. If the session does not exist any more, it is
// ErrNotFound.
func (s *Service) Complete(
	ctx context.Context, by audit.Actor, half Session, proof signin.Proof,
) (plexauth.Secret, error) {
	if half.AccountID != proof.AccountID() || half.Revision != proof.Revision() {
		return "", fmt.Errorf("completing a session: %w: the proof is about another account or revision", ErrNotFound)
	}
	cookie, hash := newCookie()
	err := s.proofs.Spend(ctx, by, proof, func(ctx context.Context, tx *db.Tx, spent signin.Spent) error {
		whole := half
		whole.Complete, whole.LastUsedAt, whole.ExpiresAt = true, tx.Now(), tx.Now().Add(Life)
		if err := s.rows.Replace(ctx, tx, whole, hash); err != nil {
			return err
		}
		if err := s.makeRoom(ctx, tx, by, whole); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.SessionStarted, spent, half.ID)
	})
	if errors.Is(err, db.ErrNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("completing a session: %w", err)
	}
	return cookie, nil
}

// makeRoom removes the least recently used sessions of an account that exceed the limit
// after a new one has started. It does not log the removal of those that wait for a
// second factor, because nobody was signed in.
func (s *Service) makeRoom(ctx context.Context, tx *db.Tx, by audit.Actor, started Session) error {
	most := PerAccount
	if !started.Complete {
		most = maxHalf
	}
	n, err := s.rows.DeleteSurplus(ctx, tx, started.AccountID, started.Complete, most)
	if err != nil {
		return fmt.Errorf("making room for a session: %w", err)
	}
	if n == 0 || !started.Complete {
		return nil
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.SessionEnded, AccountID: started.AccountID,
		Detail: fmt.Sprintf("%d of the account's, the least recently used, to make room", n),
	})
}

func (s *Service) record(
	ctx context.Context, tx *db.Tx, by audit.Actor, kind audit.Kind, spent signin.Spent, id int64,
) error {
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: kind, AccountID: spent.AccountID, Account: spent.Username,
		Detail: fmt.Sprintf("session %d%s", id, spent.Means),
	})
}

// Find returns the session of a cookie, and records that it was used from an address.
// Errors: ErrNotFound.
func (s *Service) Find(ctx context.Context, cookie plexauth.Secret, address string) (Session, error) {
	now := s.now()
	found, err := s.rows.ByHash(ctx, s.db, hashOf(cookie))
	if errors.Is(err, db.ErrNotFound) || err == nil && !found.valid(now) {
		return Session{}, ErrNotFound
	}
	if err != nil {
		return Session{}, fmt.Errorf("finding a session: %w", err)
	}
	if now.Sub(found.LastUsedAt) < touchEvery && found.Address == address {
		return found.Session, nil
	}
	if err := s.recordUse(ctx, found, now, address); err != nil {
		return Session{}, fmt.Errorf("recording the use of a session: %w", err)
	}
	return found.Session, nil
}

// recordUse records the use of a session. A new address is written immediately.
// The time can be written later, if the database accepts no writes.
func (s *Service) recordUse(ctx context.Context, found Stored, now time.Time, address string) error {
	if found.Address != address {
		return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return s.rows.SetLastUsed(ctx, tx, found.ID, tx.Now(), address)
		})
	}
	if err := s.rows.NoteUse(ctx, s.db, found.ID, now); !errors.Is(err, db.ErrUnavailable) {
		return err
	}
	return nil
}

// List reads an account's complete sessions, the most recently used first.
func (s *Service) List(ctx context.Context, accountID int64, r paging.Request) (list paging.List[Session], err error) {
	stored, err := s.rows.List(ctx, s.db, accountID, s.now(), r)
	if err != nil {
		return list, fmt.Errorf("listing sessions: %w", err)
	}
	list.Next, list.Previous, list.Restarted = stored.Next, stored.Previous, stored.Restarted
	for _, session := range stored.Rows {
		if session.valid(s.now()) {
			list.Rows = append(list.Rows, session.Session)
		}
	}
	return list, nil
}

// Count counts the browsers that are signed in, up to paging.Counted.
func (s *Service) Count(ctx context.Context) (int, error) { return s.rows.Count(ctx, s.db, s.now()) }

// CountOf counts the browsers that are signed in to an account.
func (s *Service) CountOf(ctx context.Context, accountID int64) (int, error) {
	n, err := s.rows.CountOf(ctx, s.db, accountID, s.now())
	if err != nil {
		return 0, fmt.Errorf("counting the sessions of an account: %w", err)
	}
	return n, nil
}

// Revoke revokes a session of an account. Errors: ErrNotFound.
func (s *Service) Revoke(ctx context.Context, by audit.Actor, accountID, id int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.tokens.CheckMayChange(ctx, tx, by, accountID); err != nil {
			return err
		}
		n, err := s.rows.Delete(ctx, tx, accountID, id, true)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SessionEnded, AccountID: accountID, Detail: fmt.Sprintf("session %d", id),
		})
	})
	if err != nil {
		return fmt.Errorf("revoking session %d: %w", id, err)
	}
	return nil
}

// RevokeOthers revokes all tokens of an account, and all sessions but the one with the
// ID except. If except is 0, it revokes all sessions. If there is nothing to revoke,
// nothing is recorded.
func (s *Service) RevokeOthers(ctx context.Context, by audit.Actor, accountID, except int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.endAll(ctx, tx, by, accountID, except) })
	if err != nil {
		return fmt.Errorf("revoking everything that is signed in: %w", err)
	}
	return nil
}

// EndAll is RevokeOthers for all sessions, in an open transaction. It implements
// account.Ends.
func (s *Service) EndAll(ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64) error {
	return s.endAll(ctx, tx, by, accountID, 0)
}

func (s *Service) endAll(ctx context.Context, tx *db.Tx, by audit.Actor, accountID, except int64) error {
	if err := s.tokens.CheckMayChange(ctx, tx, by, accountID); err != nil {
		return err
	}
	sessions, err := s.rows.Delete(ctx, tx, accountID, except, false)
	if err != nil {
		return err
	}
	tokens, err := s.tokens.RevokeAccount(ctx, tx, accountID)
	if err != nil || sessions+tokens == 0 {
		return err
	}
	e := audit.Event{
		Kind: audit.TokenRevoked, AccountID: accountID, Detail: fmt.Sprintf("all %d, and every browser", tokens),
	}
	if except != 0 {
		e.Detail += " but one"
	}
	return s.audit.Record(ctx, tx, by, e)
}
