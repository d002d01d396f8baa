// Package avatar draws the picture of an account: its initials on a colour.
//
// It owns how the picture looks. It does not own whose it is or where it is
// served. The same name always gives the same picture, which shows nothing but
// two letters of it.
package avatar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
)

// SVG draws the picture of a name. No letter in it needs escaping.
func SVG(name string) []byte {
	hash := sha256.Sum256([]byte(name))
	hue := (int(hash[0])<<8 | int(hash[1])) % 360
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128" width="128" height="128">`+
		`<rect width="128" height="128" fill="hsl(%d,45%%,35%%)"/>`+
		`<text x="64" y="64" dy=".35em" text-anchor="middle" font-family="sans-serif" font-size="56" fill="#fff">%s</text>`+
		`</svg>`, hue, initials(name))
}

// Version changes when the picture of a name does, for addresses that are
// cached.
func Version(name string) string {
	hash := sha256.Sum256([]byte(name))
	return hex.EncodeToString(hash[:4])
}

// initials returns the first letter or digit of the first word and of the last
// one that have any; "?" if no word has.
func initials(name string) string {
	var letters []rune
	for word := range strings.FieldsSeq(name) {
		for _, r := range word {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				letters = append(letters[:min(len(letters), 1)], unicode.ToUpper(r))
				break
			}
		}
	}
	if len(letters) == 0 {
		return "?"
	}
	return string(letters)
}
