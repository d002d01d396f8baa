package webhook

import (
	"context"
	"time"
)

// Waits are the delays after failed attempts.
var Waits = waits

// MaxWaiting is the maximum number of queued requests of an account.
const MaxWaiting = maxWaiting

// LookAgain is the interval at which a node polls for requests that others have left.
const LookAgain = lookAgain

// SendDue starts to send due requests, and returns how long to wait before the next
// call.
func (s *Service) SendDue(ctx context.Context) (time.Duration, error) {
	r := &runner{Service: s, busy: make(map[int64]bool)}
	defer r.wg.Wait()
	return r.sendDue(ctx)
}
