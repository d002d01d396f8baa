package guard

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/fault"
)

// ErrBusy reports that the queue of an Admission is full, or that a claim waited in it
// for too long.
var ErrBusy = fault.WithWait(
	fault.New(fault.Busy, "too many sign-ins are waiting already; try again in a second"), time.Second)

// Claim identifies the caller that requests a turn. The zero value is an anonymous
// claim.
type Claim struct {
	// Network is the network of the client: the result of the function Network.
	Network string
	// Account is the account that the work is for.
	Account string
	// Known reports that the device has signed in to the account before.
	Known bool
}

// Admission limits the number of tasks that run and the number that wait. The rest are
// rejected immediately. A caller that has waited for too long is rejected as well, so
// that nobody waits for long during a flood. It is safe for concurrent use.
//
// Turns are distributed fairly. Among the waiting claims, those of known devices go
// first, except for one turn in four. Among the rest, the network with the fewest
// running tasks goes first, and of those the one whose last turn is the longest ago.
// Within a network, the same applies to accounts. When the queue is full, a new claim
// replaces the newest claim of a network, or of an account in the same network, that
// has at least two claims more in the queue. A known device replaces an unknown one
// that has one more. So one network or one account cannot starve the others, and many
// networks cannot starve known devices.
type Admission struct {
	slots, queue int

	mu      sync.Mutex
	running int
	waiting []*waiter // the oldest first
	turns   uint64    // number of turns so far
	network shares
	account shares // by network and account
}

// waiter is a waiting claim. Its channel is closed when it gets a turn or is evicted.
type waiter struct {
	Claim
	done    chan struct{}
	evicted bool
}

// shares maps each network or account to its share so far.
type shares map[string]share

type share struct {
	running int
	last    uint64 // turn
}

// maxWait limits the wait for a turn. It is well below the time after which a listener
// closes a connection, so that clients get a response that says when to retry.
const maxWait = 8 * time.Second

// maxShares limits the number of shares that are stored.
const maxShares = 4096

// NewAdmission returns an Admission in which slots tasks can run and queue more can
// wait. If slots is zero, it is the number of processors. If queue is zero, it is
// sixteen for each slot.
func NewAdmission(slots, queue int) *Admission {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	if queue <= 0 {
		queue = 16 * slots
	}
	return &Admission{slots: slots, queue: queue, network: make(shares), account: make(shares)}
}

// Enter waits for a turn. If the error is nil, the caller must call leave once its task
// is done. The error is ErrBusy if the queue is full, if the claim is evicted, or after
// maxWait. If ctx ends first, it is the error of ctx.
func (a *Admission) Enter(ctx context.Context, c Claim) (leave func(), err error) {
	a.mu.Lock()
	if a.running < a.slots {
		a.start(c)
		a.mu.Unlock()
		return func() { a.leave(c) }, nil
	}
	if len(a.waiting) >= a.queue && !a.evict(c) {
		a.mu.Unlock()
		return nil, ErrBusy
	}
	w := &waiter{Claim: c, done: make(chan struct{})}
	a.waiting = append(a.waiting, w)
	a.mu.Unlock()

	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case <-w.done:
		if w.evicted {
			return nil, ErrBusy
		}
		return func() { a.leave(c) }, nil
	case <-patience.C:
		a.giveUp(w)
		return nil, ErrBusy
	case <-ctx.Done():
		a.giveUp(w)
		return nil, fmt.Errorf("waiting for a turn: %w", ctx.Err())
	}
}

// giveUp removes a claim from the queue. If it got a turn at the same moment, giveUp
// passes the turn on.
func (a *Admission) giveUp(w *waiter) {
	a.mu.Lock()
	i := slices.Index(a.waiting, w)
	if i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	evicted := w.evicted
	a.mu.Unlock()
	if i < 0 && !evicted {
		a.leave(w.Claim)
	}
}

// start counts a task that gets a turn.
func (a *Admission) start(c Claim) {
	a.running++
	a.turns++
	a.network.start(c.Network, a.turns)
	a.account.start(c.key(), a.turns)
}

// key identifies the claim's account in its network.
func (c Claim) key() string { return c.Network + "\x00" + c.Account }

func (s shares) start(key string, turn uint64) {
	if len(s) >= maxShares {
		for k, v := range s {
			if v.running == 0 {
				delete(s, k) // it is stored again at its next turn
			}
		}
	}
	s[key] = share{s[key].running + 1, turn}
}

func (s shares) stop(key string) {
	v := s[key]
	v.running--
	s[key] = v
}

// leave ends a task and gives its turn to the next claim.
func (a *Admission) leave(c Claim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	a.network.stop(c.Network)
	a.account.stop(c.key())
	if len(a.waiting) == 0 {
		return
	}
	i := a.next()
	w := a.waiting[i]
	a.waiting = slices.Delete(a.waiting, i, i+1)
	a.start(w.Claim)
	close(w.done)
}

// unknownTurn: at every fourth turn, unknown devices go before known ones.
const unknownTurn = 4

// next returns the index of the waiting claim that gets the next turn.
func (a *Admission) next() int {
	known := a.turns%unknownTurn != 0
	best := 0
	for i, w := range a.waiting[1:] {
		if a.before(w.Claim, a.waiting[best].Claim, known) {
			best = i + 1
		}
	}
	return best
}

// before reports whether c goes before d, which has waited at least as long.
func (a *Admission) before(c, d Claim, known bool) bool {
	if c.Known != d.Known {
		return c.Known == known
	}
	if n, m := a.network[c.Network], a.network[d.Network]; c.Network != d.Network {
		return n.before(m)
	}
	return a.account[c.key()].before(a.account[d.key()])
}

// before reports whether s has had less than t.
func (s share) before(t share) bool {
	if s.running != t.running {
		return s.running < t.running
	}
	return s.last < t.last
}

// evict removes a claim from a full queue that the new claim displaces, if there is
// one.
func (a *Admission) evict(c Claim) bool {
	have := make(map[string]int) // waiting claims by network and by account
	for _, w := range a.waiting {
		have[w.Network]++
		have[w.key()]++
	}
	victim := -1
	for i, w := range slices.Backward(a.waiting) { // the newest first
		if !c.displaces(w.Claim, have) {
			continue
		}
		if victim < 0 || have[w.Network] > have[a.waiting[victim].Network] {
			victim = i
		}
	}
	if victim < 0 {
		return false
	}
	w := a.waiting[victim]
	a.waiting = slices.Delete(a.waiting, victim, victim+1)
	w.evicted = true
	close(w.done)
	return true
}

// displaces reports whether c may take the place of d. have counts the waiting claims
// by network and by account.
func (c Claim) displaces(d Claim, have map[string]int) bool {
	fewer := have[d.Network] - have[c.Network]
	if c.Network == d.Network {
		fewer = have[d.key()] - have[c.key()]
	}
	return fewer >= 2 || fewer >= 1 && c.Known && !d.Known
}

// Load returns the numbers of running and waiting tasks.
func (a *Admission) Load() (running, waiting int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running, len(a.waiting)
}
