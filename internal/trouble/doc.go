// Package trouble injects faults into responses, so that a test can see how a program
// handles them.
//
// It owns the table of faults, the syntax of a fault in a flag or a file, which
// requests a fault affects and in which order, and its effect. It does not own the
// responses: it changes those of a handler.
package trouble
