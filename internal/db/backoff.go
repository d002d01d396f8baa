package db

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between two attempts to connect, or to run a write that another
// program's lock ended. The first attempt after a loss is immediate.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// backoff computes when to retry. The zero value has not failed.
type backoff struct {
	err   error
	pause time.Duration
	next  time.Time
}

// result notes the outcome of an attempt, and returns it.
func (b *backoff) result(err error) error {
	if err == nil {
		*b = backoff{}
		return nil
	}
	b.pause = min(max(2*b.pause, firstPause), maxPause)
	// Many processes that lost the same database come back one by one.
	b.err, b.next = err, time.Now().Add(b.pause/2+rand.N(b.pause/2))
	return err
}

// early returns the last error while it is too early for another attempt.
func (b *backoff) early() error {
	if time.Now().Before(b.next) {
		return b.err
	}
	return nil
}

// wait waits for the time of the next attempt, or until ctx is cancelled.
func (b *backoff) wait(ctx context.Context) {
	if b.err == nil {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, b.next)
	defer cancel()
	<-ctx.Done()
}
