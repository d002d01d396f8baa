package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/guard"
)

// In a flood, two tasks run at a time, three wait, and the rest are rejected at
// once.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = time.Second
		a := guard.NewAdmission(2, 3)
		var running, most, done, refused atomic.Int64
		var wg sync.WaitGroup
		start := time.Now()
		for range 20 {
			wg.Go(func() {
				leave, err := a.Enter(t.Context(), guard.Claim{})
				if errors.Is(err, guard.ErrBusy) {
					if time.Since(start) > 0 {
						t.Error("a refusal took time")
					}
					refused.Add(1)
					return
				}
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(work)
				running.Add(-1)
				leave()
				done.Add(1)
			})
		}
		synctest.Wait()
		if r, w := a.Load(); r != 2 || w != 3 {
			t.Errorf("%d run and %d wait, want 2 and 3", r, w)
		}
		wg.Wait()
		if done.Load() != 5 || refused.Load() != 15 || most.Load() != 2 {
			t.Errorf("%d were done, %d refused, %d ran at once; want 5, 15, 2", done.Load(), refused.Load(), most.Load())
		}
		if took := time.Since(start); took != 3*work {
			t.Errorf("it took %v, want %v", took, 3*work)
		}
	})
}

// A caller that cancels leaves the queue.
func TestAdmissionObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guard.NewAdmission(1, 1)
		leave, err := a.Enter(t.Context(), guard.Claim{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Enter(ctx, guard.Claim{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting returned %v, want the context's error", err)
		}
		leave()
		if leave, err = a.Enter(t.Context(), guard.Claim{}); err != nil {
			t.Errorf("the turn after one that gave up: %v", err)
		}
		leave()
	})
}

// A claim that has waited for too long is rejected, and gets its turn when it
// tries again.
func TestAdmissionBoundsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guard.NewAdmission(1, 1)
		leave, err := a.Enter(t.Context(), guard.Claim{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := a.Enter(t.Context(), guard.Claim{}); !errors.Is(err, guard.ErrBusy) {
			t.Errorf("waiting returned %v, want ErrBusy", err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 10*time.Second {
			t.Errorf("it waited %v, want some seconds and less than a listener's 15", took)
		}
		if _, waiting := a.Load(); waiting != 0 {
			t.Errorf("%d claims wait after the only one gave up", waiting)
		}
		leave()
		if leave, err = a.Enter(t.Context(), guard.Claim{}); err != nil {
			t.Errorf("trying again: %v", err)
		}
		leave()
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &guard.Failures{Burst: 3, Refill: time.Minute}
		for i := range 3 {
			if wait := f.Wait("mia", time.Now()); wait != 0 {
				t.Errorf("try %d must wait %v", i, wait)
			}
			f.Failed("mia", time.Now())
		}
		if wait := f.Wait("mia", time.Now()); wait != time.Minute {
			t.Errorf("after three failures the wait is %v, want a minute", wait)
		}
		if wait := f.Wait("noa", time.Now()); wait != 0 {
			t.Errorf("another key must wait %v", wait)
		}
		time.Sleep(time.Minute)
		if wait := f.Wait("mia", time.Now()); wait != 0 {
			t.Errorf("a minute later the wait is %v", wait)
		}
		f.Failed("mia", time.Now())
		if wait := f.Wait("mia", time.Now()); wait != time.Minute {
			t.Errorf("one more failure makes the wait %v, want a minute", wait)
		}
		f.Succeeded("mia")
		if wait := f.Wait("mia", time.Now()); wait != 0 {
			t.Errorf("after a success the wait is %v", wait)
		}
	})
}

// Attack: many tries at the same time, before the first of them has failed.
func TestConcurrentTakeIsBounded(t *testing.T) {
	f := &guard.Failures{Burst: 3, Refill: time.Minute}
	now := time.Now()
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if f.Take("mia", now) == 0 {
				through.Add(1)
			}
		})
	}
	wg.Wait()
	if through.Load() != 3 {
		t.Errorf("%d tries got through, want 3", through.Load())
	}
	f.Return("mia")
	f.Return("noa")
	if wait := f.Take("mia", now); wait != 0 {
		t.Errorf("after one was returned the wait is %v", wait)
	}
	if wait := f.Take("mia", now); wait != time.Minute {
		t.Errorf("then the wait is %v, want a minute", wait)
	}
}

// An attacker with many addresses cannot fill the memory.
func TestFailuresAreBounded(t *testing.T) {
	f := &guard.Failures{Burst: 1, Refill: time.Minute}
	now := time.Now()
	for i := range 300_000 {
		f.Failed(fmt.Sprint(i), now)
	}
	if n := f.Len(); n > guard.MaxKeys {
		t.Errorf("%d keys are kept, want at most %d", n, guard.MaxKeys)
	}
}

// Keys without failures are removed before the memory is full.
func TestFailuresAreForgotten(t *testing.T) {
	f := &guard.Failures{Burst: 1, Refill: time.Minute}
	now := time.Now()
	for i := range 20_000 {
		f.Failed(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if n := f.Len(); n > 2000 {
		t.Errorf("%d keys are kept, of which some 60 owe something", n)
	}
}

func TestZeroFailuresAllowEverything(t *testing.T) {
	var f guard.Failures
	for range 100 {
		f.Failed("mia", time.Now())
	}
	f.Succeeded("mia")
	if wait := max(f.Wait("mia", time.Now()), f.Take("mia", time.Now())); wait != 0 {
		t.Errorf("the wait is %v", wait)
	}
	f.Return("mia")
}

// Attack: a guesser with an IPv6 network uses a new address for each attempt.
func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":               "192.0.2.1",
		"::ffff:192.0.2.1":        "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":    "2001:db8:1:2::/64",
		"2001:db8:1:3::1":         "2001:db8:1:3::/64",
		"fe80::1%eth0":            "fe80::/64",
		"":                        "",
		"a socket's path or such": "a socket's path or such",
	} {
		if got := guard.Network(address); got != want {
			t.Errorf("%q counts as %q, want %q", address, got, want)
		}
	}
}

// Attack: many concurrent attempts, whose outcomes are unknown when the others begin.
// Successful attempts do not count.
func TestConcurrentAttemptsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name    string
		fail    bool
		through int64
	}{
		{"all fail", true, 3},
		{"all pass", false, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &guard.Failures{Burst: 3, Refill: time.Minute}
				var through, limited atomic.Int64
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						attempt, wait, err := f.Begin(t.Context(), "mia", time.Now())
						if err != nil {
							t.Error(err)
						}
						if wait > 0 {
							limited.Add(1)
							return
						}
						through.Add(1)
						time.Sleep(time.Millisecond)
						if test.fail {
							attempt.Failed(time.Now())
						} else {
							attempt.Passed()
						}
					})
				}
				wg.Wait()
				if through.Load() != test.through || limited.Load() != 100-test.through {
					t.Errorf("%d got through and %d were limited, want %d", through.Load(), limited.Load(), test.through)
				}
				if n := f.Open(); n != 0 {
					t.Errorf("%d keys still have attempts", n)
				}
			})
		})
	}
}

// Attempts use up the tries that are left, and no more.
func TestAttemptsAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &guard.Failures{Burst: 3, Refill: time.Minute}
		f.Failed("mia", time.Now())
		f.Failed("mia", time.Now())
		time.Sleep(time.Second) // a part of a failure still counts as one
		first, wait, err := f.Begin(t.Context(), "mia", time.Now())
		if err != nil || wait != 0 {
			t.Fatal(wait, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := f.Begin(ctx, "mia", time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an attempt that depends on another returned %v, want the context's error", err)
		}
		first.Failed(time.Now())
		if _, wait, err := f.Begin(t.Context(), "mia", time.Now()); err != nil || wait != 58*time.Second {
			t.Errorf("then the wait is %v (error %v), want 58 seconds", wait, err)
		}
		var none guard.Failures
		attempt, wait, err := none.Begin(t.Context(), "mia", time.Now())
		if attempt.Failed(time.Now()); err != nil || wait != 0 {
			t.Errorf("without a limit, the wait is %v (error %v)", wait, err)
		}
		guard.Attempt{}.Passed()
	})
}

// A failure counts as one from the instant at which it happened.
func TestAttemptsAtTheInstantOfAFailure(t *testing.T) {
	for _, test := range []struct{ failures, want int }{{0, 3}, {1, 2}, {2, 1}, {3, 0}} {
		f, now, begun := &guard.Failures{Burst: 3, Refill: time.Minute}, time.Now(), 0
		for range test.failures {
			f.Failed("mia", now)
		}
		for range 4 {
			// An attempt that would have to wait for another one fails, because the context
			// has ended.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, wait, err := f.Begin(ctx, "mia", now); err == nil && wait == 0 {
				begun++
			}
		}
		if begun != test.want {
			t.Errorf("after %d failures, %d attempts begin at once, want %d", test.failures, begun, test.want)
		}
	}
}
