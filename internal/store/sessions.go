package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Session is a browser that is signed in, or half-way there.
type Session struct {
	ID        int64
	AccountID int64
	// Complete: nothing is missing. Until then, the session is good for giving
	// the second factor and nothing else.
	Complete   bool
	UserAgent  string
	Address    string
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
}

const selectSession = `SELECT s.id, s.account_id, s.complete, s.user_agent, s.address, s.created_at, s.last_used_at, s.expires_at
	FROM session s JOIN account a ON a.id = s.account_id AND NOT a.disabled `

func scanSession(row scanner) (s Session, err error) {
	var created, used, expires int64
	err = row.Scan(&s.ID, &s.AccountID, &s.Complete, &s.UserAgent, &s.Address, &created, &used, &expires)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return s, err
}

// AddSession spends a sign-in's proof on a session instead of a token, and
// fills in the session's ID. Of proof, Device, Token and Used are not used.
// ErrConflict when the proof no longer holds.
func (s *Store) AddSession(ctx context.Context, proof SignIn, hash Hash, session Session) (Session, error) {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		username, err := spendProof(ctx, tx, proof)
		if err != nil {
			return err
		}
		now := s.now()
		if err := tx.Exec(ctx, "DELETE FROM session WHERE expires_at <= $1", millis(now)); err != nil {
			return err
		}
		session.AccountID, session.CreatedAt, session.LastUsedAt = proof.AccountID, now, now
		err = tx.QueryRow(ctx, `INSERT INTO session (hash, account_id, complete, user_agent, address, created_at, last_used_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $6, $7) RETURNING id`, hash[:], session.AccountID, session.Complete,
			session.UserAgent, session.Address, millis(now), millis(session.ExpiresAt)).Scan(&session.ID)
		if err != nil {
			return err
		}
		kind := EventSessionStarted
		if !session.Complete {
			kind = EventSignInUnfinished
		}
		return noteSignIn(ctx, tx, kind, proof, username, fmt.Sprintf("session %d", session.ID))
	})
	return session, db.Wrap("beginning a session", err)
}

// CompleteSession spends the proof of a second factor on a session that waits
// for it. Its hash changes with its reach, so that whoever knew the first
// cookie has nothing. ErrConflict when the proof or the session is gone.
func (s *Store) CompleteSession(ctx context.Context, proof SignIn, id int64, hash Hash, expires time.Time) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		username, err := spendProof(ctx, tx, proof)
		if err != nil {
			return err
		}
		err = tx.ExecOne(ctx, `UPDATE session SET complete = 1, hash = $3, expires_at = $4
			WHERE id = $1 AND account_id = $2 AND NOT complete`, id, proof.AccountID, hash[:], millis(expires))
		if errors.Is(err, ErrNotFound) {
			return ErrConflict
		}
		if err != nil {
			return err
		}
		return noteSignIn(ctx, tx, EventSessionStarted, proof, username, fmt.Sprintf("session %d", id))
	})
	return db.Wrap("completing a session", err)
}

// SessionByHash finds a session that has not expired, of an account that is
// not disabled. ErrNotFound.
func (s *Store) SessionByHash(ctx context.Context, hash Hash) (Session, error) {
	session, err := scanSession(s.db.QueryRow(ctx,
		selectSession+"WHERE s.hash = $1 AND s.expires_at > $2", hash[:], millis(s.now())))
	return session, db.Wrap("finding a session", err)
}

// TouchSession writes when and from where a session was last used.
func (s *Store) TouchSession(ctx context.Context, id int64, address string) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		return tx.Exec(ctx, "UPDATE session SET last_used_at = $2, address = $3 WHERE id = $1", id, millis(s.now()), address)
	})
	return db.Wrap("noting when a session was used", err)
}

// Sessions lists an account's complete sessions, the most recently used first.
func (s *Store) Sessions(ctx context.Context, account int64) ([]Session, error) {
	rows, err := s.db.Query(ctx, selectSession+`WHERE s.account_id = $1 AND s.complete AND s.expires_at > $2
		ORDER BY s.last_used_at DESC, s.id DESC`, account, millis(s.now()))
	list, err := collect(rows, err, scanSession)
	return list, db.Wrap("listing sessions", err)
}

// EndSession ends one session of an account. ErrNotFound.
func (s *Store) EndSession(ctx context.Context, account, id int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		err := tx.ExecOne(ctx, "DELETE FROM session WHERE id = $1 AND account_id = $2", id, account)
		if err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: EventSessionEnded, AccountID: account, Detail: fmt.Sprintf("session %d", id)})
	})
	return db.Wrap(fmt.Sprintf("ending session %d", id), err)
}

// EndOthers ends everything of an account that is signed in but one session:
// its other sessions, and all of its tokens. 0: but none. Where there is
// nothing to end, nothing is told.
func (s *Store) EndOthers(ctx context.Context, account, but int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		gone := tx.ExecOne(ctx, "DELETE FROM session WHERE account_id = $1 AND id <> $2", account, but)
		if gone != nil && !errors.Is(gone, ErrNotFound) {
			return gone
		}
		ended, err := tx.revoke(ctx, "account_id = $1", account)
		if err != nil || ended == 0 && gone != nil {
			return err
		}
		e := Event{Kind: EventTokenRevoked, AccountID: account, Detail: fmt.Sprintf("all %d, and every browser", ended)}
		if but != 0 {
			e.Detail += " but one"
		}
		return tx.note(ctx, e)
	})
	return db.Wrap("ending what else is signed in", err)
}

// RevokeDevice ends every token of one of an account's devices. ErrNotFound
// when it has none.
func (s *Store) RevokeDevice(ctx context.Context, account, device int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		ended, err := tx.revoke(ctx, "account_id = $1 AND device_id = $2", account, device)
		if err != nil {
			return err
		}
		if ended == 0 {
			return ErrNotFound
		}
		return tx.note(ctx, Event{
			Kind: EventTokenRevoked, AccountID: account, Detail: fmt.Sprintf("%d of device %d", ended, device),
		})
	})
	return db.Wrap(fmt.Sprintf("revoking device %d", device), err)
}
