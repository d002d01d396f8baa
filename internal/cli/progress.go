package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/usher-auth/usher/internal/core"
)

// progress shows the progress of a command on standard error: as a bar on a terminal,
// and otherwise as a line for each table and every ten seconds.
type progress struct {
	out io.Writer
	// copying and comparing describe the current step.
	copying, comparing string
	// width is the width of the terminal, or 0 without a terminal.
	width int

	shown time.Time
	last  core.Progress
}

// How often the progress is shown.
const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 10 * time.Second
)

func (c *console) newProgress(copying, comparing string) *progress {
	p := &progress{out: c.err, copying: copying, comparing: comparing}
	if isTerminal(c.err) {
		p.width = 80
		if width, _, err := term.GetSize(int(c.err.(*os.File).Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	return p
}

// show updates the progress, unless it was updated recently.
func (p *progress) show(now core.Progress) {
	next := now.Table != p.last.Table || now.Comparing != p.last.Comparing
	p.last = now
	if p.width > 0 {
		if time.Since(p.shown) >= barInterval || now.Rows >= now.Total {
			p.shown = time.Now()
			fmt.Fprintf(p.out, "\r%s\x1b[K", p.bar())
		}
		return
	}
	if next || time.Since(p.shown) >= lineInterval {
		p.shown = time.Now()
		fmt.Fprintf(p.out, "%s %s: %d of %d rows\n", p.doing(), now.Table, now.Rows, now.Total)
	}
}

// end removes the bar.
func (p *progress) end() {
	if p.width > 0 && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) doing() string { return choose(p.last.Comparing, p.comparing, p.copying) }

// bar returns the bar, which fits the width of the terminal.
func (p *progress) bar() string {
	part := 1.0
	if p.last.Total > 0 {
		part = min(1, float64(p.last.Rows)/float64(p.last.Total))
	}
	text := fmt.Sprintf(" %3.0f %% of %d rows, %s %s", 100*part, p.last.Total, p.doing(), p.last.Table)
	room := min(40, p.width-len(text)-3)
	if room < 5 {
		return text[:min(len(text), p.width-1)]
	}
	full := int(part * float64(room))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + text
}
