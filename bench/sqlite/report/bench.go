package main

import (
	"context"
	"errors"
	"regexp"
	"strconv"
)

// bench builds the benchmarks once and runs them round after round. Within a round, every
// workload visits all the drivers before the next begins.
func (r *runner) bench(ctx context.Context) error {
	logf("building the benchmarks")
	binary := r.path("bench")
	env := []string{"CGO_ENABLED=1"}
	if _, err := output(ctx, env, "go", "test", "-c", "-o", binary, "."); err != nil {
		return err
	}
	for round := range r.rounds {
		logf("benchmarks, round %d of %d", round+1, r.rounds)
		out, err := output(ctx, nil, binary, "-test.run=^$", "-test.bench=.",
			"-test.benchtime="+r.benchtime.String())
		if err != nil {
			return err
		}
		if r.samples.parse(out) == 0 {
			return errors.New("no results in the output of the benchmarks")
		}
	}
	return nil
}

// result matches one line of go test: workload, driver, time and allocations.
var result = regexp.MustCompile(
	`(?m)^Benchmark(\w+)/(\w+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op.*?\s(\d+) allocs/op$`)

// parse adds the results in the output of go test, times in microseconds, and returns how many
// there were.
func (s samples) parse(out string) int {
	matches := result.FindAllStringSubmatch(out, -1)
	for _, m := range matches {
		ns, _ := strconv.ParseFloat(m[3], 64) // the pattern admits only numbers
		allocs, _ := strconv.ParseFloat(m[4], 64)
		s.add(m[1], m[2], ns/1e3)
		s.add(m[1]+" allocs", m[2], allocs)
	}
	return len(matches)
}
