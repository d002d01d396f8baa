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
	// lease is the time that a node has for a request, before another node takes it
	// over.
	lease = time.Minute
	// lookAgain is the interval at which a node polls for requests that others have
	// left.
	lookAgain = 30 * time.Second
	// atOnce is the number of requests that a node sends concurrently, at most one for
	// each account.
	atOnce = 32
	// batch is the number of due requests that are read together.
	batch = 1000
)

// waits are the delays after each failed attempt. If the attempt after the last delay
// fails, too, the request is dropped.
var waits = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}

// runner is the state of a call of Run.
type runner struct {
	*Service
	wg   sync.WaitGroup
	mu   sync.Mutex
	busy map[int64]bool // accounts for which a request is being sent
}

// Run sends due requests until ctx ends. Nodes of one database share the work.
func (s *Service) Run(ctx context.Context) {
	r := &runner{Service: s, busy: make(map[int64]bool)}
	defer r.wg.Wait()
	var looker db.Looker
	for ctx.Err() == nil {
		next, err := r.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("cannot look for webhooks to send", "error", err)
		}
		looker.Wait(ctx, s.alarm, next, err)
	}
}

// sendDue starts to send due requests, and returns how long to wait before the next
// call.
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
	// A request that was due at now and is not being sent waits for another request,
	// whose end wakes Run. So only requests that became due since, or become due later,
	// need a timer.
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

// claim postpones a request by the lease, so that no other node sends it. It returns
// false if another node was faster.
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

// deliver sends a request and stores the result. A request that is being sent when the
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

// store writes the result of a request. If that fails, the request is sent again after
// the lease.
func (r *runner) store(ctx context.Context, do func(context.Context, *db.Tx) error) {
	err := r.cfg.DB.Write(ctx, do)
	if err != nil && !errors.Is(err, db.ErrNotFound) { // its webhook may have been removed
		r.cfg.Logger.Warn("cannot store that a webhook was sent", "error", err)
	}
}

// hostOf returns the host of an address, for the log. The path may be secret.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// cause returns an error without the URL that package http puts in front of it.
func cause(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
