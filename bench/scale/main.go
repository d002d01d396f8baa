// Command scale shows that what usher does takes as long with a million accounts as
// with a thousand: starting, showing pages, listing on the command line, checking a
// token, signing in.
//
// It makes a database of each size, runs the built binary on it, and prints a table.
// Tokens are checked once each, so that none is in the server's cache. The exit code
// is 1 if something is slower than its goal.
//
//	go run ./bench/scale [-sizes 1000,1000000] [-dir FOLDER [-fill]]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	usher "github.com/usher-auth/usher/test/http/binary"
)

func main() {
	sizes := flag.String("sizes", "1000,1000000", "numbers of accounts, the smallest first")
	dir := flag.String("dir", "", "folder for the databases, which the next run uses again (default a temporary one)")
	only := flag.Bool("fill", false, "only make the databases")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := run(ctx, *sizes, *dir, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1)
	}
}

// figures are the medians of what was measured, in the order of the rows.
type figures map[string]time.Duration

func run(ctx context.Context, sizes, dir string, only bool) (good bool, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "usher-scale-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
	}
	binary, err := usher.Build(dir)
	if err != nil {
		return false, err
	}
	var counts []int
	var columns []figures
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return false, err
		}
		began := time.Now()
		w, err := newWorld(ctx, binary, dir, n)
		if err != nil {
			return false, fmt.Errorf("making a database of %d accounts: %w", n, err)
		}
		fmt.Fprintf(os.Stderr, "made a database of %d accounts in %.0f s\n", n, time.Since(began).Seconds())
		if only {
			continue
		}
		f, err := w.measure(ctx)
		if err != nil {
			return false, fmt.Errorf("with %d accounts: %w", n, err)
		}
		counts, columns = append(counts, n), append(columns, f)
	}
	return only || report(counts, columns), nil
}

// goal says how slow a row may be.
type goal struct {
	row   string
	most  time.Duration // zero: any
	times float64       // of the first column; zero: any
}

// goals are the rows of the table.
var goals = []goal{
	{rowStart, 100 * time.Millisecond, 0},
	{rowHome, 50 * time.Millisecond, 0},
	{rowAdmin, 50 * time.Millisecond, 0},
	{rowAccounts, 50 * time.Millisecond, 0},
	{rowMiddle, 50 * time.Millisecond, 0},
	{rowSearch, 50 * time.Millisecond, 0},
	{rowAccount, 50 * time.Millisecond, 0},
	{rowTokens, 50 * time.Millisecond, 0},
	{rowServers, 50 * time.Millisecond, 0},
	{rowShares, 50 * time.Millisecond, 0},
	{rowAudit, 50 * time.Millisecond, 0},
	{rowOwn, 50 * time.Millisecond, 0},
	{rowListAccounts, 0, 0},
	{rowListTokens, 0, 0},
	{rowCheck, 0, 1.2},
	{rowSignIn, 0, 1.2},
}

// report prints the table and reports whether all goals are met.
func report(counts []int, columns []figures) (good bool) {
	fmt.Print("| median, ms |")
	for _, n := range counts {
		fmt.Printf(" %d accounts |", n)
	}
	fmt.Print(" goal |\n|---|", strings.Repeat("---|", len(counts)+1), "\n")
	good = true
	for _, g := range goals {
		fmt.Printf("| %s |", g.row)
		met := true
		for i, f := range columns {
			fmt.Printf(" %.1f |", f[g.row].Seconds()*1000)
			met = met && (g.most == 0 || f[g.row] <= g.most)
			met = met && (g.times == 0 || i == 0 || f[g.row].Seconds() <= g.times*columns[0][g.row].Seconds())
		}
		switch {
		case g.most > 0:
			fmt.Printf(" %d |", g.most.Milliseconds())
		case g.times > 0:
			fmt.Printf(" %.1f times |", g.times)
		default:
			fmt.Print(" – |")
		}
		if !met {
			fmt.Print(" **not met**")
			good = false
		}
		fmt.Println()
	}
	return good
}

// median runs something several times and returns the median of its durations.
func median(times int, run func(i int) error) (time.Duration, error) {
	durations := make([]time.Duration, times)
	for i := range durations {
		began := time.Now()
		if err := run(i); err != nil {
			return 0, err
		}
		durations[i] = time.Since(began)
	}
	slices.Sort(durations)
	return durations[times/2], nil
}
