// Package schemathesis contains only a test, which runs Schemathesis, from PyPI, against
// the usher binary. Schemathesis generates valid and invalid requests from the OpenAPI
// document, which are sent with every kind of token. It reports each answer that is not in
// the document, or has a status of 500 or more.
//
//	go test -tags schemathesis ./test/schemathesis/
//	go test -tags schemathesis ./test/schemathesis/ -soak 10m
//
// Without -soak, the requests are the same in every run. With it, new requests are
// generated for that time. The output has a line that repeats a failure.
//
// It has a build tag because it needs python3, and installs from PyPI. It does not
// skip: a missing program is a failure.
package schemathesis
