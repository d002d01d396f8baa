// Package mutation contains only a test. It measures the tests of the packages that decide
// who gets in: gremlins changes one operator at a time, and the tests of that package must
// detect it.
//
//	make mutate                          # every package, an hour or more
//	make mutate PACKAGE=internal/seal    # one of them
//
// A change that no test of the package detects is a survivor. Of 100 changes, 90 must be
// detected.
// accepted.txt lists the survivors that have no effect, with the reason. They do not count.
// If a change makes the tests run without end, they are killed. This needs an idle machine:
// on a busy one, tests that are only slow are killed, too.
//
// It has a build tag because it takes a long time.
package mutation
