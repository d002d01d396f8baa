// Package schemathesis contains only a test, which runs Schemathesis, from PyPI,
// against the usher binary: it makes requests from the OpenAPI document, good and
// bad ones, with every kind of token, and reports each answer with a status of 500 or
// more, and each that is not in the document.
//
//	go test -tags schemathesis ./test/schemathesis/
//	go test -tags schemathesis ./test/schemathesis/ -soak 10m
//
// Without -soak, the requests are the same in every run. With it, they are new ones
// for so long; what it prints has a line to repeat a failure with.
//
// It has a build tag because it needs python3, and installs from PyPI. It does not
// skip: a missing program is a failure.
package schemathesis
