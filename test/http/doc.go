// Package http contains only tests. They send HTTP requests to the built usher binary, like
// programs in any language do.
//
// testdata/*.http.txt describes the behaviour of the server, in a small language that can
// be read without knowing Go. http_test.go runs it, and explains it at its top.
// bad_input_test.go sends over bare connections what HTTP clients cannot send.
package http
