package token

import (
	"context"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

const (
	// flushEvery is the interval at which the uses of tokens are written to the
	// database.
	flushEvery = 30 * time.Second
	// enough is the number of pending uses that are written before the interval is
	// over.
	enough = 10_000
	// maxUnrecorded is the maximum number of pending uses. Beyond it, uses are not
	// recorded.
	maxUnrecorded = 100_000
	// lastFlush limits the final write of pending uses at the end of Run.
	lastFlush = 10 * time.Second
)

// A use of a token is written noteEvery after the last one that was. Where several nodes
// share a database, it is noteEveryShared, and a use is also skipped if another node
// wrote one less than half as long before. See decision 46.
const (
	noteEvery       = time.Minute
	noteEveryShared = 10 * time.Minute
)

// Use is when a token was last used, and the device that holds it.
type Use struct {
	TokenID, DeviceID int64
	At                time.Time
}

// uses holds the pending last uses by the IDs of their tokens.
type uses struct {
	// many receives a value when enough uses are pending.
	many chan struct{}

	mu   sync.Mutex
	last map[int64]Use
}

func newUses() *uses { return &uses{many: make(chan struct{}, 1), last: make(map[int64]Use)} }

func (u *uses) add(use Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.last) >= maxUnrecorded {
		return
	}
	u.last[use.TokenID] = use
	if len(u.last) == enough {
		select {
		case u.many <- struct{}{}:
		default: // it is known already
		}
	}
}

// take removes and returns all uses.
func (u *uses) take() map[int64]Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.last
	u.last = make(map[int64]Use)
	return taken
}

// putBack returns uses that could not be written.
func (u *uses) putBack(taken map[int64]Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, use := range taken {
		if _, later := u.last[id]; !later && len(u.last) < maxUnrecorded {
			u.last[id] = use
		}
	}
}

// Run records the last uses of tokens every half minute until ctx is cancelled, and
// then once more. Uses are not written for each request, so a crash loses those of the
// last half minute. Run also renews the key that ShareKey shared.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.renewKeys(ctx) })
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			s.Flush(last)
			return
		case <-s.unrecorded.many:
			s.noteUses(ctx)
		case <-tick.C:
			s.Flush(ctx)
		}
	}
}

// Flush records pending uses immediately.
func (s *Service) Flush(ctx context.Context) {
	s.tally(ctx)
	s.removeExpired(ctx)
	s.noteUses(ctx)
}

// noteUses records when tokens were last used. Uses that cannot be written are retried
// the next time.
func (s *Service) noteUses(ctx context.Context) {
	taken := s.unrecorded.take()
	if len(taken) == 0 {
		return
	}
	if err := s.rows.NoteUses(ctx, s.db, taken, s.cache.noteEvery/2); err != nil {
		s.unrecorded.putBack(taken)
		s.log.Error("cannot record when tokens were last used", "error", err)
	}
}

// settle writes, in a transaction that depends on it, when the selected tokens were
// last used, as far as this process knows.
func (s *Service) settle(ctx context.Context, tx *db.Tx, of Selection) error {
	known, err := s.rows.Uses(ctx, tx, of)
	if err != nil {
		return err
	}
	for h, use := range known {
		at, ok := s.cache.lastUse(h)
		if !ok || !at.After(use.At) {
			continue
		}
		use.At = at
		if err := s.rows.SetLastUsed(ctx, tx, use); err != nil {
			return err
		}
	}
	return nil
}

// tally counts the tokens that were looked up since the last call. It does not
// count texts that cannot be a token.
func (s *Service) tally(ctx context.Context) {
	checks := s.hits.Load() + s.misses.Load() - s.tallied.Load()
	if checks == 0 {
		return
	}
	if err := s.audit.Tally(ctx, audit.TokenChecks, int64(checks)); err != nil {
		s.log.Error("cannot count the token checks", "error", err)
		return
	}
	s.tallied.Add(checks)
}

// removeExpired removes the tokens that have expired. There are few of them: tokens
// that were issued in exchange for a JWT.
func (s *Service) removeExpired(ctx context.Context) {
	now := s.now()
	ids, err := s.rows.Expired(ctx, s.db, now)
	if err == nil && len(ids) > 0 {
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, id := range ids {
				if _, err := s.rows.Delete(ctx, tx, Selection{ID: id}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		s.log.Error("cannot remove the tokens that have expired", "error", err)
	}
}
