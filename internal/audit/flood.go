package audit

import (
	"sync"
	"time"
)

// The number of failed attempts of a kind that get a row in a quarter of an hour:
// enough to detect an attack, and too few to fill a disk. They are counted by account,
// so that a flood on one account, perhaps the attacker's own, does not hide attempts on
// another. Attempts on unknown accounts are counted together.
const (
	maxOfAccount = 30
	maxOfUnknown = 300
	// After maxRepeats rows about accounts, only the first attempt on each
	// account gets a row. After maxOfAll, none does.
	maxRepeats = 1500
	maxOfAll   = 3000
)

// flood counts the rows of a quarter of an hour. It holds at most maxOfAll
// accounts for each kind of event.
type flood struct {
	mu      sync.Mutex
	quarter time.Time
	n       map[attempt]int
	all     map[Kind]int // about any account
}

// attempt is the key under which attempts are counted: a kind of event about an
// account, or about unknown accounts if accountID is 0.
type attempt struct {
	kind    Kind
	account int64
}

// next reports whether one more attempt gets a row, and what this row says
// about those that follow it, if anything.
func (f *flood) next(e Event, now time.Time) (row bool, rest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q := quarterOf(now); !q.Equal(f.quarter) {
		f.quarter, f.n, f.all = q, make(map[attempt]int), make(map[Kind]int)
	}
	of := attempt{e.Kind, e.AccountID}
	if e.AccountID == 0 {
		return f.nextUnknown(of)
	}
	if f.n[of] >= maxOfAccount || f.all[e.Kind] >= maxOfAll || f.all[e.Kind] >= maxRepeats && f.n[of] > 0 {
		return false, ""
	}
	f.n[of]++
	f.all[e.Kind]++
	switch {
	case f.all[e.Kind] == maxOfAll:
		rest = "more like it are only counted"
	case f.all[e.Kind] == maxRepeats:
		rest = "only the first about each other account has a row"
	case f.n[of] == maxOfAccount:
		rest = "more like it about this account are only counted"
	}
	return true, rest
}

func (f *flood) nextUnknown(of attempt) (row bool, rest string) {
	if f.n[of] >= maxOfUnknown {
		return false, ""
	}
	if f.n[of]++; f.n[of] == maxOfUnknown {
		rest = "more like it are only counted"
	}
	return true, rest
}
