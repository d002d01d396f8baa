//go:build !linux

package machine

// ClockUnsynchronised reports whether the system knows that its clock is not
// synchronised. Only Linux reports this.
func ClockUnsynchronised() bool { return false }
