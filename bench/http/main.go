// Command http measures how close the usher binary comes to what its machine
// can do. It is what "make bench" runs, from the root of the module:
//
//	go run ./bench/http
//	go run ./bench/http -only details,flood -rounds 3
//
// It needs Linux, for /proc, and wrk (apt-get install wrk), and it measures
// nothing well on a busy machine. On one with more than two processors,
// wrk's one thread would be the limit rather than the server; put everything
// on two:
//
//	taskset -c 0,1 go run ./bench/http
//
// # What it measures
//
// The yardstick of a request is bare: a net/http server whose one handler
// answers the same status, headers and bytes (the bare folder). wrk drives
// bare and usher in turn; the order alternates from round to round. usher runs
// as people run it: a plain build, its default limits, a request log in a file,
// and a token that its cache knows. The yardstick of a sign-in is argon2id: a
// program that does nothing but hash, at usher's cost and on every processor.
//
// The flood part asks for token details at a steady pace, first alone and then
// while many clients sign in as fast as they are let. Latency counts from when
// a request was due, so that a stall is not hidden by the requests that it
// keeps from being sent. Its last row is the floor that the machine sets: bare
// at the same pace, beside the argon2id program.
//
// The start part runs the binary until it answers /identity, and reads how much
// memory it holds.
//
// # Reading it
//
// Every figure is the median of the rounds. Rates drift by half from hour to
// hour on shared machines: compare the ratios, which are taken within a round
// and stand with their least and greatest, and the CPU per request, which is
// the server's user and system time and drifts least. A ratio is marked when it
// is below its goal; that does not make the program fail, as one noisy run
// proves nothing. A wrong answer does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds      int
	window      time.Duration // how long one measurement takes
	connections int
	only        []string // parts to run; empty: all
	json        string   // file for the raw figures; empty: none
}

func main() {
	var o options
	seconds := flag.Int("seconds", 4, "how `long` one measurement takes")
	only := flag.String("only", "", "parts to run, separated by commas: "+strings.Join(parts(), ", ")+" (default all)")
	flag.IntVar(&o.rounds, "rounds", 5, "how `often` to measure everything")
	flag.IntVar(&o.connections, "connections", 32, "how many connections wrk opens")
	flag.StringVar(&o.json, "json", "", "`file` for every round's figures")
	flag.Parse()
	o.window = time.Duration(*seconds) * time.Second
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts names everything that -only can choose.
func parts() []string {
	names := make([]string, 0, len(requests)+3)
	for _, r := range requests {
		names = append(names, r.name)
	}
	return append(names, signInPart, floodPart, startPart)
}

// check finds flags that would measure nothing.
func (o options) check() error {
	for _, name := range o.only {
		if !slices.Contains(parts(), name) {
			return fmt.Errorf("-only %s is none of %s", name, strings.Join(parts(), ", "))
		}
	}
	if o.rounds < 1 || o.window < time.Second || o.connections < 1 {
		return fmt.Errorf("-rounds, -seconds and -connections must be at least 1")
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("wrk is not installed: apt-get install wrk")
	}
	return nil
}

// wants reports whether a part is to be run.
func (o options) wants(part string) bool { return len(o.only) == 0 || slices.Contains(o.only, part) }

// bench is one run of the program.
type bench struct {
	options
	dir     string // scratch folder: binaries, data, logs
	figures figures
}

// run measures everything in a scratch folder and prints it.
func run(ctx context.Context, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{o, dir, make(figures)}
	started := time.Now()
	if runtime.NumCPU() > 2 {
		logf("more than two processors: run this under taskset -c 0,1, or wrk may be the limit")
	}
	for _, step := range []func(context.Context) error{b.build, b.measureStart, b.measureLoad} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.print(os.Stdout)
	fmt.Printf("\n%s/%s, %s, %d processors, medians of %d rounds of %s, %d connections, %s in all.\n",
		runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU(), o.rounds, o.window, o.connections,
		time.Since(started).Round(time.Second))
	if o.json != "" {
		return b.figures.save(o.json)
	}
	return nil
}

// build builds the server as people build it, and what it is measured against.
func (b *bench) build(ctx context.Context) error {
	logf("building")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.dir+"/", "./cmd/usher", "./bench/http/bare", "./bench/http/argon2id")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building in the module's root: %w", err)
	}
	return nil
}

// measureLoad starts the server once and measures it round after round.
func (b *bench) measureLoad(ctx context.Context) error {
	if !slices.ContainsFunc(parts(), func(part string) bool { return part != startPart && b.wants(part) }) {
		return nil
	}
	u, err := b.startUsher(ctx, b.path("data"), true)
	if err != nil {
		return err
	}
	defer u.stop()
	l, err := b.newLoad(ctx, u)
	if err != nil {
		return err
	}
	defer l.stop()
	for round := range b.rounds {
		logf("round %d of %d", round+1, b.rounds)
		if err := l.round(ctx, round); err != nil {
			return err
		}
	}
	return b.noteMemory(u.process, rowLoaded)
}

// path names a file in the scratch folder.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// logf tells the user what is going on.
func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
