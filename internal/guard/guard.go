// Package guard limits the rate of attempts, and the amount of concurrent expensive
// work.
//
// It owns admission to password hashing (Admission) and the rate limits per account and
// address (Failures). It does not own the attempted operations. It stores nothing: its
// state is lost at a restart.
package guard
