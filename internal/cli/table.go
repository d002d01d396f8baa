package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/paging"
)

// printer prints a listing, a few rows at a time.
type printer[T any] interface {
	print(rows []T) error
	// end prints the text after the last row.
	end() error
}

// writePages prints a listing, at most limit rows; 0 means no limit. It returns the
// place after the last row, if there are more.
func writePages[T any](p printer[T], limit int, read func(paging.Request) (paging.List[T], error)) (paging.Cursor, error) {
	r := paging.Request{Limit: listPage}
	for left := limit; ; left -= r.Limit {
		if limit > 0 {
			r.Limit = min(left, listPage)
		}
		l, err := read(r)
		if err == nil {
			err = p.print(l.Rows)
		}
		if err != nil {
			return "", err
		}
		if l.Next == "" || limit > 0 && left <= r.Limit {
			return l.Next, p.end()
		}
		r.After = l.Next
	}
}

// arrayPrinter prints rows as printJSON prints an array of them.
type arrayPrinter[T any] struct {
	out   io.Writer
	begun bool
}

func (p *arrayPrinter[T]) print(rows []T) error {
	var b bytes.Buffer
	for _, row := range rows {
		b.WriteString(choose(p.begun, ",\n  ", "[\n  "))
		p.begun = true
		if err := writeJSON(&b, row, "  "); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the line break
	}
	_, err := p.out.Write(b.Bytes())
	return err
}

func (p *arrayPrinter[T]) end() error {
	_, err := io.WriteString(p.out, choose(p.begun, "\n]\n", "[]\n"))
	return err
}

// tablePrinter prints rows as lines of a table.
type tablePrinter[T any] struct {
	table
	cells func(T) []string
}

func (p *tablePrinter[T]) print(rows []T) error {
	lines := make([][]string, len(rows))
	for i, row := range rows {
		lines[i] = printable(p.cells(row))
	}
	return p.write(lines)
}

func (p *tablePrinter[T]) end() error { return nil }

const (
	// columnGap is the space between two columns of a table.
	columnGap = 2
	// minColumn is the width below which no column is cut.
	minColumn = 8
)

// table prints lines of cells in columns. The first lines set the widths. On a
// terminal, the widths stay, and later cells that are wider are cut. Elsewhere, columns
// grow and nothing is cut.
type table struct {
	out    io.Writer
	width  int // of the terminal; 0: none
	header []string
	whole  int   // number of first columns that are never cut
	least  []int // minimum widths of columns, or nil

	widths []int
}

// write prints lines, and the header before the first ones.
func (t *table) write(lines [][]string) error {
	first := t.widths == nil
	if first {
		lines = append([][]string{t.header}, lines...)
		t.widths = t.least
	}
	if len(lines) == 0 {
		return nil
	}
	if first || t.width == 0 {
		t.widths = widest(lines, t.widths)
	}
	if first && t.width > 0 {
		fit(t.widths, t.width, t.whole)
	}
	var b bytes.Buffer
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			fmt.Fprintf(&text, "%-*s", t.widths[i]+columnGap, cut(cell, t.widths[i]))
		}
		b.WriteString(strings.TrimRight(text.String(), " "))
		b.WriteByte('\n')
	}
	_, err := t.out.Write(b.Bytes())
	return err
}

// widest returns the widths of the columns that lines need, and at least widths.
func widest(lines [][]string, widths []int) []int {
	need := make([]int, len(lines[0]))
	copy(need, widths)
	for _, line := range lines {
		for i, cell := range line {
			need[i] = max(need[i], utf8.RuneCountInString(cell))
		}
	}
	return need
}

// fit narrows columns so that a line has at most width characters, the widest columns
// first. The first whole columns are not narrowed. The last column gets the rest of the
// line.
func fit(widths []int, width, whole int) {
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	widths[len(widths)-1] += max(0, width-total)
	for ; total > width; total-- {
		widest := -1
		for i := whole; i < len(widths); i++ {
			if widest < 0 || widths[i] >= widths[widest] {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= minColumn {
			return
		}
		widths[widest]--
	}
}

// cut shortens a text to a width.
func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
