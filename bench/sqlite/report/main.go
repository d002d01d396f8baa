// Command report builds and measures the drivers. It prints the whole comparison as one
// Markdown table to standard output, and its progress to standard error. Run it in the root
// of the module.
//
// Machines are noisy, so it never measures one driver for long: every round visits all of them, and
// the table has the medians of the rounds. Builds take too long for that and are timed once.
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
	"time"
)

// runner has the data that the measurements share.
type runner struct {
	dir       string // scratch folder for binaries, build caches and a database
	rounds    int
	benchtime time.Duration
	samples   samples
}

func main() {
	rounds := flag.Int("rounds", 5, "how often to measure each driver")
	benchtime := flag.Duration("benchtime", 500*time.Millisecond, "time for one benchmark")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *benchtime); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run measures everything in a scratch folder and prints the table.
func run(ctx context.Context, rounds int, benchtime time.Duration) error {
	dir, err := os.MkdirTemp("", "drivers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &runner{dir: dir, rounds: rounds, benchtime: benchtime, samples: make(samples)}
	started := time.Now()
	steps := []func(context.Context) error{r.versions, r.build, r.probe, r.bench}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := r.samples.print(os.Stdout); err != nil {
		return err
	}
	_, err = fmt.Printf("\n%s/%s, %s, %d processors, medians of %d rounds, %s in all.\n",
		runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU(), rounds,
		time.Since(started).Round(time.Second))
	return err
}

// path names a file in the scratch folder.
func (r *runner) path(name string) string {
	return filepath.Join(r.dir, name)
}

// logf prints progress.
func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// output runs a command with additions to the environment, and returns what it prints.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return string(out), nil
}
