package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// disk is a log file on a disk that is temporarily full.
type disk struct {
	bytes.Buffer
	full bool
}

func (d *disk) Write(b []byte) (int, error) {
	if d.full {
		return 0, errors.New("no space left on device")
	}
	return d.Buffer.Write(b)
}

// A temporarily full disk does not silence the log, and the number of lost lines is logged.
func TestLogAfterFullDisk(t *testing.T) {
	d := &disk{full: true}
	log := newLogger(d, slog.LevelInfo)
	log.Info("one")
	log.Info("two")
	if err := log.Close(); err == nil {
		t.Error("lines were written to a full disk")
	}
	d.full = false
	log.Info("three")
	for range 2 { // the second reports the lines that the first lost
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
	var got []string
	for text := range strings.Lines(d.String()) {
		var line struct {
			Msg   string
			Lines int
			Error string
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err, text)
		}
		got = append(got, line.Msg)
		if line.Lines != 0 && (line.Lines != 2 || line.Error != "no space left on device") {
			t.Errorf("%s: want two lost lines", text)
		}
	}
	if len(got) != 2 || got[0] != "three" || !strings.Contains(got[1], "lost") {
		t.Errorf("the log has %q", got)
	}
}

// Lines beyond the buffer size are written completely and in order.
func TestLogOfManyLines(t *testing.T) {
	var out bytes.Buffer
	w := &lineWriter{out: &out}
	var want bytes.Buffer
	for i := range 1000 {
		line := []byte(strings.Repeat("x", i) + "\n")
		want.Write(line)
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := w.flush(); err != nil || !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes are written, %v, want %d", out.Len(), err, want.Len())
	}
}
