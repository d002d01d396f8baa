//go:build !unix

package main

// syncDisks does nothing: the measurement needs /proc and wrk, which are not on
// these systems. The package compiles there all the same.
func syncDisks() {}
