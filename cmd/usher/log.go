package main

import (
	"bufio"
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
	lines := &lineWriter{buf: bufio.NewWriterSize(w, 64<<10)}
	options := &slog.HandlerOptions{Level: level}
	if isTerminal(w) {
		return &logger{slog.New(slog.NewTextHandler(lines, options)), lines}
	}
	return &logger{slog.New(&flatJSON{Handler: slog.NewJSONHandler(lines, options), out: lines}), lines}
}

// Close writes what is still held.
func (l *logger) Close() error { return l.lines.flush() }

// lineDelay is how long a line is held at the most.
const lineDelay = 100 * time.Millisecond

// lineWriter holds lines until its buffer is full or lineDelay has passed.
type lineWriter struct {
	mu      sync.Mutex
	buf     *bufio.Writer
	pending bool // a flush is on its way
}

// Write implements io.Writer; each call is one whole line.
func (w *lineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.pending {
		w.pending = true
		time.AfterFunc(lineDelay, func() { _ = w.flush() })
	}
	return w.buf.Write(line)
}

func (w *lineWriter) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = false
	return w.buf.Flush()
}
