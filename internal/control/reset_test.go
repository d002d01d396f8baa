package control_test

import (
	"testing"
	"time"
)

// resetTime is what a reset may take.
const resetTime = 5 * time.Millisecond

// A reset takes less than five milliseconds, also of everything that a test can add. What else the machine does makes some
// take longer, and none shorter, so the fastest counts.
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
