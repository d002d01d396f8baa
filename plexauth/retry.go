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

// Retry says what is tried again. The zero value tries the default statuses
// again, with the default waits, and not connections that fail.
//
// A server's Retry-After is obeyed, up to MaxElapsed. A sign-in is repeated
// only when no connection was made: any answer, and any answer that got lost,
// may have used up its code.
type Retry struct {
	// InitialInterval is the first wait. Zero: 500 ms.
	InitialInterval time.Duration
	// MaxInterval is the longest wait. Zero: 60 s.
	MaxInterval time.Duration
	// Exponent is what each wait is multiplied by for the next. Zero: 1.5.
	Exponent float64
	// MaxElapsed ends the tries: none begins later than that after the first
	// began. Zero: one hour. A token that turned out to have ended and was renewed
	// (TransientSource) begins them anew.
	MaxElapsed time.Duration
	// ConnectionErrors: no answer at all is tried again, too.
	ConnectionErrors bool
	// Statuses are those that are tried again. Nil: 429, 500, 502, 503, 504.
	Statuses []int
}

// defaultStatuses are those of the generated SDKs.
var defaultStatuses = []int{429, 500, 502, 503, 504}

// wait is how long to wait after the try of the given number, from 0. A
// quarter of it either way is by chance, so that many clients do not come back
// at the same moment; for the same reason the longest wait is not cut off at
// MaxInterval, but chosen so that chance leads no further than there.
func (r *Retry) wait(try int) time.Duration {
	initial, most, exponent := r.InitialInterval, r.MaxInterval, r.Exponent
	if initial <= 0 {
		initial = 500 * time.Millisecond
	}
	if most <= 0 {
		most = time.Minute
	}
	if exponent <= 0 {
		exponent = 1.5
	}
	wait := min(float64(initial)*math.Pow(exponent, float64(try)), float64(most)/1.25)
	return time.Duration(wait * (0.75 + rand.Float64()/2))
}

func (r *Retry) maxElapsed() time.Duration {
	if r.MaxElapsed <= 0 {
		return time.Hour
	}
	return r.MaxElapsed
}

// again reports whether a failure is worth another try.
func (r *Retry) again(op call, err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if op.once {
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

// neverConnected reports whether a request was not sent at all.
func neverConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retry sends a call until it succeeds, fails for good, or time is up.
func (c *Client) retry(ctx context.Context, op call, token Secret) (response, error) {
	start := time.Now()
	res, err := c.try(ctx, op, token)
	if err == nil || c.Retry == nil {
		return res, err
	}
	for n := 0; err != nil && ctx.Err() == nil && c.Retry.again(op, err); n++ {
		wait := c.Retry.wait(n)
		if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		if time.Since(start)+wait > c.Retry.maxElapsed() {
			break
		}
		if !sleep(ctx, wait) {
			if errors.Is(ctx.Err(), context.Canceled) { // who cancels does not ask what the last try failed of
				err = c.failure(op, ended(ctx))
			}
			break
		}
		res, err = c.try(ctx, op, token)
	}
	return res, err
}

// sleep waits and reports whether it was not ended by ctx.
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
