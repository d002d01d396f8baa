//go:build !linux

package sandbox

// Mends returns nothing: only Linux has namespaces.
func Mends() []string { return nil }
