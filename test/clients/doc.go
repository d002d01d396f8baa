// Package clients contains only a test, which runs published clients, unmodified,
// against the usher binary.
//
// Each client has a folder under node or python with the exact versions of its
// packages and a script that runs its operations and checks the results. The test
// starts usher, creates the accounts and sources that a script needs, runs the
// scripts, and prints the operations that each client supports. docs/clients.md has
// that table.
//
//	go test -tags clients -v ./test/clients/
//	go test -tags clients -v ./test/clients/ -update    # rewrites docs/clients.md
//
// It has a build tag because it needs node, npm and python3 and installs from npm
// and PyPI. It does not skip: a missing program is a failure.
package clients
