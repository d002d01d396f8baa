package webhook

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

const (
	// lease is how long a node has for one request, before another one takes it.
	lease = time.Minute
	// lookAgain is how often a node looks for what others have left behind.
	lookAgain = 30 * time.Second
	// atOnce is how many requests a node sends at once, one for each account.
	atOnce = 32
	// batch is how many requests that are due are looked at.
	batch = 1000
)

// waits is how long to wait after each failure. After as many and one more, the
// request is dropped.
var waits = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}

// runner is the state of a call of Run.
type runner struct {
	*Service
	wg   sync.WaitGroup
	mu   sync.Mutex
	busy map[int64]bool // accounts for which a request is being sent
}

// Run sends what is due, until ctx ends: nodes of one database share the work.
func (s *Service) Run(ctx context.Context) {
	r := &runner{Service: s, busy: make(map[int64]bool)}
	defer r.wg.Wait()
	for ctx.Err() == nil {
		next, err := r.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("cannot look for webhooks to send", "error", err)
		}
		s.alarm.Wait(ctx, next)
	}
}

// sendDue begins to send what is due, and returns when to look again.
func (r *runner) sendDue(ctx context.Context) (time.Duration, error) {
	now := r.cfg.Now()
	due, err := r.cfg.Rows.Due(ctx, r.cfg.DB, now, batch)
	if err != nil {
		return lookAgain, err
	}
	for _, d := range due {
		if !r.begin(d.Account.ID) {
			continue
		}
		mine, err := r.claim(ctx, &d, now)
		if err != nil || !mine {
			r.end(d.Account.ID)
			if err != nil {
				return lookAgain, err
			}
			continue
		}
		r.wg.Go(func() {
			defer r.alarm.Ring()
			defer r.end(d.Account.ID)
			r.deliver(ctx, d)
		})
	}
	// What was due at now and is not being sent waits for another request, whose end wakes
	// us. What has become due since, or becomes due later, does not.
	next, err := r.cfg.Rows.NextDue(ctx, r.cfg.DB, now)
	if errors.Is(err, db.ErrNotFound) {
		return lookAgain, nil
	}
	if err != nil {
		return lookAgain, err
	}
	return min(max(0, next.Sub(r.cfg.Now())), lookAgain), nil
}

// begin reports whether a request of an account may be sent now.
func (r *runner) begin(accountID int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[accountID] || len(r.busy) >= atOnce {
		return false
	}
	r.busy[accountID] = true
	return true
}

func (r *runner) end(accountID int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, accountID)
}

// claim puts a request off for as long as this node has for it. It reports whether no
// other node was faster.
func (r *runner) claim(ctx context.Context, d *Delivery, now time.Time) (bool, error) {
	until := now.Add(lease)
	err := r.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return r.cfg.Rows.PutOff(ctx, tx, d.ID, d.DueAt, d.Tries, until)
	})
	d.DueAt = until
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deliver sends a request, and stores what became of it. What is being sent when the
// node stops is sent again.
func (r *runner) deliver(ctx context.Context, d Delivery) {
	err := r.sender.send(ctx, d.URL, d.Payload, Sign(r.secret(d.Account), d.Payload))
	if err != nil && ctx.Err() != nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		r.counts.sent.Add(1)
		r.store(ctx, func(ctx context.Context, tx *db.Tx) error { return r.cfg.Rows.Forget(ctx, tx, d.ID, d.DueAt) })
		return
	}
	r.counts.failed.Add(1)
	log := r.cfg.Logger.With("account", d.Account.ID, "host", hostOf(d.URL), "error", cause(err))
	if status := refused(0); errors.As(err, &status) && status.final() || d.Tries >= len(waits) {
		r.counts.dropped.Add(1)
		log.Warn("a webhook was not accepted, and is not sent again")
		r.store(ctx, func(ctx context.Context, tx *db.Tx) error { return r.cfg.Rows.Forget(ctx, tx, d.ID, d.DueAt) })
		return
	}
	log.Info("a webhook was not accepted, and is sent again", "after", waits[d.Tries].String())
	now := r.cfg.Now()
	r.store(ctx, func(ctx context.Context, tx *db.Tx) error {
		return r.cfg.Rows.PutOff(ctx, tx, d.ID, d.DueAt, d.Tries+1, now.Add(waits[d.Tries]))
	})
}

// store writes what became of a request. If that fails, the request is sent again
// after the lease.
func (r *runner) store(ctx context.Context, do func(context.Context, *db.Tx) error) {
	err := r.cfg.DB.Write(ctx, do)
	if err != nil && !errors.Is(err, db.ErrNotFound) { // its webhook may be gone
		r.cfg.Logger.Warn("cannot store that a webhook was sent", "error", err)
	}
}

// hostOf is what the log has of an address: its path may be a secret.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// cause is an error without the address, which package http puts before it.
func cause(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
