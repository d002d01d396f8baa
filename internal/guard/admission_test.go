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

const work = 25 * time.Millisecond

// flood runs n loops of a claim. Each requests its next turn immediately. It returns a
// function that stops them.
func flood(t *testing.T, a *guard.Admission, n int, claim func(i int) guard.Claim) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	for i := range n {
		loops.Go(func() {
			for ctx.Err() == nil {
				leave, err := a.Enter(ctx, claim(i))
				if err != nil {
					time.Sleep(work) // a client that retries
					continue
				}
				time.Sleep(work)
				leave()
			}
		})
	}
	return func() {
		cancel()
		loops.Wait()
	}
}

// turn asks for one turn, as a client does that retries after a second, and
// returns how long it took to get it and how often it was rejected.
func turn(t *testing.T, a *guard.Admission, c guard.Claim) (took time.Duration, rejected int) {
	t.Helper()
	start := time.Now()
	for {
		leave, err := a.Enter(t.Context(), c)
		if err == nil {
			leave()
			return time.Since(start), rejected
		}
		if !errors.Is(err, guard.ErrBusy) {
			t.Fatal(err)
		}
		if rejected++; rejected > 100 {
			t.Fatal("it never gets a turn")
		}
		time.Sleep(time.Second)
	}
}

// Attack: a flood keeps everybody else from signing in.
func TestAdmissionIsFair(t *testing.T) {
	victim := guard.Claim{Network: "home", Account: "olga"}
	known := guard.Claim{Network: "home", Account: "olga", Known: true}
	for _, test := range []struct {
		name   string
		loops  int
		flood  func(i int) guard.Claim
		victim guard.Claim
	}{
		{"one member's right passwords, from one address", 40, func(int) guard.Claim {
			return guard.Claim{Network: "attacker", Account: "eve", Known: true}
		}, victim},
		{"wrong passwords on many accounts, from one address", 200, func(i int) guard.Claim {
			return guard.Claim{Network: "attacker", Account: fmt.Sprint("guess ", i)}
		}, victim},
		{"wrong passwords on the victim's account, from one address", 200, func(int) guard.Claim {
			return guard.Claim{Network: "attacker", Account: "olga"}
		}, victim},
		{"wrong passwords from many networks, against a device that signed in before", 500,
			func(i int) guard.Claim {
				return guard.Claim{Network: fmt.Sprint("bot ", i%300), Account: "olga"}
			}, known},
		{"another account behind the victim's own router", 40, func(int) guard.Claim {
			return guard.Claim{Network: "home", Account: "eve", Known: true}
		}, known},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := guard.NewAdmission(2, 32)
				defer flood(t, a, test.loops, test.flood)()
				time.Sleep(time.Second)
				for range 20 {
					if took, rejected := turn(t, a, test.victim); took > 2*time.Second {
						t.Errorf("a sign-in elsewhere waits %v and is rejected %d times", took, rejected)
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		})
	}
}

// Unknown devices get a turn in four, however many known ones wait.
func TestKnownDevicesDoNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guard.NewAdmission(1, 32)
		defer flood(t, a, 16, func(i int) guard.Claim {
			return guard.Claim{Network: fmt.Sprint("home ", i), Account: fmt.Sprint(i), Known: true}
		})()
		time.Sleep(time.Second)
		if took, _ := turn(t, a, guard.Claim{Network: "new", Account: "noa"}); took > 8*work {
			t.Errorf("a new device waits %v", took)
		}
	})
}

// Turns of a network go to its accounts in turn.
func TestAccountsOfANetworkTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guard.NewAdmission(1, 100)
		leave, err := a.Enter(t.Context(), guard.Claim{})
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 8)
		for _, account := range []string{"a", "a", "a", "a", "b", "b", "c", "c"} {
			go func() {
				leave, err := a.Enter(t.Context(), guard.Claim{Network: "home", Account: account})
				if err != nil {
					t.Error(err)
					return
				}
				order <- account
				leave()
			}()
			synctest.Wait() // they queue in this order
		}
		leave()
		synctest.Wait()
		close(order)
		var got []string
		for account := range order {
			got = append(got, account)
		}
		if fmt.Sprint(got) != "[a b c a b c a a]" {
			t.Errorf("the turns go to %v", got)
		}
	})
}

// A displaced claim is rejected immediately.
func TestDisplacedClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guard.NewAdmission(1, 2)
		leave, err := a.Enter(t.Context(), guard.Claim{})
		if err != nil {
			t.Fatal(err)
		}
		var rejected atomic.Int64
		for range 2 {
			go func() {
				leave, err := a.Enter(t.Context(), guard.Claim{Network: "crowd"})
				if errors.Is(err, guard.ErrBusy) {
					rejected.Add(1)
				} else {
					leave()
				}
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = a.Enter(ctx, guard.Claim{Network: "other"}) }()
		synctest.Wait()
		if _, waiting := a.Load(); rejected.Load() != 1 || waiting != 2 {
			t.Errorf("%d claims were rejected and %d wait, want 1 and 2", rejected.Load(), waiting)
		}
		cancel()
		synctest.Wait()
		if _, waiting := a.Load(); waiting != 1 {
			t.Errorf("%d claims wait after one gave up, want 1", waiting)
		}
		leave()
	})
}
