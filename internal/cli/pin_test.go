package cli

import (
	"strings"
	"testing"
	"time"
)

// Each letter and digit is five by five blocks, and differs from all others.
func TestBigLetters(t *testing.T) {
	seen := make(map[string]rune)
	for _, r := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" {
		glyph := glyphs[r]
		if rows := strings.Fields(glyph); len(glyph) != 29 || len(rows) != 5 || strings.Trim(glyph, "#. ") != "" {
			t.Errorf("%c is %q", r, glyph)
		}
		if other, ok := seen[glyph]; ok {
			t.Errorf("%c looks like %c", r, other)
		}
		seen[glyph] = r
	}
	const want = "" +
		"    ██████    ██      ██\n" +
		"  ██      ██  ██      ██\n" +
		"  ██████████  ██████████\n" +
		"  ██      ██          ██\n" +
		"  ██      ██          ██\n"
	if got := bigLetters("a4"); got != want {
		t.Errorf("a4 is written\n%swant\n%s", got, want)
	}
	for _, none := range []string{"A-B", "ÄB", "8lzjqnq8lye02n52jq3fqxf8e", "A\x1b[2J"} {
		if got := bigLetters(none); got != "" {
			t.Errorf("%q is written\n%s", none, got)
		}
	}
	t.Logf("\n%s\n%s\n%s\n%s\n%s", bigLetters("ABCDEFGH"), bigLetters("IJKLMNOP"), bigLetters("QRSTUVWX"), bigLetters("YZ012345"), bigLetters("6789"))
}

func TestInMinutes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15 minutes", 119 * time.Second: "a minute", 59 * time.Second: "less than a minute",
	} {
		if got := inMinutes(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
