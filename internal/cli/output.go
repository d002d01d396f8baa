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
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"

	"github.com/usher-auth/usher/internal/glyph"
)

// printJSON prints a value as indented JSON.
func (c *console) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(c.out, escapeInvisible(b.String()))
	return err
}

// escapeInvisible escapes what nobody sees in the strings of a JSON text. Programs
// read the same, and terminals show it.
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

// printList prints rows as JSON or, for people, as a table that fits the
// terminal. It prints --limit rows at most.
func printList[T any](c *console, rows []T, header []string, cells func(T) []string) error {
	if c.limit < 0 {
		return errLimit
	}
	if more := len(rows) - c.limit; c.limit > 0 && more > 0 {
		rows = rows[:c.limit]
		defer fmt.Fprintf(c.err, "%d more; --limit sets how many are listed\n", more)
	}
	if c.json {
		return c.printJSON(rows)
	}
	table := [][]string{header}
	for _, r := range rows {
		table = append(table, printable(cells(r)))
	}
	fit(table, c.width())
	w := tabwriter.NewWriter(c.out, 0, 0, columnGap, ' ', 0)
	for _, row := range table {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// errLimit is the error for a negative --limit.
var errLimit = wrongUse("--limit must be 0 or more")

const (
	// columnGap is the space between two columns of a table.
	columnGap = 2
	// minColumn is the width below which no column is cut.
	minColumn = 8
)

// fit cuts the cells of a table so that its lines are width
// characters at most, the widest columns first. A width of 0 is unlimited.
func fit(table [][]string, width int) {
	if width <= 0 {
		return
	}
	widths := make([]int, len(table[0]))
	total := columnGap * (len(widths) - 1)
	for i := range widths {
		for _, row := range table {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	for ; total > width; total-- {
		widest := 0
		for i := range widths {
			if widths[i] >= widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= minColumn {
			break
		}
		widths[widest]--
	}
	for _, row := range table {
		for i, cell := range row {
			if runes := []rune(cell); len(runes) > widths[i] {
				row[i] = string(runes[:widths[i]-1]) + "…"
			}
		}
	}
}

// printable replaces control characters and removes what nobody sees, so that a client's description of itself
// cannot control the terminal.
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

// halfBlock is the character whose upper and lower half are ink or not. With
// colours, ink is dark; without, ink is light, as on most terminals.
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
