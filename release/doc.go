// Command release builds the files of a release of usher: a static binary for each system
// in an archive, Debian packages, a container image, a bill of materials for each binary,
// and the SHA-256 of all of them. "make release" runs it, from the root of usher's module:
//
//	go -C release run . -out ../dist
//	go -C release run . -out ../dist -only linux/amd64
//
// It needs Go and git, but no container daemon. It is a separate module, so that usher does
// not depend on what only a release needs.
//
// # Reproducible
//
// The same commit and the same version of Go produce the same bytes: paths are trimmed, the
// only time that is written is that of the commit, and files are in a fixed order. With
// -verify, everything is built a second time from a clone in another folder, and the
// command fails if a byte differs.
package main
