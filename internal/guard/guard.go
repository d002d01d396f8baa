// Package guard decides who may try how often, and how much hard work is done
// at once.
//
// It owns admission to password hashing (Admission) and the count of failed
// tries per account and address (Failures). It does not own what is being
// tried, and it keeps nothing over a restart.
package guard

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/fault"
)

// ErrBusy says that the queue of an Admission is full.
var ErrBusy = fault.WithWait(
	fault.New(fault.Busy, "too many sign-ins are waiting already; try again in a second"), time.Second)

// Admission lets a bounded number of tasks run and a bounded number wait; the
// rest are refused at once, so that a flood makes nobody wait for long. It is
// safe for concurrent use.
type Admission struct {
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
}

// NewAdmission lets slots tasks run and queue more wait. Zero slots: as many
// as there are processors. Zero queue: sixteen per slot.
func NewAdmission(slots, queue int) *Admission {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	if queue <= 0 {
		queue = 16 * slots
	}
	return &Admission{slots: make(chan struct{}, slots), queue: int64(queue)}
}

// Enter waits for its turn. When the error is nil, the caller must call leave
// once its task is done. ErrBusy: nothing more may wait; or ctx's error.
func (a *Admission) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.slots <- struct{}{}:
		return a.leave, nil
	default:
	}
	if a.waiting.Add(1) > a.queue {
		a.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer a.waiting.Add(-1)
	select {
	case a.slots <- struct{}{}:
		return a.leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a turn: %w", ctx.Err())
	}
}

func (a *Admission) leave() { <-a.slots }

// Load returns how many tasks run and how many wait.
func (a *Admission) Load() (running, waiting int) { return len(a.slots), int(a.waiting.Load()) }
