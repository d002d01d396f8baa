package cli

import "golang.org/x/sys/unix"

// clockUnsynchronised reports whether the system says that nothing keeps its clock
// right.
func clockUnsynchronised() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state == unix.TIME_ERROR
}
