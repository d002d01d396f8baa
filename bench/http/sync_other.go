//go:build !unix

package main

// syncDisks does nothing: the measurement needs /proc and wrk, which these systems
// do not have. The package still compiles there.
func syncDisks() {}
