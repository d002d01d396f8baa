// Package stage is an usher in memory that plays a scene, and that a test controls
// while a program uses it.
//
// It owns the parts and their order: the clock of the scene, the faults in front of
// the server, the record of requests, and going back to the beginning. It does not
// own how a test asks for any of that: package control has the API for it.
package stage
