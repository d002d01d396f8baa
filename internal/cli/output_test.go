package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A table fits the terminal's width: the widest columns are cut first.
func TestFit(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"ID", "NAME", "WHERE"}, {"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}}
	}
	for _, c := range []struct {
		width int
		want  []string
	}{
		{0, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}}, // not a terminal
		{66, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}},
		{65, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.or…"}},
		{40, []string{"1", "a name of 20 let…", "http://a.host.of…"}},
		{10, []string{"1", "a name …", "http://…"}}, // the minimum width
	} {
		var out strings.Builder
		tab := table{out: &out, width: c.width, header: rows()[0]}
		if err := tab.write(rows()[1:]); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		got := regexp.MustCompile("  +").Split(lines[1], -1)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("in %d columns (-want +got):\n%s", c.width, diff)
		}
	}
}

// Attack: the name of a device or an account has characters that a terminal shows in
// another order, or not at all.
func TestOutputShowsWhatIsThere(t *testing.T) {
	const evil = "T\u202eV\u200b \u2066x\u00ad\U000e0041"
	if got := printable([]string{evil, "\u200b"}); got[0] != "TV x" || got[1] != "-" {
		t.Errorf("a table has %q", got)
	}
	var out bytes.Buffer
	c := &console{out: &out}
	if err := c.printJSON(map[string]string{"name": evil}); err != nil {
		t.Fatal(err)
	}
	var again map[string]string
	if err := json.Unmarshal(out.Bytes(), &again); err != nil || again["name"] != evil {
		t.Errorf("programs read %q, %v", again, err)
	}
	if strings.ContainsAny(out.String(), evil[1:4]+"\u200b\u2066\u00ad\U000e0041") {
		t.Errorf("the JSON output contains them: %q", out.String())
	}
	for _, plain := range []bool{false, true} {
		var lines bytes.Buffer
		l := newLogger(&lines, slog.LevelInfo)
		if plain {
			l.Logger = slog.New(slog.NewTextHandler(l.lines, &slog.HandlerOptions{ReplaceAttr: visibleAttr}))
		}
		l.Info("signed in "+evil, "device", evil, "error", errors.New(evil))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(lines.String(), "\u202e\u2066\u200b\u00ad") || strings.Count(lines.String(), "TV x") != 3 {
			t.Errorf("the log has %q", lines.String())
		}
	}
}
