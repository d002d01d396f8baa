// Command scale shows that usher is as fast with a million accounts as with a thousand: at
// starting, showing pages, listing on the command line, checking tokens and signing in.
//
// It creates a database of each size, runs the built binary with it, and prints a table.
// Each token is checked once, so that none is in the server's cache. The exit code is 1 if
// something is slower than its goal.
//
//	go run ./bench/scale [-sizes 1000,1000000] [-dir FOLDER [-fill]]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

func main() {
	sizes := flag.String("sizes", "1000,1000000", "numbers of accounts, the smallest first")
	dir := flag.String("dir", "", "folder for the databases; the next run uses those of SQLite again (default a temporary one)")
	file := flag.String("json", "", "file for the measurements, which bench/plan reads; what it has of other parts stays")
	parts := flag.String("parts", "sizes,nodes,uses", "what is measured: sizes, nodes, uses")
	engines := flag.String("engines", "SQLite,PostgreSQL", "databases that are measured")
	only := flag.Bool("fill", false, "only make the databases")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := run(ctx, options{*sizes, *dir, *file, *parts, *engines, *only})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1)
	}
}

// figures are the medians of the measurements by row, in milliseconds, or in megabytes for
// memory.
type figures map[string]float64

type options struct {
	sizes, dir, file, parts, engines string
	only                             bool
}

// Measurements are the input of bench/plan.
type Measurements struct {
	Costs []Cost
	Uses  []Use
	Sizes Sizes
	// Figures are the figures of each size, by engine.
	Figures map[string]map[int]figures
	// Rows are the rows of Figures in the order of the table.
	Rows []Row
}

// Row is a row of the table.
type Row struct {
	Name, Goal string
}

func run(ctx context.Context, o options) (good bool, err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "usher-scale-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	binary, err := usher.Build(dir)
	if err != nil {
		return false, err
	}
	server, err := pgtest.Start("fsync=on", "shared_buffers=128MB", "max_wal_size=4GB", "shared_preload_libraries=pg_stat_statements")
	if err != nil {
		return false, err
	}
	defer server.Stop()
	good = true
	all, err := earlier(o)
	if err != nil {
		return false, err
	}
	for _, e := range []engine{sqlite, postgres(server)} {
		if !strings.Contains(o.engines, e.name) {
			continue
		}
		ws, err := newWorlds(ctx, binary, dir, e, o.sizes)
		if err != nil {
			return false, err
		}
		if o.only {
			continue
		}
		if strings.Contains(o.parts, "sizes") {
			met, err := ws.allSizes(ctx, &all)
			if err != nil {
				return false, err
			}
			good = good && met
		}
		if strings.Contains(o.parts, "nodes") {
			if err := ws[len(ws)-1].allNodes(ctx, &all); err != nil {
				return false, err
			}
		}
		if strings.Contains(o.parts, "uses") {
			use, err := ws[len(ws)-1].use(ctx)
			if err != nil {
				return false, err
			}
			all.Uses = append(all.Uses, use)
			fmt.Printf("%s: to write that a token was used takes %.1f µs, %.1f of them PostgreSQL's processors, and %.1f if another node has just done so.\n\n",
				use.Engine, use.Wall, use.Database, use.Passed)
		}
	}
	if o.file == "" {
		return good, nil
	}
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return false, err
	}
	return good, os.WriteFile(o.file, append(text, '\n'), 0o644)
}

// earlier returns the parts of the file that are not measured in this run.
func earlier(o options) (all Measurements, err error) {
	text, err := os.ReadFile(o.file)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return all, fmt.Errorf("reading what was measured before: %w", err)
	}
	if all.Figures == nil {
		all.Figures = make(map[string]map[int]figures)
	}
	if strings.Contains(o.parts, "nodes") {
		all.Costs = slices.DeleteFunc(all.Costs, func(c Cost) bool { return strings.Contains(o.engines, c.Engine) })
	}
	if strings.Contains(o.parts, "uses") {
		all.Uses = slices.DeleteFunc(all.Uses, func(u Use) bool { return strings.Contains(o.engines, u.Engine) })
	}
	return all, nil
}

// allSizes measures the databases of all sizes together, prints a table, and reports
// whether the goals are met.
func (ws worlds) allSizes(ctx context.Context, all *Measurements) (met bool, err error) {
	columns, err := ws.measure(ctx)
	if err != nil {
		return false, err
	}
	bySize := make(map[int]figures)
	for i, w := range ws {
		bySize[w.n] = columns[i]
	}
	all.Figures[ws[0].engine.name] = bySize
	all.Rows = nil
	for _, g := range goals() {
		all.Rows = append(all.Rows, Row{g.row, g.String()})
	}
	return ws.report(columns), nil
}

// allNodes measures nodes with a database, and prints a table.
func (w *world) allNodes(ctx context.Context, all *Measurements) error {
	nodes := []int{1}
	if w.engine.leader != 0 {
		nodes = []int{1, 2, 3}
		var err error
		if all.Sizes, err = w.sizes(ctx); err != nil {
			return err
		}
	}
	costs, err := w.costs(ctx, nodes...)
	if err != nil {
		return err
	}
	all.Costs = append(all.Costs, costs...)
	fmt.Printf("| %s | nodes | requests/s | µs of the nodes | µs of PostgreSQL | queries/1,000 | cache hits, %% | commits/s |\n", w.engine.name)
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, c := range costs {
		fmt.Printf("| %s | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
			c.Kind, c.Nodes, c.Rate, c.Node, c.Database, c.Queries, c.Hits, c.Commits)
	}
	fmt.Println()
	return nil
}

// newWorlds creates databases of all sizes.
func newWorlds(ctx context.Context, binary, dir string, e engine, sizes string) (ws worlds, err error) {
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		w, err := newWorld(ctx, binary, dir, e, n)
		if err != nil {
			return nil, fmt.Errorf("creating a database of %d accounts in %s: %w", n, e.name, err)
		}
		fmt.Fprintf(os.Stderr, "made a database of %d accounts in %s in %.0f s\n", n, e.name, time.Since(began).Seconds())
		ws = append(ws, w)
	}
	return ws, nil
}

// goal is the maximum of a row.
type goal struct {
	row   string
	most  float64 // if zero, any
	times float64 // of the first column; if zero, any
}

// String returns what the table shows.
func (g goal) String() string {
	switch {
	case g.most > 0:
		return fmt.Sprintf("%.0f", g.most)
	case g.times > 0:
		return fmt.Sprintf("%.1f times", g.times)
	default:
		return "–"
	}
}

// goals returns the rows of the table.
func goals() []goal {
	list := []goal{{rowStart, 100, 0}}
	for _, p := range pageRows {
		list = append(list, goal{p.row(), 50, 0})
	}
	return append(list,
		goal{rowListAccounts, 0, 0}, goal{rowListTokens, 0, 0},
		goal{rowCheck, 0, 1.2}, goal{rowCached, 0, 1.2}, goal{rowSignIn, 0, 1.2},
		goal{rowResident, 200, 0},
	)
}

// report prints the table and reports whether all goals are met.
func (ws worlds) report(columns []figures) (good bool) {
	fmt.Printf("| %s: median, ms |", ws[0].engine.name)
	for _, w := range ws {
		fmt.Printf(" %d accounts |", w.n)
	}
	fmt.Print(" goal |\n|---|", strings.Repeat("---|", len(ws)+1), "\n")
	good = true
	for _, g := range goals() {
		fmt.Printf("| %s |", g.row)
		met := true
		for i, f := range columns {
			fmt.Printf(" %.1f |", f[g.row])
			met = met && (g.most == 0 || f[g.row] <= g.most)
			met = met && (g.times == 0 || i == 0 || f[g.row] <= g.times*columns[0][g.row])
		}
		fmt.Printf(" %s |", g)
		if !met {
			fmt.Print(" **not met**")
			good = false
		}
		fmt.Println()
	}
	fmt.Println()
	return good
}
