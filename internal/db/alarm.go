package db

import (
	"context"
	"slices"
	"time"
)

// Alarm wakes a goroutine that looks for work: when another one rings it, and after each
// commit that changed what the alarm is for. Several rings before the goroutine waits
// again are one.
type Alarm struct{ rung chan struct{} }

// Alarm returns an alarm that the changes of a topic ring.
func (d *DB) Alarm(of Topic) Alarm {
	a := Alarm{make(chan struct{}, 1)}
	d.Watch(func(changes []Change, all bool) {
		if all || slices.ContainsFunc(changes, func(c Change) bool { return c.Topic == of }) {
			a.Ring()
		}
	})
	return a
}

// Ring wakes the goroutine that waits, or that waits next.
func (a Alarm) Ring() {
	select {
	case a.rung <- struct{}{}:
	default: // it has rung already
	}
}

// Wait returns when the alarm rings, when ctx is cancelled, and after a time at the latest.
func (a Alarm) Wait(ctx context.Context, latest time.Duration) {
	timer := time.NewTimer(latest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-a.rung:
	case <-timer.C:
	}
}

// firstRest is how long a Looker waits after the first of some failures in a row.
const firstRest = time.Second

// Looker is a goroutine that looks for work again and again. The zero value has not failed.
type Looker struct{ failed int }

// Wait waits, after a look that returned err, until the alarm rings or latest has passed.
// After a failed look, it ignores alarms and waits longer each time, up to latest: a write
// with an unknown outcome rings all alarms, including the alarm of its own writer.
func (l *Looker) Wait(ctx context.Context, a Alarm, latest time.Duration, err error) {
	if err == nil {
		l.failed = 0
		a.Wait(ctx, latest)
		return
	}
	rest := min(firstRest<<min(l.failed, 10), latest)
	l.failed++
	Alarm{}.Wait(ctx, rest)
}
