package cli

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// logger is a slog.Logger whose lines are gathered for a moment before they
// are written: one system call per request would cost the hot path more than
// the rest of the log line does.
type logger struct {
	*slog.Logger
	lines *lineWriter
}

// newLogger writes text for people and JSON for programs.
func newLogger(w io.Writer, level slog.Level) *logger {
	l := &logger{lines: &lineWriter{out: w}}
	options := &slog.HandlerOptions{Level: level}
	if isTerminal(w) {
		l.Logger = slog.New(slog.NewTextHandler(l.lines, options))
	} else {
		l.Logger = slog.New(&flatJSON{Handler: slog.NewJSONHandler(l.lines, options), out: l.lines})
	}
	l.lines.missed = func(lines int, err error) {
		l.Error("lines of this log could not be written, and are lost", "lines", lines, "error", err)
	}
	return l
}

// Close writes what is still held.
func (l *logger) Close() error { return l.lines.flush() }

const (
	// lineDelay is how long a line is held at the most.
	lineDelay = 100 * time.Millisecond
	// lineRoom is how many bytes of lines are held at the most.
	lineRoom = 64 << 10
)

// lineWriter holds lines until there is no room for more or lineDelay has
// passed. What cannot be written then, as on a full disk, is lost, and counted;
// when there is something to write next, it is tried again.
type lineWriter struct {
	out io.Writer
	// missed is told how many lines were lost, and why, once lines can be
	// written again. Nil: nobody.
	missed func(lines int, err error)

	mu      sync.Mutex
	held    []byte
	pending bool // a flush is on its way
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

// flush writes what is held, and then what became of lines before.
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

// writeHeld writes what is held; w.mu is locked.
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
