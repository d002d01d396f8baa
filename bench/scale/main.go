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
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
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

// figures are the medians of what was measured, in milliseconds (memory: in
// megabytes), by row.
type figures map[string]float64

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
	server, err := pgtest.Start("fsync=on", "shared_buffers=128MB", "max_wal_size=4GB")
	if err != nil {
		return false, err
	}
	defer server.Stop()
	good = true
	for _, e := range []engine{sqlite, postgres(server)} {
		ws, err := newWorlds(ctx, binary, dir, e, sizes)
		if err != nil {
			return false, err
		}
		if only {
			continue
		}
		fs, err := ws.measure(ctx)
		if err != nil {
			return false, err
		}
		good = ws.report(fs) && good
	}
	return good, nil
}

// newWorlds makes databases of all sizes.
func newWorlds(ctx context.Context, binary, dir string, e engine, sizes string) (ws worlds, err error) {
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		w, err := newWorld(ctx, binary, dir, e, n)
		if err != nil {
			return nil, fmt.Errorf("making a database of %d accounts in %s: %w", n, e.name, err)
		}
		fmt.Fprintf(os.Stderr, "made a database of %d accounts in %s in %.0f s\n", n, e.name, time.Since(began).Seconds())
		ws = append(ws, w)
	}
	return ws, nil
}

// goal says how high a row may be.
type goal struct {
	row   string
	most  float64 // zero: any
	times float64 // of the first column; zero: any
}

// goals are the rows of the table.
var goals = []goal{
	{rowStart, 100, 0},
	{rowHome, 50, 0},
	{rowAdmin, 50, 0},
	{rowAccounts, 50, 0},
	{rowMiddle, 50, 0},
	{rowSearch, 50, 0},
	{rowAccount, 50, 0},
	{rowTokens, 50, 0},
	{rowServers, 50, 0},
	{rowShares, 50, 0},
	{rowAudit, 50, 0},
	{rowOwn, 50, 0},
	{rowListAccounts, 0, 0},
	{rowListTokens, 0, 0},
	{rowCheck, 0, 1.2},
	{rowCached, 0, 1.2},
	{rowSignIn, 0, 1.2},
	{rowResident, 200, 0},
}

// report prints the table and reports whether all goals are met.
func (ws worlds) report(columns []figures) (good bool) {
	fmt.Printf("| %s: median, ms |", ws[0].engine.name)
	for _, w := range ws {
		fmt.Printf(" %d accounts |", w.n)
	}
	fmt.Print(" goal |\n|---|", strings.Repeat("---|", len(ws)+1), "\n")
	good = true
	for _, g := range goals {
		fmt.Printf("| %s |", g.row)
		met := true
		for i, f := range columns {
			fmt.Printf(" %.1f |", f[g.row])
			met = met && (g.most == 0 || f[g.row] <= g.most)
			met = met && (g.times == 0 || i == 0 || f[g.row] <= g.times*columns[0][g.row])
		}
		switch {
		case g.most > 0:
			fmt.Printf(" %.0f |", g.most)
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
	fmt.Println()
	return good
}
