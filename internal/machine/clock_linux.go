package machine

import "golang.org/x/sys/unix"

// ClockUnsynchronised reports whether the system knows that its clock is not
// synchronised.
func ClockUnsynchronised() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state == unix.TIME_ERROR
}
