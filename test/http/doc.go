// Package http holds no code of its own: its tests speak HTTP with the built
// usher binary, as programs in any language do.
//
// What the server promises stands in testdata/*.http.txt, in a small language
// that needs no Go to be read; http_test.go explains it at its top and runs it.
// What HTTP clients cannot be made to send goes over bare connections in
// bad_input_test.go.
package http
