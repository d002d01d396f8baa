//go:build !linux

package machine

// ClockUnsynchronised reports whether the system says that nothing keeps its clock
// right. Only Linux says so.
func ClockUnsynchronised() bool { return false }
