package cli

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/glyph"
)

// logger is a slog.Logger that buffers its lines for a moment: a system call for
// each request would cost the hot path more than the rest of the log line.
type logger struct {
	*slog.Logger
	lines *lineWriter
}

// newLogger writes text on a terminal and JSON otherwise.
func newLogger(w io.Writer, level slog.Level) *logger {
	l := &logger{lines: &lineWriter{out: w}}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: visibleAttr}
	if isTerminal(w) {
		l.Logger = slog.New(slog.NewTextHandler(l.lines, options))
	} else {
		l.Logger = slog.New(&flatJSON{Handler: slog.NewJSONHandler(l.lines, options), out: l.lines})
	}
	l.lines.missed = func(lines int, err error) {
		l.Error("log lines could not be written and are lost", "lines", lines, "error", err)
	}
	return l
}

// visibleAttr removes invisible characters from the texts of a line: some are names that
// clients chose.
func visibleAttr(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch value := a.Value.Any().(type) {
	case string:
		text = value
	case error:
		text = value.Error()
	case fmt.Stringer:
		if a.Value.Kind() == slog.KindAny {
			text = value.String()
		}
	}
	if glyph.HasInvisible(text) {
		a.Value = slog.StringValue(glyph.Visible(text))
	}
	return a
}

// Close writes the buffered lines.
func (l *logger) Close() error { return l.lines.flush() }

const (
	// lineDelay is the maximum time that a line is buffered.
	lineDelay = 100 * time.Millisecond
	// lineRoom is the maximum number of buffered bytes.
	lineRoom = 64 << 10
)

// lineWriter buffers lines until the buffer is full or lineDelay has passed. Lines
// that cannot be written then, as on a full disk, are lost and counted. The next
// write tries again.
type lineWriter struct {
	out io.Writer
	// missed is called with the number of lost lines and the reason, once lines
	// can be written again. It may be nil.
	missed func(lines int, err error)

	mu      sync.Mutex
	held    []byte
	pending bool // a flush is scheduled
	lost    int
	why     error
}

// Write implements io.Writer; each call is one whole line.
func (w *lineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.pending {
		w.pending = true
		time.AfterFunc(lineDelay, func() { _ = w.flush() })
	}
	if w.held == nil {
		w.held = make([]byte, 0, lineRoom)
	}
	if len(w.held)+len(line) > lineRoom {
		_ = w.writeHeld()
	}
	w.held = append(w.held, line...)
	return len(line), nil
}

// flush writes the buffered lines, and then reports lost ones.
func (w *lineWriter) flush() error {
	w.mu.Lock()
	w.pending = false
	err := w.writeHeld()
	lost, why := w.lost, w.why
	if err == nil {
		w.lost, w.why = 0, nil
	}
	w.mu.Unlock()
	if err == nil && lost > 0 && w.missed != nil {
		w.missed(lost, why)
	}
	return err
}

// writeHeld writes the buffered lines. The caller holds w.mu.
func (w *lineWriter) writeHeld() error {
	if len(w.held) == 0 {
		return nil
	}
	n, err := w.out.Write(w.held)
	if err != nil {
		w.lost += bytes.Count(w.held[n:], []byte{'\n'})
		w.why = err
	}
	w.held = w.held[:0]
	return err
}
