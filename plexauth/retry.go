package plexauth

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// Retry configures which failed calls are retried, and when. The zero value
// retries the default statuses with the default intervals, and does not retry
// failed connections.
//
// The wait before each retry grows exponentially and is randomized. If the
// response has a Retry-After header, the wait is exactly that long, and
// MaxInterval does not limit it. SignIn, LinkPIN, ExchangeJWT, and CheckPIN with a
// proof are retried only if no connection was established, because a request that
// reached the server may have used up the code, the nonce or the proof. WaitPIN and
// Connect ignore Retry.
type Retry struct {
	// InitialInterval is the wait before the first retry, before randomization.
	// If zero, it is 500 ms.
	InitialInterval time.Duration

	// MaxInterval is the longest wait, after randomization. If zero, it is 60
	// s.
	MaxInterval time.Duration

	// Exponent is the factor by which each wait is longer than the one before.
	// If zero, it is 1.5.
	Exponent float64

	// MaxElapsed limits the time from the start of the first attempt to the
	// start of the last. If a wait would exceed it, the call returns the last
	// error. If zero, it is one hour. It restarts when a token was rejected
	// and a TransientSource or a JWTSource renewed it.
	MaxElapsed time.Duration

	// ConnectionErrors enables retries for ErrUnreachable: the connection
	// failed, or the response did not arrive completely or in time.
	ConnectionErrors bool

	// Statuses are the HTTP statuses that are retried; statuses below 300 are
	// ignored. If nil, they are 429, 500, 502, 503 and 504. An empty, non-nil
	// slice disables retries by status.
	Statuses []int
}

// defaultStatuses are the statuses that the SDKs retry that are generated from the
// public API documentation.
var defaultStatuses = []int{429, 500, 502, 503, 504}

// wait returns the wait before retry number n, from 0. The wait is randomized
// by 25 percent in either direction, so that clients that failed together do
// not retry together. Before randomization it is at most MaxInterval/1.25, so
// that the longest waits are random, too.
func (r *Retry) wait(n int) time.Duration {
	initial, longest, exponent := r.InitialInterval, r.MaxInterval, r.Exponent
	if initial <= 0 {
		initial = 500 * time.Millisecond
	}
	if longest <= 0 {
		longest = time.Minute
	}
	if exponent <= 0 {
		exponent = 1.5
	}
	wait := min(float64(initial)*math.Pow(exponent, float64(n)), float64(longest)/1.25)
	return time.Duration(wait * (0.75 + rand.Float64()/2))
}

func (r *Retry) maxElapsed() time.Duration {
	if r.MaxElapsed <= 0 {
		return time.Hour
	}
	return r.MaxElapsed
}

// retryable reports whether a call that failed with err is sent again.
func (r *Retry) retryable(op call, err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if op.noReplay {
		return r.ConnectionErrors && e.StatusCode == 0 && neverConnected(err)
	}
	if errors.Is(err, ErrUnreachable) {
		return r.ConnectionErrors
	}
	statuses := r.Statuses
	if statuses == nil {
		statuses = defaultStatuses
	}
	return e.StatusCode > 299 && slices.Contains(statuses, e.StatusCode)
}

// neverConnected reports whether no connection was established, so that nothing
// was sent.
func neverConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retry sends a call until it succeeds, until it fails with an error that is
// not retryable, or until MaxElapsed or ctx ends.
func (c *Client) retry(ctx context.Context, op call, token Secret) (response, error) {
	start := time.Now()
	res, err := c.attempt(ctx, op, token)
	if err == nil || c.Retry == nil {
		return res, err
	}
	for n := 0; err != nil && ctx.Err() == nil && c.Retry.retryable(op, err); n++ {
		wait := c.Retry.wait(n)
		if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		if wait > c.Retry.maxElapsed()-time.Since(start) {
			break
		}
		if !sleep(ctx, wait) {
			// After a cancellation, the cause of the last failure is
			// irrelevant.
			if errors.Is(ctx.Err(), context.Canceled) {
				err = c.newError(op, contextError(ctx))
			}
			break
		}
		res, err = c.attempt(ctx, op, token)
	}
	return res, err
}

// sleep waits for d. It returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
