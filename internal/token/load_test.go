package token

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// A stampede on one uncached token sends one database query.
func TestStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := newCache(0), HashOf("t")
		var asked atomic.Int64
		ask := func() (entry, error) {
			asked.Add(1)
			time.Sleep(50 * time.Millisecond)
			return entry{tokenID: 7}, nil
		}
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if e, err := c.load(t.Context(), h, 0, ask); err != nil || e.tokenID != 7 {
					t.Errorf("load: %+v, %v", e, err)
				}
			})
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("the database received %d queries", asked.Load())
		}
		if _, ok, _, _ := c.get(h, 0); !ok {
			t.Error("the answer is not cached")
		}
	})
}

// Attack: the result of a query from before a revocation, returned to a request
// that arrived after it.
func TestStampedeDoesNotOutliveARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := newCache(0), HashOf("t")
		started, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = c.load(t.Context(), h, 0, func() (entry, error) {
				close(started)
				<-release
				return entry{tokenID: 7}, nil
			})
		})
		<-started
		c.remove(h)
		_, _, _, generation := c.get(h, 0)
		_, err := c.load(t.Context(), h, generation, func() (entry, error) { return entry{}, db.ErrNotFound })
		if !errors.Is(err, db.ErrNotFound) {
			t.Errorf("after the revocation: %v, want ErrNotFound", err)
		}
		close(release)
		wg.Wait()
		if _, ok, _, _ := c.get(h, 0); ok {
			t.Error("the revoked token is cached")
		}
	})
}

// If the first caller leaves or has no time left, the others still get a result, and send
// one query together.
func TestStampedeWhoseFirstLeaves(t *testing.T) {
	for _, limit := range []func(context.Context) (context.Context, context.CancelFunc){
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, leave := context.WithCancel(ctx)
			time.AfterFunc(time.Second, leave)
			return ctx, leave
		},
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, h := newCache(0), HashOf("t")
			ctx, leave := limit(t.Context())
			defer leave()
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := c.load(ctx, h, 0, func() (entry, error) { <-ctx.Done(); return entry{}, ctx.Err() })
				if !errors.Is(err, ctx.Err()) {
					t.Errorf("the one that left: %v", err)
				}
			})
			synctest.Wait()
			var asked atomic.Int64
			for range 100 {
				wg.Go(func() {
					e, err := c.load(t.Context(), h, 0, func() (entry, error) {
						asked.Add(1)
						time.Sleep(50 * time.Millisecond)
						return entry{tokenID: 7}, nil
					})
					if err != nil || e.tokenID != 7 {
						t.Errorf("one that waited: %+v, %v", e, err)
					}
				})
			}
			wg.Wait()
			if asked.Load() != 1 {
				t.Errorf("the database received %d queries", asked.Load())
			}
		})
	}
}

// Later callers do not wait for a slow query: its result would be as old as the query. If
// the first caller leaves, the others still get a result.
func TestStampedeOnASlowDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := newCache(0), HashOf("t")
		var wg sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := c.load(ctx, h, 0, func() (entry, error) { <-ctx.Done(); return entry{}, ctx.Err() })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the one that left: %v", err)
			}
		})
		synctest.Wait()
		ask := func() (entry, error) { return entry{tokenID: 7}, nil }
		wg.Go(func() { // waits for the first
			if e, err := c.load(t.Context(), h, 0, ask); err != nil || e.tokenID != 7 {
				t.Errorf("the one that waited: %+v, %v", e, err)
			}
		})
		synctest.Wait()
		time.Sleep(2 * joinWithin)
		if e, err := c.load(t.Context(), h, 0, ask); err != nil || e.tokenID != 7 {
			t.Errorf("the one that came later: %+v, %v", e, err)
		}
		leave()
		wg.Wait()
	})
}

// A caller that arrives a tenth of a second after the start of a query sends its own;
// an earlier one waits for its result.
func TestRequestsThatJoinALoad(t *testing.T) {
	for after, want := range map[time.Duration]int64{joinWithin - 1: 1, joinWithin: 2} {
		synctest.Test(t, func(t *testing.T) {
			c, h := newCache(0), HashOf("t")
			var wg sync.WaitGroup
			answer := make(chan struct{})
			wg.Go(func() {
				_, _ = c.load(t.Context(), h, 0, func() (entry, error) { <-answer; return entry{tokenID: 1}, nil })
			})
			time.Sleep(after)
			wg.Go(func() {
				e, err := c.load(t.Context(), h, 0, func() (entry, error) { return entry{tokenID: 2}, nil })
				if err != nil || e.tokenID != want {
					t.Errorf("%v after the first, the answer is %d, %v; want %d", after, e.tokenID, err, want)
				}
			})
			synctest.Wait()
			close(answer)
			wg.Wait()
		})
	}
}
