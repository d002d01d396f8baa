package token

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
)

const (
	// flushEvery is how often the uses of tokens are written to the database.
	flushEvery = 30 * time.Second
	// maxUnrecorded bounds how many wait; beyond it, uses are not recorded.
	maxUnrecorded = 100_000
	// usesAtOnce is how many are written in one transaction: sign-ins and changes
	// wait while it is under way, on all nodes.
	usesAtOnce = 500
)

// use is when a token was last used, and whose it is.
type use struct {
	at        time.Time
	accountID int64
}

// uses are the last uses that are not in the database yet. The zero value is
// ready to use.
type uses struct {
	mu   sync.Mutex
	last map[Hash]use
}

func (u *uses) add(h Hash, at use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = make(map[Hash]use)
	}
	if len(u.last) < maxUnrecorded {
		u.last[h] = at
	}
}

// of returns the uses of an account's tokens. They stay: writing one twice
// changes nothing.
func (u *uses) of(accountID int64) map[Hash]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	found := make(map[Hash]time.Time)
	for h, use := range u.last {
		if use.accountID == accountID {
			found[h] = use.at
		}
	}
	return found
}

// take returns all uses and forgets them.
func (u *uses) take() map[Hash]use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.last
	u.last = nil
	return taken
}

// Run records, every half minute, when tokens were last used, until ctx ends;
// then once more. It also renews the key that ShareKey shared. A use is worth a write now and then, and not one for each
// request: a crash loses the last half minute.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.renewKeys(ctx) })
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Flush(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			s.Flush(ctx)
		}
	}
}

// Flush records now when tokens were last used, to the second: those of one second
// share their statements.
func (s *Service) Flush(ctx context.Context) {
	s.tally(ctx)
	s.removeExpired(ctx)
	last := s.unrecorded.take()
	bySecond := make(map[int64][]Hash)
	for h, use := range last {
		second := use.at.Unix()
		bySecond[second] = append(bySecond[second], h)
	}
	for some := range parts(bySecond, usesAtOnce) {
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for second, tokens := range some {
				if err := s.rows.SetLastUsed(ctx, tx, time.Unix(second, 0), tokens...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.log.Error("cannot record when tokens were last used", "error", err)
			return
		}
	}
}

// parts yields tokens in parts of at most so many, each still by second.
func parts(bySecond map[int64][]Hash, most int) iter.Seq[map[int64][]Hash] {
	return func(yield func(map[int64][]Hash) bool) {
		part, room := make(map[int64][]Hash), most
		for second, tokens := range bySecond {
			for len(tokens) > 0 {
				n := min(room, len(tokens))
				part[second] = tokens[:n]
				tokens, room = tokens[n:], room-n
				if room > 0 {
					continue
				}
				if !yield(part) {
					return
				}
				part, room = make(map[int64][]Hash), most
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
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

// removeExpired removes the tokens that have expired. They are few: what a JWT
// led to.
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
