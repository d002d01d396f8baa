// Command usher is Plex-compatible authentication that you run yourself.
//
// It owns the command line: flags, prompts and what is printed. What a command
// does is decided in the packages under internal.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)         // a second Ctrl-C does not wait for anything
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		// It is caught to the end: a terminal that goes often says so twice.
		var release context.CancelFunc
		ctx, release = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer release()
	}
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, self: os.Args[0]}
	os.Exit(a.run(ctx, os.Args[1:]))
}
