// Package mutation contains only a test, which measures the tests of the packages
// that keep people out: gremlins changes one operator at a time, and the tests of
// that package must notice.
//
//	make mutate                          # every package, an hour or more
//	make mutate PACKAGE=internal/seal    # one of them
//
// A change that no test of the package notices is a survivor. Of 100 changes, 90
// must be noticed.
// accepted.txt lists the survivors that change nothing, with the reason; they do
// not count. A change that makes the tests run for ever is killed, so this wants an
// idle machine: on a busy one, tests that are only slow count, too.
//
// It has a build tag because it takes long.
package mutation
