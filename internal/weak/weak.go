// Package weak recognizes the passwords that attackers try first.
//
// It owns a list of common passwords and of common patterns. It does not own the rules
// for passwords: package account applies it.
package weak

import (
	_ "embed"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

//go:generate go run generate.go

// list has the common passwords of 8 characters or more in small letters, a line each,
// in order. generate.go generates it from
//
//   - Django's common-passwords.txt (BSD-3-Clause)
//   - the passwords of @zxcvbn-ts/language-common (MIT)
//
// LICENSES has their licences.
//
//go:embed list.txt
var list string

// Common reports whether a password is a common one: it is on the list, in any case, or
// it is a repeated short text, a row of keys, or a date.
func Common(password string) bool {
	text := cases.Fold().String(norm.NFKC.String(strings.TrimSpace(password)))
	return repeats(text) || isRow(text) || isDate(text) || listed(text)
}

// listed reports whether the list has a text. Searching all of it takes some
// microseconds.
func listed(text string) bool {
	return !strings.Contains(text, "\n") &&
		(strings.HasPrefix(list, text+"\n") || strings.Contains(list, "\n"+text+"\n"))
}

// maxRepeated is the longest text that repeats into a common password.
const maxRepeated = 4

// repeats reports whether a text is a repeated short text.
func repeats(text string) bool {
	runes := []rune(text)
	for size := 1; size <= maxRepeated && size*2 <= len(runes); size++ {
		same := true
		for i := size; i < len(runes); i++ {
			same = same && runes[i] == runes[i-size]
		}
		if same {
			return true
		}
	}
	return false
}

// rows are the rows of keys of common keyboards, and the alphabet.
var rows = [...]string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm",
	"azertyuiop", "qsdfghjklm", "wxcvbn",
}

// isRow reports whether a text is a part of a row, in either direction.
func isRow(text string) bool {
	if text == "" {
		return false
	}
	back := []byte(text)
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	for _, row := range rows {
		if strings.Contains(row+row, text) || strings.Contains(row+row, string(back)) {
			return true
		}
	}
	return false
}

// isDate reports whether a text is a date of the 20th or 21st century in eight digits.
func isDate(text string) bool {
	for _, layout := range [...]string{"02012006", "01022006", "20060102"} {
		if d, err := time.Parse(layout, text); err == nil && d.Year() >= 1900 && d.Year() < 2100 {
			return true
		}
	}
	return false
}
