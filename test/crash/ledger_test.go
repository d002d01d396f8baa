package crash_test

import (
	"sync"
)

// fact is a value that a client changes. It has the last acknowledged value, and a
// requested one that has no response yet. After a crash, the value must be one of the two.
type fact[T comparable] struct {
	is    T
	asked T
	open  bool // asked has no response yet
}

// ask records that a client requested the value v.
func (f *fact[T]) ask(v T) { f.asked, f.open = v, true }

// acknowledged records the response.
func (f *fact[T]) acknowledged() { f.is, f.open = f.asked, false }

// allows reports whether the fact may be v.
func (f *fact[T]) allows(v T) bool { return v == f.is || f.open && v == f.asked }

// token is a token from a sign-in.
type token struct {
	text, username string
	valid          fact[bool]
}

// person is an account that one worker changes while the server runs.
type person struct {
	name     string
	password fact[string]
	past     []string // passwords that it had before
	disabled fact[bool]
	shared   fact[bool]
}

// ledger has everything that was acknowledged in a round. It is safe for concurrent use,
// but each person belongs to its worker until the worker has returned.
type ledger struct {
	mu      sync.Mutex
	tokens  []*token
	codes   map[string]*fact[bool] // backup codes; true if used
	people  []*person
	signIns int
	changes map[string]int // by kind
	reached chan struct{}  // closed once there are enough changes of each kind
	enough  int
}

func newLedger(enough int) *ledger {
	return &ledger{
		codes: make(map[string]*fact[bool]), changes: make(map[string]int),
		reached: make(chan struct{}), enough: enough,
	}
}

// signedIn records an acknowledged sign-in.
func (l *ledger) signedIn(username, text string) *token {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &token{text: text, username: username, valid: fact[bool]{is: true}}
	l.tokens = append(l.tokens, t)
	l.signIns++
	l.count()
	return t
}

// changed records an acknowledged change.
func (l *ledger) changed(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[kind]++
	l.count()
}

// total is the number of acknowledged operations.
func (l *ledger) total() int {
	n := l.signIns
	for _, more := range l.changes {
		n += more
	}
	return n
}

// count closes reached once there are enough changes. l.mu is held.
func (l *ledger) count() {
	if l.total() == l.enough {
		close(l.reached)
	}
}
