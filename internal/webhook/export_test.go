package webhook

import (
	"context"
	"time"
)

// Waits are how long a request that failed is put off.
var Waits = waits

// MaxWaiting is how many requests of an account wait at most.
const MaxWaiting = maxWaiting

// LookAgain is how often a node looks for what others have left behind.
const LookAgain = lookAgain

// SendDue begins to send what is due, and returns when to look again.
func (s *Service) SendDue(ctx context.Context) (time.Duration, error) {
	r := &runner{Service: s, busy: make(map[int64]bool)}
	defer r.wg.Wait()
	return r.sendDue(ctx)
}
