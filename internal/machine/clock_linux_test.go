package machine

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Only one state means that the clock is not synchronised. Four other states are about a
// leap second.
func TestUnsynchronised(t *testing.T) {
	for _, test := range []struct {
		name  string
		state int
		err   error
		want  bool
	}{
		{"synchronised", unix.TIME_OK, nil, false},
		{"a second is inserted today", unix.TIME_INS, nil, false},
		{"a second is removed today", unix.TIME_DEL, nil, false},
		{"during the second", unix.TIME_OOP, nil, false},
		{"after the second", unix.TIME_WAIT, nil, false},
		{"not synchronised", unix.TIME_ERROR, nil, true},
		{"a sandbox that forbids the call", -1, unix.EPERM, false},
	} {
		if got := unsynchronised(test.state, test.err); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// The result matches the status of this system's clock, whatever that is.
func TestClockOfThisSystem(t *testing.T) {
	var clock unix.Timex
	if _, err := unix.Adjtimex(&clock); err != nil {
		return // the state is unknown
	}
	if want := clock.Status&unix.STA_UNSYNC != 0; ClockUnsynchronised() != want {
		t.Errorf("unsynchronised: %v, want %v of status %#x", !want, want, clock.Status)
	}
}
