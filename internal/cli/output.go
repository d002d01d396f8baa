package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/boombuler/barcode/qr"

	"github.com/usher-auth/usher/internal/glyph"
	"github.com/usher-auth/usher/internal/paging"
)

// printJSON prints a value as indented JSON.
func (c *console) printJSON(v any) error { return writeJSON(c.out, v, "") }

func writeJSON(w io.Writer, v any, prefix string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeInvisible(b.String()))
	return err
}

// escapeInvisible escapes invisible characters in the strings of a JSON text. Programs
// decode the same text, and terminals show the escapes.
func escapeInvisible(text string) string {
	if !glyph.HasInvisible(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if !glyph.Invisible(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// printList prints rows that are all in memory as JSON or as a table. It
// prints --limit rows at most.
func printList[T any](c *console, rows []T, header []string, cells func(T) []string) error {
	return printPages(c, func(r paging.Request) (paging.List[T], error) {
		from := 0
		if place, ok := r.After.Values(1); ok {
			from = int(place[0].(int64))
		}
		l := paging.List[T]{Rows: rows[from:]}
		if to := from + r.Max(); to < len(rows) {
			l.Rows, l.Next = rows[from:to], paging.NewCursor(int64(to))
		}
		return l, nil
	}, header, cells)
}

// errLimit is the error for a negative --limit.
var errLimit = wrongUse("--limit must be 0 or more")

// eachRow adapts a function that reads values to one that reads their rows.
func eachRow[T, R any](
	read func(paging.Request) (paging.List[T], error), row func(T) R,
) func(paging.Request) (paging.List[R], error) {
	return func(r paging.Request) (rows paging.List[R], err error) {
		l, err := read(r)
		rows.Next, rows.Previous = l.Next, l.Previous
		for _, x := range l.Rows {
			rows.Rows = append(rows.Rows, row(x))
		}
		return rows, err
	}
}

// listPage is how many rows of a listing are read at a time.
const listPage = 500

// printPages prints a listing as JSON or as a table that fits the
// terminal, through a pager if it is longer than that. It prints each page as soon as
// it is read, and --limit rows at most.
func printPages[T any](
	c *console, read func(paging.Request) (paging.List[T], error), header []string, cells func(T) []string,
) error {
	if c.limit < 0 {
		return errLimit
	}
	width, _ := c.size()
	var rest paging.Cursor
	err := c.paged(func() (err error) {
		var p printer[T] = &arrayPrinter[T]{out: c.out}
		if !c.json {
			p = &tablePrinter[T]{table{out: c.out, width: width, header: header}, cells}
		}
		rest, err = writePages(p, c.limit, read)
		return err
	})
	if err != nil || rest == "" {
		return err
	}
	more, err := read(paging.Request{After: rest, Limit: listPage})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%s%d more; --limit sets how many are listed\n", choose(more.Next == "", "", "more than "), len(more.Rows))
	return nil
}

// printable replaces control characters and removes invisible characters, so that a
// client's description of itself cannot control the terminal.
func printable(cells []string) []string {
	for i, c := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			switch {
			case r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0:
				return '?'
			case glyph.Invisible(r):
				return -1
			}
			return r
		}, c)
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// printFields prints names and values, one pair a line.
func (c *console) printFields(pairs ...string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(w, "%s\t%s\n", pairs[i], printable(pairs[i+1 : i+2])[0])
	}
	return w.Flush()
}

// shortTime formats a time for people, in the local time zone.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

func choose(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}

// terminalQR draws a QR code with half-block characters, two modules per line. With
// colour, it is black on white regardless of the terminal's colours, because many
// readers do not accept an inverted code.
func terminalQR(text string, colour bool) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("drawing the QR code: %w", err)
	}
	const margin = 2
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var b strings.Builder
	for y := -margin; y < size+margin; y += 2 {
		if colour {
			b.WriteString("\x1b[30;107m")
		}
		for x := -margin; x < size+margin; x++ {
			b.WriteString(halfBlock(dark(x, y), dark(x, y+1), colour))
		}
		if colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// halfBlock returns the character whose upper and lower half are ink or not. With
// colours, ink is dark. Without, it is light, as text is on most terminals.
func halfBlock(upper, lower, colour bool) string {
	if !colour {
		upper, lower = !upper, !lower
	}
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
