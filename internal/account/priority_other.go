//go:build !linux

package account

// lowerPriority does nothing where a thread has no priority of its own.
func lowerPriority() {}
