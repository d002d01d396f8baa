package machine

import "golang.org/x/sys/unix"

// ClockUnsynchronised reports whether the system knows that its clock is not
// synchronised.
func ClockUnsynchronised() bool {
	return unsynchronised(unix.Adjtimex(&unix.Timex{}))
}

// unsynchronised interprets the result of adjtimex. An error means that the state is
// unknown.
func unsynchronised(state int, err error) bool {
	return err == nil && state == unix.TIME_ERROR
}
