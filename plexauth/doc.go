// Package plexauth is the Go SDK for Plex-compatible authentication.
//
// It owns what a Go program needs to talk to such a service: for now the
// Secret type, which keeps tokens and passwords out of whatever is printed.
// It imports the standard library only and knows nothing of usher's server.
package plexauth
