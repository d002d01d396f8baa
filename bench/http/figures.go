package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// figures are the measurements: row → what → one value a round.
type figures map[string]map[string][]float64

// add adds one round's value.
func (f figures) add(row, what string, value float64) {
	if f[row] == nil {
		f[row] = make(map[string][]float64)
	}
	f[row][what] = append(f[row][what], value)
}

// addDriven adds the result of wrk for one side, and its cost for the server.
func (f figures) addDriven(row, side string, got wrkResult, used time.Duration) {
	f.add(row, side+" rate", got.rate)
	f.add(row, side+" cpu", micros(used)/got.requests)
	f.add(row, side+" p99", millis(got.p99))
}

// addRatio adds the ratio of the last round's two rates.
func (f figures) addRatio(row string) {
	bare, usher := f[row]["bare rate"], f[row]["usher rate"]
	f.add(row, "ratio", usher[len(usher)-1]/bare[len(bare)-1])
}

// save writes every round's figures.
func (f figures) save(file string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// cell formats a median for the tables, or a dash if nothing was measured.
func (f figures) cell(row, what, format string) string {
	values := f[row][what]
	if len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf(format, median(values))
}

// print writes the tables of what was measured.
func (b *bench) print(w io.Writer) {
	b.printRequests(w)
	b.printFlood(w)
	b.printStart(w)
}

func (b *bench) printRequests(w io.Writer) {
	t := newTable("", "bare/s", "usher/s", "ratio", "of rounds", "goal", "CPU µs bare", "usher", "p99 ms bare", "usher")
	for _, r := range requests {
		b.requestRow(t, r)
	}
	b.requestRow(t, benchCase{name: signInPart, title: "sign-in (bare: argon2id)", goal: signInGoal})
	t.print(w)
}

// requestRow adds the row of one case.
func (b *bench) requestRow(t *table, bc benchCase) {
	row := b.figures[bc.name]
	ratios := row["ratio"]
	if len(ratios) == 0 {
		return
	}
	of := func(what, format string) string { return b.figures.cell(bc.name, what, format) }
	costly := bc.cpuGoal > 0 && median(row["usher cpu"]) > bc.cpuGoal*median(row["bare cpu"])
	t.add(bc.title, of("bare rate", "%.0f"), of("usher rate", "%.0f"),
		mark(of("ratio", "%.2f"), median(ratios) < bc.goal),
		fmt.Sprintf("%.2f–%.2f", slices.Min(ratios), slices.Max(ratios)), fmt.Sprintf("%.2f", bc.goal),
		of("bare cpu", "%.1f"), mark(of("usher cpu", "%.1f"), costly), of("bare p99", "%.1f"), of("usher p99", "%.1f"))
}

func (b *bench) printFlood(w io.Writer) {
	t := newTable(fmt.Sprintf("token details at %d/s", paceRate), "p50 ms", "p99 ms", "sign-ins/s", "rejected/s")
	for _, row := range []string{rowAlone, rowFlood, rowBeside} {
		if b.figures[row] == nil {
			continue
		}
		of := func(what, format string) string { return b.figures.cell(row, what, format) }
		t.add(row, of("p50", "%.2f"), of("p99", "%.2f"), of("sign-ins", "%.1f"), of("refused", "%.0f"))
	}
	t.print(w)
}

func (b *bench) printStart(w io.Writer) {
	t := newTable("", "median", "maximum", "goal")
	for _, r := range []struct {
		row  string
		goal float64 // 0 for no goal
	}{{rowFresh, startGoal}, {rowAdmin, 0}, {rowExisting, startGoal}, {rowIdle, idleGoal}, {rowLoaded, 0}} {
		values := b.figures[r.row]["value"]
		if len(values) == 0 {
			continue
		}
		goal := "–"
		if r.goal > 0 {
			goal = fmt.Sprint(r.goal)
		}
		t.add(r.row, mark(b.figures.cell(r.row, "value", "%.1f"), r.goal > 0 && median(values) > r.goal),
			fmt.Sprintf("%.1f", slices.Max(values)), goal)
	}
	t.print(w)
}

// mark emphasises a figure that misses its goal.
func mark(figure string, missed bool) string {
	if missed {
		return "**" + figure + "**"
	}
	return figure
}

// table is a Markdown table with aligned columns.
type table struct{ rows [][]string }

func newTable(head ...string) *table { return &table{[][]string{head}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table, unless it has no rows.
func (t *table) print(w io.Writer) {
	if len(t.rows) == 1 {
		return
	}
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	fmt.Fprintln(w)
	for i, row := range t.rows {
		for j, cell := range row {
			fmt.Fprintf(w, "| %-*s ", widths[j], cell)
		}
		fmt.Fprintln(w, "|")
		if i == 0 {
			for _, width := range widths {
				fmt.Fprint(w, "|", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// median returns the value in the middle, or the mean of the two there. It
// needs at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// percentile returns the value that p in a hundred do not exceed. It sorts.
func percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
