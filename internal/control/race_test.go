//go:build race

package control_test

// slowdown is the factor by which the race detector slows down SQLite, which is Go
// here, on a machine that runs other tests too.
const slowdown = 40
