package qrcode_test

import (
	"bytes"
	"errors"
	"image/png"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/qrcode"
)

// An image has a white margin of four squares, and then the black corner that
// every reader searches: seven squares with a white ring inside.
func TestPNG(t *testing.T) {
	text, err := qrcode.PNG("https://usher.example.org/link?pin=CFHJ")
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, black := range []bool{false, false, false, false, true, false, true, true, true, false, true, false} {
		// The diagonal through the corner, one square after the other.
		at := 6*i + 3
		if r, _, _, _ := picture.At(at, at).RGBA(); (r == 0) != black {
			t.Errorf("square %d of the diagonal is black: %v, want %v", i, r == 0, black)
		}
	}
}

func TestTooLong(t *testing.T) {
	_, err := qrcode.PNG(strings.Repeat("secret", 1000))
	if tooLong := (*qrcode.TooLongError)(nil); !errors.As(err, &tooLong) || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v, want a TooLongError without the text", err)
	}
}
