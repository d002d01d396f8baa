package cli

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// flatJSON writes lines with plain attributes only, such as those of requests. It
// writes the same bytes as slog's own handler in a third of the time, and passes
// every other line to that handler.
type flatJSON struct {
	slog.Handler
	out *lineWriter
	// second is the formatted second of the last line, which is usually also that
	// of the next line.
	second atomic.Pointer[writtenSecond]
}

// writtenSecond is a second in the format of RFC 3339, in the two parts around a
// fraction.
type writtenSecond struct {
	unix         int64
	zone         *time.Location
	clock, place string
}

// appendTime formats a time as time.RFC3339Nano.
func (h *flatJSON) appendTime(b []byte, t time.Time) []byte {
	s := h.second.Load()
	if s == nil || s.unix != t.Unix() || s.zone != t.Location() {
		const clock = "2006-01-02T15:04:05"
		s = &writtenSecond{t.Unix(), t.Location(), t.Format(clock), t.Format("Z07:00")}
		h.second.Store(s)
	}
	b = append(b, s.clock...)
	if n := t.Nanosecond(); n > 0 {
		b = append(b, '.')
		for unit := 100_000_000; n > 0; unit /= 10 {
			b = append(b, byte('0'+n/unit))
			n %= unit
		}
	}
	return append(b, s.place...)
}

// lineBuffers holds buffers for reuse.
var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// Handle implements slog.Handler.
func (h *flatJSON) Handle(ctx context.Context, r slog.Record) error {
	buf := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buf)
	b := append((*buf)[:0], `{"time":"`...)
	b = h.appendTime(b, r.Time)
	b = append(b, `","level":"`...)
	b = append(b, r.Level.String()...)
	b = append(b, `","msg":`...)
	b, plain := appendPlain(b, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if plain {
			b = append(b, ',', '"')
			b = append(b, a.Key...)
			b = append(b, '"', ':')
			b, plain = appendValue(b, a.Value)
		}
		return plain
	})
	if !plain {
		return h.Handler.Handle(ctx, r)
	}
	*buf = append(b, '}', '\n')
	_, err := h.out.Write(*buf)
	return err
}

// appendValue writes a value of a plain kind. It returns false for other kinds.
func appendValue(b []byte, v slog.Value) ([]byte, bool) {
	switch v.Kind() {
	case slog.KindString:
		return appendPlain(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10), true
	case slog.KindFloat64:
		f := v.Float64()
		if f == 0 || f >= 1e-6 && f < 1e15 { // neither is true of NaN
			return strconv.AppendFloat(b, f, 'f', -1, 64), true
		}
		return b, false
	}
	return b, false
}

// appendPlain writes a string that needs no escaping. It returns false for others.
func appendPlain(b []byte, s string) ([]byte, bool) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			return b, false
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), true
}

// WithAttrs implements slog.Handler. A logger with attributes uses slog's handler.
func (h *flatJSON) WithAttrs(attrs []slog.Attr) slog.Handler { return h.Handler.WithAttrs(attrs) }

// WithGroup implements slog.Handler.
func (h *flatJSON) WithGroup(name string) slog.Handler { return h.Handler.WithGroup(name) }
