// Command http compares the usher binary with the limits of its machine. "make bench" runs
// it, from the root of the module:
//
//	go run ./bench/http
//	go run ./bench/http -only details,flood -rounds 3
//
// It needs Linux, for /proc, and wrk (apt-get install wrk), and an otherwise idle
// machine. With more than two processors, the single thread of wrk would be the
// limit instead of the server; run everything on two:
//
//	taskset -c 0,1 go run ./bench/http
//
// # What it measures
//
// The baseline for a request is bare: a net/http server whose only handler sends the same
// status, headers and bytes (the bare folder). wrk loads bare and usher in turn, in an
// order that alternates between rounds. usher runs as in production: a plain build, its
// default limits, a request log in a file, and a cached token. The baseline for a sign-in
// is argon2id: a program that only hashes, with usher's parameters and on every processor.
// The baseline for a JWT is usher itself, with the same request and an opaque token: a
// request with a JWT may take twice the CPU time, at half the rate.
//
// The flood part requests token details at a steady rate, first alone and then
// while many clients sign in as fast as they can. Latency counts from the time at
// which a request was due, so that a stall also counts for the requests that it
// delays. The last row is the limit of the machine: bare at the same rate, next to
// the argon2id program.
//
// The start part runs the binary until it answers /identity, and reads its memory.
//
// # Reading the tables
//
// Every figure is the median of the rounds. On shared machines, rates drift by half
// from hour to hour. Compare the ratios, which are taken within a round and shown
// with their minimum and maximum, and the CPU time per request, which is the
// server's user and system time and drifts least. A ratio below its goal is marked,
// and so is the CPU time of a JWT above its goal; the program does not fail then,
// because one noisy run proves nothing. It fails on a wrong response.
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
	only        []string // parts to run; if empty, all
	json        string   // file for the raw figures; if empty, none
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

// parts names the values of -only.
func parts() []string {
	names := make([]string, 0, len(requests)+3)
	for _, r := range requests {
		names = append(names, r.name)
	}
	return append(names, signInPart, floodPart, startPart)
}

// check rejects flags that would measure nothing.
func (o options) check() error {
	for _, name := range o.only {
		if !slices.Contains(parts(), name) {
			return fmt.Errorf("-only %s is not one of %s", name, strings.Join(parts(), ", "))
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

// wants reports whether to run a part.
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

// build builds the server as in production, and the baseline programs.
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

// logf prints progress.
func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
