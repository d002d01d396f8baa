// Package exec tests "usher exec" with the built binary: what a program reaches in
// it, what it does not, and what is left of it.
//
// It owns the programs that the tests run: the test's own, which needs only Go,
// and, under the build tag "clients", those of curl, wget, Python and Node.
package exec
