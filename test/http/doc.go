// Package http contains only tests, which send HTTP requests to the built usher
// binary, as programs in any language do.
//
// testdata/*.http.txt has the behaviour of the server, in a small language that can
// be read without knowing Go. http_test.go explains the language at its top and runs
// it. bad_input_test.go sends over bare connections what HTTP clients cannot send.
package http
