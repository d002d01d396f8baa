// Package clients holds no code of its own: its test runs published clients,
// unmodified, against the usher binary.
//
// Each client has a folder under node or python with the exact versions it is
// installed in and a script that runs the operations it has and asserts what
// comes back. The test starts usher, makes the people and the sources that a
// script needs, runs the scripts, and prints which client can do what;
// docs/clients.md keeps that table.
//
//	go test -tags clients -v ./test/clients/
//	go test -tags clients -v ./test/clients/ -update    # rewrites docs/clients.md
//
// It is behind a build tag because it needs node, npm and python3 and installs
// from npm and PyPI. It does not skip: what is missing fails.
package clients
