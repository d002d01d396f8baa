// Package qrcode draws a text as a QR code for a phone's camera.
//
// It owns the image: its size and its margin. It does not own the encoding, which
// is that of boombuler/barcode, nor the text and who may see it.
package qrcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"
)

// PNG draws a text. The error is a *TooLongError if the text does not fit into a
// QR code, which holds some two thousand letters.
func PNG(text string) ([]byte, error) {
	symbol, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, &TooLongError{len(text)}
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, enlarge(symbol)); err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	return picture.Bytes(), nil
}

// TooLongError says that a text does not fit. It does not repeat the text.
type TooLongError struct{ Length int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a text of %d bytes does not fit into a QR code", e.Length)
}

// enlarge draws a symbol with squares of six pixels, and the margin of four
// squares that readers need (ISO/IEC 18004, section 9.1).
func enlarge(symbol image.Image) image.Image {
	const square, margin = 6, 4
	width := (symbol.Bounds().Dx() + 2*margin) * square
	picture := image.NewPaletted(image.Rect(0, 0, width, width), color.Palette{color.White, color.Black})
	for y := margin * square; y < width-margin*square; y++ {
		for x := margin * square; x < width-margin*square; x++ {
			picture.Set(x, y, symbol.At(x/square-margin, y/square-margin))
		}
	}
	return picture
}
