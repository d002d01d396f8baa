package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// baseline is the name of the probe without a driver.
const baseline = "none"

// samples are the measurements: row → candidate → values.
type samples map[string]map[string]*cell

// cell is one measurement of one candidate: either numbers or a note.
type cell struct {
	values []float64
	note   string
}

// add adds one round's value.
func (s samples) add(row, candidate string, value float64) {
	c := s.cell(row, candidate)
	c.values = append(c.values, value)
}

// note sets a value that is not a number.
func (s samples) note(row, candidate, text string) {
	s.cell(row, candidate).note = text
}

// cell returns a cell, and creates it if necessary.
func (s samples) cell(row, candidate string) *cell {
	if s[row] == nil {
		s[row] = make(map[string]*cell)
	}
	if s[row][candidate] == nil {
		s[row][candidate] = new(cell)
	}
	return s[row][candidate]
}

// table has the names of the rows and the format of their numbers.
var table = []struct{ row, title, format string }{
	{"version", "module version", ""},
	{"engine", "SQLite inside", ""},
	{"Lookup", "lookup, one connection, µs", "%.1f"},
	{"Lookup allocs", "– allocations", "%.0f"},
	{"LookupCancellable", "– with a request's context, µs", "%.1f"},
	{"LookupParallel", "lookup, one connection per processor, wall µs each", "%.1f"},
	{"Insert", "durable insert, one per commit, µs", "%.0f"},
	{"InsertGroup", "durable insert, 16 per commit, µs each", "%.0f"},
	{"Open", "open an existing file and read, µs", "%.0f"},
	{"ready", "exec to ready, ms", "%.1f"},
	{"resident", "resident after open, MiB", "%.1f"},
	{"size", "binary, stripped, MiB", "%.1f"},
	{"build", "clean build, once, s", "%.0f"},
	{"without cgo", "with CGO_ENABLED=0", ""},
}

// print writes the table. The last column is the widest spread of a row, (max − min) / median,
// among its drivers; smaller differences are not significant.
func (s samples) print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| |")
	for _, d := range candidates() {
		fmt.Fprintf(&b, " %s |", d.Name)
	}
	b.WriteString(" spread |\n|---|" + strings.Repeat("---|", len(candidates())+1) + "\n")
	for _, t := range table {
		fmt.Fprintf(&b, "| %s |", t.title)
		var spread float64
		for _, d := range candidates() {
			c := s.cell(t.row, d.Name)
			fmt.Fprintf(&b, " %s |", c.text(t.format))
			spread = max(spread, c.spread())
		}
		if spread > 0 {
			fmt.Fprintf(&b, " %.0f %%", spread*100)
		}
		b.WriteString(" |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text is the cell's text in the table. It is empty if nothing was measured.
func (c *cell) text(format string) string {
	if len(c.values) == 0 {
		return c.note
	}
	return fmt.Sprintf(format, median(c.values))
}

// spread is the range of the rounds divided by their median.
func (c *cell) spread() float64 {
	if len(c.values) < 2 || median(c.values) == 0 {
		return 0
	}
	return (slices.Max(c.values) - slices.Min(c.values)) / median(c.values)
}

// median returns the value in the middle, or the mean of the two there. It needs at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
