package cli

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"
)

// The fast path writes the same bytes as slog's own handler.
func TestFlatJSONIsSlogs(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.FixedZone("", 3600))
	for name, attrs := range map[string][]slog.Attr{
		"a request": {
			slog.String("method", "GET"), slog.Int("status", 200), slog.Float64("ms", 0.043), slog.Int64("account", 1),
			slog.Float64("whole", 12), slog.Float64("none", 0), slog.Float64("long", 1234.567),
		},
		"none":              nil,
		"quotes":            {slog.String("a", `"quoted" \ and <tags> & more`)},
		"tags":              {slog.String("a", "<b>&c")},
		"other letters":     {slog.String("a", "Zoë 日本\x7f\x01")},
		"very small":        {slog.Float64("a", 1e-9), slog.Float64("b", 1e21)},
		"other kinds":       {slog.Duration("a", time.Second), slog.Any("error", errors.New("x")), slog.Bool("b", true), slog.Group("g", "k", 1)},
		"a time and a nil":  {slog.Time("a", at), slog.Any("b", nil)},
		"secret":            {slog.Any("token", secret("x"))},
		"not a number":      {slog.Float64("a", math.NaN())},
		"endless":           {slog.Float64("a", math.Inf(1)), slog.Float64("b", math.Inf(-1))},
		"negative and zero": {slog.Int("a", -5), slog.Float64("b", -0.5)},
	} {
		t.Run(name, func(t *testing.T) {
			var quick, slogs bytes.Buffer
			lines := &lineWriter{out: &quick}
			handlers := []slog.Handler{
				&flatJSON{Handler: slog.NewJSONHandler(lines, nil), out: lines}, slog.NewJSONHandler(&slogs, nil),
			}
			for _, h := range handlers {
				for _, message := range []string{"request", `an "odd" message`} {
					r := slog.NewRecord(at, slog.LevelWarn, message, 0)
					r.AddAttrs(attrs...)
					if err := h.Handle(context.Background(), r); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := lines.flush(); err != nil {
				t.Fatal(err)
			}
			if quick.String() != slogs.String() {
				t.Errorf("it writes\n%s, slog writes\n%s", quick.String(), slogs.String())
			}
		})
	}
}

// A time is written as by the standard library, whatever was written before.
func TestFlatJSONTimes(t *testing.T) {
	var h flatJSON
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, at := range []time.Time{
		second, second.Add(1), second.Add(678900000), second.Add(time.Second - 1), second.Add(time.Second), second,
		second.In(time.FixedZone("", -5400)), second.In(time.FixedZone("", 3600)), second.Add(100 * time.Millisecond), second.AddDate(0, 6, 0),
	} {
		if got, want := string(h.appendTime(nil, at)), at.Format(time.RFC3339Nano); got != want {
			t.Errorf("it writes %s, the standard library %s", got, want)
		}
	}
}

// secret is a value that hides itself.
type secret string

// LogValue implements slog.LogValuer.
func (secret) LogValue() slog.Value { return slog.StringValue("…") }
