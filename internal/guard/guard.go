// Package guard decides who may try how often, and whose hard work is done when
// there is too much of it.
//
// It owns admission to password hashing (Admission) and the rate limits per
// account and address (Failures). It does not own what is being tried, and it
// stores nothing: a restart clears it.
package guard
