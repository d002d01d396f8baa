package guard_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/guard"
)

func runtimeSlots() int { return runtime.GOMAXPROCS(0) }

// Without a Burst there is no limit, and nothing is stored, however failures are counted.
func TestNoBurst(t *testing.T) {
	now := time.Now()
	ended, cancel := context.WithCancel(t.Context())
	cancel() // whatever would wait fails
	for _, burst := range []int{0, -1} {
		f := &guard.Failures{Burst: burst, Refill: time.Minute}
		for range 10 {
			f.Failed("mia", now)
			if wait := f.Take("mia", now); wait != 0 {
				t.Fatalf("burst %d: an attempt must wait for %v", burst, wait)
			}
			attempt, wait, err := f.Begin(ended, "mia", now)
			if attempt.Failed(now); err != nil || wait != 0 {
				t.Fatalf("burst %d: an attempt begins after %v, %v", burst, wait, err)
			}
		}
		if wait := f.Wait("mia", now); wait != 0 || f.Len() != 0 {
			t.Errorf("burst %d: the wait is %v with %d keys, want none", burst, wait, f.Len())
		}
	}
}

// Keys whose failures no longer count are removed when the space is used up, and not
// before.
func TestSweep(t *testing.T) {
	begin := time.Now()
	f := &guard.Failures{Burst: 1, Refill: time.Second}
	fail := func(from, to int, at time.Time) {
		for i := from; i < to; i++ {
			f.Failed(fmt.Sprint("key", i), at)
		}
	}
	want := func(n int, when string) {
		t.Helper()
		if got := f.Len(); got != n {
			t.Errorf("%s, there are %d keys, want %d", when, got, n)
		}
	}
	fail(0, 1024, begin)
	later := begin.Add(time.Minute)
	want(1024, "with as many as there is room for")
	fail(1024, 1025, later)
	want(1, "with one more, a minute later")

	fail(1025, 3000, later)
	want(1976, "when all of them count")
	fail(3000, 3025+guard.MaxKeys, later)
	if got := f.Len(); got > guard.MaxKeys {
		t.Errorf("there are %d keys, want %d at most", got, guard.MaxKeys)
	}
}

// At the limit, all keys are removed, except the new one.
func TestAtTheBound(t *testing.T) {
	now := time.Now()
	f := &guard.Failures{Burst: 1, Refill: time.Hour}
	for i := range guard.MaxKeys {
		f.Failed(fmt.Sprint("key", i), now)
	}
	if got := f.Len(); got != guard.MaxKeys {
		t.Errorf("there are %d keys, want %d", got, guard.MaxKeys)
	}
	f.Failed("one more", now)
	if wait := f.Wait("one more", now); f.Len() != 1 || wait != time.Hour {
		t.Errorf("then there are %d keys, and the last one waits for %v; want 1 and an hour", f.Len(), wait)
	}
}
