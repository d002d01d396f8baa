// Command release builds what a release of usher consists of: a static binary
// for each system in an archive, Debian packages, a container image, a bill of
// materials for each binary, and the SHA-256 of all of them. "make release" runs
// it, from the root of usher's module:
//
//	go -C release run . -out ../dist
//	go -C release run . -out ../dist -only linux/amd64
//
// It needs Go and git, and no container daemon. It is a module of its own, so
// that usher does not depend on what only a release needs.
//
// # Reproducible
//
// The same commit and the same version of Go give the same bytes: paths are
// trimmed, no time but that of the commit is written, and files are in a fixed
// order. With -verify, everything is built a second time from a clone in another
// folder, and the command fails if one byte differs.
package main
