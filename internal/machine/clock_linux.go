package machine

import "golang.org/x/sys/unix"

// ClockUnsynchronised reports whether the system says that nothing keeps its clock
// right.
func ClockUnsynchronised() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state == unix.TIME_ERROR
}
