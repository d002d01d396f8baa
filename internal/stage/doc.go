// Package stage runs an usher in memory that plays a scene, and that a test controls
// while a program uses it.
//
// It owns the parts and their order: the clock of the scene, the faults in front of the
// server, the recorded requests, and the reset to the initial state. It does not own
// the API through which a test controls it: that is package control.
package stage
