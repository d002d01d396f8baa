// Package conformance asks a server whether it keeps the rules of the protocol. It
// owns the table of checks: what each one demands, where that is known from and how
// surely, and the requests that find out. It works on anything that answers by HTTP:
// usher, a mock, or a fake.
//
// It knows nothing of usher's own code, and reads answers by itself: a check that
// shared the code of the server would share its mistakes.
//
// A check passes, fails with a reason, or is skipped with one. What could not be
// tried was not passed. A reason never has a secret in it, nor anything else that a
// server sends as a text.
package conformance
