//go:build race

package control_test

// slowdown is how many times slower the race detector makes SQLite, which is Go
// here, at least on a machine that runs other tests too.
const slowdown = 40
