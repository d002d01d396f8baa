package machine

import "golang.org/x/sys/unix"

// ClockUnsynchronised reports whether the system knows that its clock is not
// synchronised.
func ClockUnsynchronised() bool {
	return unsynchronised(unix.Adjtimex(&unix.Timex{}))
}

// unsynchronised reads the answer of adjtimex. A system that does not answer knows
// nothing of its clock.
func unsynchronised(state int, err error) bool {
	return err == nil && state == unix.TIME_ERROR
}
