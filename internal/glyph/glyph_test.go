package glyph_test

import (
	"slices"
	"testing"

	"github.com/usher-auth/usher/internal/glyph"
)

func alike(a, b string) bool {
	others := glyph.Skeletons(b)
	return slices.ContainsFunc(glyph.Skeletons(a), func(s string) bool { return slices.Contains(others, s) })
}

// Attack: a name that looks like another one.
func TestAlike(t *testing.T) {
	for _, pair := range [...][2]string{
		{"mia", "MIA"},
		{"mia", "rnia"},           // m and rn
		{"paypal", "PaypaI"},      // capital i
		{"paypal", "paypa1"},      // one
		{"root", "r00t"},          // zeros, as in R00T
		{"root", "rооt"},          // Cyrillic о
		{"root", "rοοt"},          // Greek omicron
		{"root", "ｒｏｏｔ"},          // fullwidth
		{"root", "ro\u200bot"},    // zero-width space
		{"root", "ro\u2060ot"},    // word joiner
		{"root", "ro\u00adot"},    // soft hyphen
		{"root", "ro\ufe0fot"},    // variation selector
		{"root", "ro\u034fot"},    // combining grapheme joiner
		{"root", "roo\u202et"},    // override
		{"root", "root\u0332"},    // combining low line
		{"mia", "mi\u0307a"},      // a dot on the i
		{"mia", "mıa"},            // dotless i
		{"mia", "mİa"},            // Turkish capital
		{"mia", "МІА"},            // Cyrillic capitals
		{"copa", "сора"},          // a whole word in Cyrillic
		{"café", "cafe\u0301"},    // composed and not
		{"strasse", "straße"},     // folding
		{"kelvin", "\u212aelvin"}, // the Kelvin sign
		{"sam", "ſam"},            // long s
		{"mia", "𝓶𝓲𝓪"},            // mathematical letters
		{"mia@example.org", "mia@exаmple.org"},
		{"ΣΑΣ", "σας"},
	} {
		if !alike(pair[0], pair[1]) {
			t.Errorf("%q and %q look alike: %q, %q", pair[0], pair[1], glyph.Skeletons(pair[0]), glyph.Skeletons(pair[1]))
		}
	}
	for _, pair := range [...][2]string{
		{"mia", "mla"}, {"mia", "mía"}, {"muller", "müller"}, {"user1", "user2"}, {"user10", "user01"},
		{"anna", "ana"}, {"noa", "mia"}, {"कि", "कु"}, {"a-b", "a_b"}, {"ваня", "bahr"}, {"o.k", "ok"},
	} {
		if alike(pair[0], pair[1]) {
			t.Errorf("%q and %q do not look alike: %q, %q", pair[0], pair[1], glyph.Skeletons(pair[0]), glyph.Skeletons(pair[1]))
		}
	}
}

func TestMixesScripts(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "mia": false, "mia_2-x.y": false, "миа": false, "μια": false, "日本語かな": false, "mia日本": false, "김mia": false,
		"miа": true, "mιa": true, "миa": true, "日本миа": true, "かな김": true, "mia٣": true, "1٣": true, "mi\u0301a": false,
	} {
		if got := glyph.MixesScripts(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Attack: a name that shows the text around it in another order, or that has more
// characters than people see.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"Living room":               "Living room",
		"Wohnzimmer für Zoë":        "Wohnzimmer für Zoë",
		"a\tb\nc":                   "a\tb\nc",
		"a\u202egnp.exe":            "agnp.exe",
		"\u2066a\u2069":             "a",
		"\u200ea\u200f\u061c":       "a",
		"a\u200b\u200c\u200d\u2060": "a",
		"\ufeffa\u00ad":             "a",
		"a\u3164\uffa0\u115f\u1160": "a",
		"a\u2800":                   "a",
		"a\U000e0041":               "a",
		"a\ufe0f\U000e0100":         "a",
		"a\x1b[31m\x7f\u0085":       "a[31m",
		"a\u2028b\u2029":            "ab",
		"a\u180eb":                  "ab",
		"\u0600\u0661":              "\u0600\u0661", // the Arabic number sign is seen
		"\xff":                      "\xff",
	} {
		if got := glyph.Visible(text); got != want && text != "\xff" {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := string(glyph.AppendVisible(nil, []byte(text))); got != want {
			t.Errorf("%q as bytes: %q, want %q", text, got, want)
		}
		if got := glyph.HasInvisible(text); got != (want != text) {
			t.Errorf("%q has invisible characters: %v", text, got)
		}
	}
}

func BenchmarkSkeletons(b *testing.B) {
	for b.Loop() {
		glyph.Skeletons("some.person@example.org")
	}
}
