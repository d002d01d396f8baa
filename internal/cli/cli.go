// Package cli is the command line: flags, prompts, output and exit codes.
//
// The commands of a feature are methods of a small struct, in a separate file,
// with its dependencies: the console, the data folder or the remote server. The
// app is the frame around them: the tree of commands, flags from the
// environment, errors and exit codes. A new command is a method there and a line
// in app.serverSide or app.clientSide.
//
// The package does not own what a command does: that is decided in the domain
// packages and in package plexauth.
package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/usher-auth/usher/internal/sandbox"
)

// Main runs the command line of this process and returns its exit code.
// Interrupt and SIGTERM cancel the running command; a second one stops the
// process immediately.
func Main() int {
	if code, ran := sandbox.RunHelper(os.Args[1:]); ran {
		return code
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ends := cancelOn(cancel, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Stop(ends) }) // a second Ctrl-C exits immediately
	if !signal.Ignored(syscall.SIGHUP) {                 // nohup ignores it
		// SIGHUP stays caught until the end: a closing terminal often sends it twice.
		cancelOn(cancel, syscall.SIGHUP)
	}
	a := newApp(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv, os.Environ(), os.Args[0])
	return a.run(ctx, os.Args[1:])
}

// cancelOn cancels a context when the process receives one of the signals. The
// cause is a *signalError.
func cancelOn(cancel context.CancelCauseFunc, signals ...os.Signal) chan<- os.Signal {
	received := make(chan os.Signal, 1)
	signal.Notify(received, signals...)
	go func() {
		if s, ok := (<-received).(syscall.Signal); ok {
			cancel(&signalError{s})
		}
	}()
	return received
}

// signalError reports that a signal cancelled the command.
type signalError struct{ syscall.Signal }

func (e *signalError) Error() string { return e.Signal.String() }

// exitCode returns the exit code by which a shell reports a program that the signal killed.
func (e *signalError) exitCode() int { return 128 + int(e.Signal) }
