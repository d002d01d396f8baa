package glyph

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible removes the characters of a text that nobody sees: controls other than
// line breaks and tabs, format characters, and what displays ignore.
//
// Attack: a name that contains a bidirectional control shows the text around it in
// another order, and a name with an invisible character is another one that
// looks the same.
func Visible(text string) string {
	if !HasInvisible(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if Invisible(r) {
			return -1
		}
		return r
	}, text)
}

// HasInvisible reports whether Visible changes a text.
func HasInvisible(text string) bool {
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || c < ' ' || c == 0x7f {
			return strings.ContainsFunc(text[i:], Invisible)
		}
	}
	return false
}

// AppendVisible appends the visible part of a text to dst. It leaves bytes that are
// not UTF-8 as they are.
func AppendVisible(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if !Invisible(r) {
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return dst
}

// blanks are characters that are drawn as nothing although they count as letters or
// symbols.
var blanks = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}},
}

// Invisible reports whether a character is not seen, or moves what is.
func Invisible(r rune) bool {
	switch {
	case r < ' ':
		return r != '\n' && r != '\t' && r != '\r'
	case r < 0x7f:
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false // a format character with a shape, such as the Arabic number sign
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, blanks)
}
