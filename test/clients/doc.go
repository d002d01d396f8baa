// Package clients contains only a test, which runs published clients, unmodified,
// against the usher binary.
//
// Each client has a folder under node, python or rust. It has the exact versions of its
// packages, and a script that runs its operations and checks the results. The versions of
// plex-api-client share python/sdk.py, which finds the names of the operations in the
// installed version. The test starts usher, creates the accounts and sources that a script
// needs, runs the scripts, and prints the operations that each client supports.
// docs/clients.md has that table.
//
//	go test -tags clients -v ./test/clients/
//	go test -tags clients -v ./test/clients/ -update    # rewrites docs/clients.md
//
// With the tag clients_all, TestEveryVersion runs every version of the generated SDKs in
// the registries (make clients-all).
//
// It has a build tag because it needs node, npm, python3 and cargo, and installs from
// npm, PyPI and crates.io. Clients that it cannot install are in package sdks.
// It does not skip: a missing program is a failure.
package clients
