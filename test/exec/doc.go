// Package exec tests "usher exec" with the built binary: which hosts a program can reach,
// which it cannot, and what is left behind.
//
// It owns the programs that the tests run: its own, which needs only Go, and, with the
// build tag "clients", those for curl, wget, Python and Node.
package exec
