package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/guard"
)

// A stage is an Admission whose turns are given one by one by a test. It is used in a
// synctest bubble.
type stage struct {
	*guard.Admission
	t     *testing.T
	turns []string // in the order in which they were given
	lost  []string // claims that were rejected
	leave map[string]func()
}

func newStage(t *testing.T, slots, queue int) *stage {
	return &stage{Admission: guard.NewAdmission(slots, queue), t: t, leave: make(map[string]func())}
}

// enter adds claims to the queue in order. A claim is written as "network",
// "network/account" or "network!" for a known device, and may have a number at its end that
// distinguishes it.
func (s *stage) enter(claims ...string) {
	for _, text := range claims {
		name, known := strings.CutSuffix(text, "!")
		network, account, _ := strings.Cut(strings.TrimRight(name, "0123456789"), "/")
		go func() {
			leave, err := s.Enter(context.Background(), guard.Claim{Network: network, Account: account, Known: known})
			if err != nil {
				s.lost = append(s.lost, text)
				return
			}
			s.turns = append(s.turns, text)
			s.leave[text] = leave
		}()
		synctest.Wait()
	}
}

// end ends the task of a claim, so that the next one has its turn.
func (s *stage) end(claims ...string) {
	s.t.Helper()
	for _, text := range claims {
		leave := s.leave[text]
		if leave == nil {
			s.t.Fatalf("%s has no turn: %v", text, s.turns)
		}
		delete(s.leave, text)
		leave()
		synctest.Wait()
	}
}

// drain ends every task, the oldest turn first, until none waits.
func (s *stage) drain() {
	for i := 0; i < len(s.turns); i++ {
		if s.leave[s.turns[i]] != nil {
			s.end(s.turns[i])
		}
	}
}

func (s *stage) wantTurns(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.turns, want) {
		s.t.Errorf("the turns were %v, want %v", s.turns, want)
	}
}

func (s *stage) wantLost(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.lost, want) {
		s.t.Errorf("%v were rejected, want %v", s.lost, want)
	}
}

// The order of turns when one task runs at a time.
func TestOrderOfTurns(t *testing.T) {
	for _, test := range []struct{ name, claims, want string }{
		{"one network: as they came", "a1 a2 a3", "a1 a2 a3"},
		{"networks alternate", "a1 a2 a3 b1 b2", "a1 b1 a2 b2 a3"},
		{"of networks that had nothing, who came first", "b1 a1 c1", "b1 a1 c1"},
		{"accounts of a network alternate", "a/x1 a/x2 a/x3 a/y1", "a/x1 a/y1 a/x2 a/x3"},
		{"networks before accounts", "a/x1 a/x2 a/y1 b/z1 b/z2", "a/x1 b/z1 a/y1 b/z2 a/x2"},
		{
			"known devices first, but for one turn in four",
			"a1 b1 c1 d1 e1 f1! g1! h1! i1! j1! k1! l1!",
			"f1! g1! h1! a1 i1! j1! k1! b1 l1! c1 d1 e1",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 1, 100)
				s.enter("first")
				s.enter(strings.Fields(test.claims)...)
				s.drain()
				s.wantTurns(append([]string{"first"}, strings.Fields(test.want)...)...)
			})
		})
	}
}

// A network with running tasks gets its turn after one without, and its finished tasks no
// longer count.
func TestRunningTasksCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2, 100)
		s.enter("a1", "a2")
		s.end("a1", "a2")
		s.enter("c1", "x1", "c2", "a3")
		s.end("x1")
		s.wantTurns("a1", "a2", "c1", "x1", "a3")
		s.drain()
		s.wantTurns("a1", "a2", "c1", "x1", "a3", "c2")
	})
}

// Which claim loses its place in a full queue.
func TestWhichClaimIsDisplaced(t *testing.T) {
	for _, test := range []struct{ name, waiting, comes, lost string }{
		{"the newest of the network with most claims", "b1 b2 b3 a1 a2", "c1", "b3"},
		{"whichever came first", "a1 a2 b1 b2 b3", "c1", "b3"},
		{"of two that have as many, the newest", "a1 b1 a2 b2", "c1", "b2"},
		{"nobody of those with one claim more", "a1 b1", "c1", "c1"},
		{"nobody for one's own network", "a1 a2", "a3", "a3"},
		{"the newest of the account with most claims", "a/x1 a/x2 a/x3", "a/y1", "a/x3"},
		{"nobody of an account with one claim more", "a/x1 a/y1", "a/z1", "a/z1"},
		{"an unknown device by a known one, the only one that waits", "a1", "b1!", "a1"},
		{"no known device by an unknown one with one claim less", "a1!", "b1", "b1"},
		{"no known device by a known one with one claim less", "a1!", "b1!", "b1!"},
		{"no unknown device by a known one with as many", "a1 b1!", "b2!", "b2!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waiting := strings.Fields(test.waiting)
				s := newStage(t, 1, len(waiting))
				s.enter("first")
				s.enter(waiting...)
				s.wantLost()
				s.enter(test.comes)
				s.wantLost(test.lost)
				if running, wait := s.Load(); running != 1 || wait != len(waiting) {
					t.Errorf("%d run and %d wait, want 1 and %d", running, wait, len(waiting))
				}
				s.drain()
				s.wantLost(test.lost)
				if running, wait := s.Load(); running != 0 || wait != 0 {
					t.Errorf("in the end %d run and %d wait", running, wait)
				}
			})
		})
	}
}

// Without numbers, there is a slot for each processor, and sixteen wait for each.
func TestDefaultSize(t *testing.T) {
	for _, test := range []struct{ slots, queue, run, wait int }{
		{3, 0, 3, 48}, {3, -1, 3, 48}, {3, 1, 3, 1}, {0, 5, runtimeSlots(), 5}, {-1, 5, runtimeSlots(), 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, test.slots, test.queue)
			for i := range test.run + test.wait + 1 {
				s.enter(fmt.Sprint("a", i))
			}
			if run, wait := s.Load(); run != test.run || wait != test.wait || len(s.lost) != 1 {
				t.Errorf("NewAdmission(%d, %d): %d run, %d wait, %d are rejected; want %d, %d, 1",
					test.slots, test.queue, run, wait, len(s.lost), test.run, test.wait)
			}
			s.drain()
		})
	}
}

// A cancelled claim does not cost others their turns, wherever it is in the queue.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 10)
		s.enter("first")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			go func() {
				if _, err := s.Enter(ctx, guard.Claim{}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("waiting returned %v, want the context's error", err)
				}
			}()
			synctest.Wait()
		}
		s.enter("a1", "a2")
		time.Sleep(2 * time.Second)
		if running, waiting := s.Load(); running != 1 || waiting != 2 {
			t.Errorf("%d run and %d wait after two gave up, want 1 and 2", running, waiting)
		}
		s.end("first")
		s.wantTurns("first", "a1")
		s.drain()
	})
}

// Attack: claims of ever new networks fill the memory. Those that run are
// remembered all the same.
func TestSharesAreBounded(t *testing.T) {
	ctx := t.Context()
	a := guard.NewAdmission(2, 1)
	enter := func(network string) (leave func()) {
		t.Helper()
		leave, err := a.Enter(ctx, guard.Claim{Network: network})
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	leave := enter("busy")
	for i := range guard.MaxShares - 1 {
		enter(fmt.Sprint("network", i))()
	}
	if networks, accounts := a.Remembered(); networks != guard.MaxShares || accounts != guard.MaxShares {
		t.Errorf("%d networks and %d accounts are remembered, want %d", networks, accounts, guard.MaxShares)
	}
	enter("one more")()
	if networks, accounts := a.Remembered(); networks != 2 || accounts != 2 {
		t.Errorf("then %d networks and %d accounts, want the one that runs and the new one", networks, accounts)
	}
	leave()
}
