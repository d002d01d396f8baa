package crash_test

import (
	"sync"
)

// fact is something that a process was told to make so, as it is known from
// outside: how it was acknowledged to be, and how it was asked to be without
// an answer so far. After a crash it must be one of the two.
type fact[T comparable] struct {
	is    T
	asked T
	open  bool // asked is not answered
}

// ask notes that the fact is asked to be v.
func (f *fact[T]) ask(v T) { f.asked, f.open = v, true }

// acknowledged notes the answer.
func (f *fact[T]) acknowledged() { f.is, f.open = f.asked, false }

// allows reports whether the fact may be v.
func (f *fact[T]) allows(v T) bool { return v == f.is || f.open && v == f.asked }

// token is one that a sign-in gave.
type token struct {
	text, username string
	valid          fact[bool]
}

// person is an account that is changed while the server runs. One worker
// changes it, one change after the other.
type person struct {
	name     string
	password fact[string]
	past     []string // passwords that it had before
	disabled fact[bool]
	shared   fact[bool]
}

// ledger is all that was acknowledged in a round. It is safe for concurrent
// use; the people in it are their workers' until these have ended.
type ledger struct {
	mu      sync.Mutex
	tokens  []*token
	codes   map[string]*fact[bool] // backup codes; true: it was used
	people  []*person
	signIns int
	changes map[string]int // by kind
	reached chan struct{}  // closed once there are enough of all
	enough  int
}

func newLedger(enough int) *ledger {
	return &ledger{
		codes: make(map[string]*fact[bool]), changes: make(map[string]int),
		reached: make(chan struct{}), enough: enough,
	}
}

// signedIn notes a sign-in that was acknowledged.
func (l *ledger) signedIn(username, text string) *token {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &token{text: text, username: username, valid: fact[bool]{is: true}}
	l.tokens = append(l.tokens, t)
	l.signIns++
	l.count()
	return t
}

// changed notes a change that was acknowledged.
func (l *ledger) changed(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[kind]++
	l.count()
}

// total is how much was acknowledged.
func (l *ledger) total() int {
	n := l.signIns
	for _, more := range l.changes {
		n += more
	}
	return n
}

// count says so once there is enough. l.mu is held.
func (l *ledger) count() {
	if l.total() == l.enough {
		close(l.reached)
	}
}
