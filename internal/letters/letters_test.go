package letters_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/letters"
)

// Each letter of an alphabet occurs about equally often, whether or not its length
// divides 256.
func TestDrawIsUniform(t *testing.T) {
	for _, alphabet := range []string{letters.All, "01", "abc", "ABCDEFGHIJKLMNOPQRST"} {
		const n = 100_000
		count := make(map[byte]int)
		for _, c := range letters.Draw(rand.Reader, alphabet, n) {
			count[c]++
		}
		if len(count) != len(alphabet) {
			t.Errorf("%d different letters of %q, want %d", len(count), alphabet, len(alphabet))
		}
		for c, got := range count {
			if want := n / len(alphabet); got < want*85/100 || got > want*115/100 {
				t.Errorf("%c of %q comes up %d times, want about %d", c, alphabet, got, want)
			}
		}
	}
	if got := letters.Draw(rand.Reader, letters.All, 0); len(got) != 0 {
		t.Errorf("no letters are %q", got)
	}
}

func TestWrite(t *testing.T) {
	bits := bytes.Repeat([]byte{0xa5}, 32)
	got := letters.Write(bits, 20)
	if len(got) != 20 || strings.Trim(string(got), letters.All) != "" {
		t.Errorf("the text is %q, want 20 letters and digits", got)
	}
	if again := letters.Write(bits, 20); !bytes.Equal(got, again) {
		t.Errorf("the same bits give %q and %q", got, again)
	}
	bits[31] ^= 1
	if other := letters.Write(bits, 20); bytes.Equal(got, other) {
		t.Error("other bits give the same text")
	}
	if got := letters.Write(nil, 3); string(got) != "000" {
		t.Errorf("no bits give %q", got)
	}
}
