package control_test

import (
	"testing"
	"time"
)

// resetTime is the time limit of a reset.
const resetTime = 5 * time.Millisecond

// A reset takes less than five milliseconds, even of everything that a test can add. Other
// load on the machine makes some resets slower but none faster, so the fastest one counts.
func TestResetIsFast(t *testing.T) {
	w := newFixture(t)
	fastest := time.Hour
	for range 500 {
		w.pin()
		w.relate()
		start := time.Now()
		w.must("POST", "/reset", "", nil)
		if fastest = min(fastest, time.Since(start)); fastest < slowdown*resetTime {
			t.Logf("a reset takes %v", fastest)
			return
		}
	}
	t.Errorf("the fastest of 500 resets took %v, want less than %v", fastest, slowdown*resetTime)
}
