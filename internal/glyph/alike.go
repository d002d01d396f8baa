package glyph

import (
	"slices"
	"strings"
	"unicode"

	"go.mau.fi/util/confusable"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Version is increased when Skeletons returns another result for the same text. Callers
// that store the results compare it.
const Version = 1

// Skeletons returns the skeletons of a text: two texts that have a skeleton in common
// look alike (UTS #39, section 4). It is for names that are compared without regard to
// case, so there is a skeleton for the name as it is written, in lower case, and in
// upper case. For example, Р (Er) looks like P in both cases, but М (Em) looks like M
// only in upper case.
//
// Skeletons are for comparison only.
func Skeletons(text string) []string {
	text = withoutLooseMarks(norm.NFKC.String(Visible(text)))
	fold, capitals := cases.Fold(), cases.Upper(language.Und)
	list := []string{
		confusable.Skeleton(withoutLooseMarks(fold.String(text))),
		confusable.Skeleton(withoutLooseMarks(capitals.String(text))),
		confusable.Skeleton(fold.String(confusable.Skeleton(text))),
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// withoutLooseMarks removes the accents that form no letter together with what
// they follow: a line below, a dot on an i. Marks of one script, such as vowel
// signs, are no accents.
func withoutLooseMarks(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Me) && unicode.Is(unicode.Inherited, r) {
			return -1
		}
		return r
	}, norm.NFC.String(text))
}

// together lists the scripts that one language writes side by side (UTS #39,
// section 5.2, "highly restrictive").
var together = [...][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// MixesScripts reports whether a text has letters of scripts that no language mixes,
// or digits of different scripts.
func MixesScripts(text string) bool {
	var scripts []string
	zero := rune(-1)
	for _, r := range text {
		if name := scriptOf(r); name != "" && !slices.Contains(scripts, name) {
			scripts = append(scripts, name)
		}
		if z := zeroOf(r); z >= 0 {
			if zero >= 0 && z != zero {
				return true
			}
			zero = z
		}
	}
	if len(scripts) <= 1 {
		return false
	}
	return !slices.ContainsFunc(together[:], func(set []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(set, s) })
	})
}

// scriptOf returns the script of a character; empty if all scripts use it.
func scriptOf(r rune) string {
	if r < 0x80 {
		if unicode.IsLetter(r) {
			return "Latin"
		}
		return ""
	}
	if unicode.In(r, unicode.Common, unicode.Inherited) {
		return ""
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "unknown"
}

// zeroOf returns the zero of the digits that r belongs to; -1 if r is not a digit.
// Unicode has the ten digits of a script in a row.
func zeroOf(r rune) rune {
	for _, d := range unicode.Nd.R16 {
		if lo, hi := rune(d.Lo), rune(d.Hi); lo <= r && r <= hi {
			return r - (r-lo)%10
		}
	}
	for _, d := range unicode.Nd.R32 {
		if lo, hi := rune(d.Lo), rune(d.Hi); lo <= r && r <= hi {
			return r - (r-lo)%10
		}
	}
	return -1
}
