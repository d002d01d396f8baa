// Package trouble makes answers go wrong on purpose, so that a test sees what a
// program does then.
//
// It owns the table of faults, how a fault is written in a flag or a file, which
// requests it affects and in which order, and what is done to them. It does not own
// the answers: it changes those of a handler.
package trouble
