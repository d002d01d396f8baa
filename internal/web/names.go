package web

import (
	"html"
	"html/template"
	"strings"
	"unicode/utf8"
)

const (
	// longName is how many characters a name may have that always fits.
	longName = 24
	// longClaim is how many characters of a name are in a sentence at most.
	longClaim = 40
)

// nameTag shows a name that somebody chose. The stylesheet cuts a long one after two
// lines, and shows it whole when it is opened: it would push everything else off the
// page.
func nameTag(name string) template.HTML {
	if utf8.RuneCountInString(name) <= longName {
		return `<span class="name">` + isolated(name) + `</span>`
	}
	return `<details class="name"><summary>` + isolated(name) + `</summary></details>`
}

// isolated shows a name whose letters may go from right to left: it does not turn round
// the numbers and commas next to it. In an attribute, only the name is left.
func isolated(name string) template.HTML {
	return template.HTML("<bdi>" + html.EscapeString(name) + "</bdi>")
}

// clamp cuts a long name.
func clamp(name string) string {
	if utf8.RuneCountInString(name) <= longClaim {
		return name
	}
	return string([]rune(name)[:longClaim-1]) + "…"
}

// short cuts a name that stands among others, or in a button.
func short(name string) string {
	if utf8.RuneCountInString(name) <= longName {
		return name
	}
	return string([]rune(name)[:longName-1]) + "…"
}

// claim shows in quotation marks what a program says of itself. It has none in it,
// so that the program cannot end the quotation and continue in usher's words.
func claim(text string) string {
	return quoted(strings.Map(func(r rune) rune {
		if strings.ContainsRune(quotationMarks, r) {
			return '\''
		}
		return r
	}, clamp(text)))
}

// claimed is claim, for what may say nothing of itself.
func claimed(text string) phrase {
	if text == "" {
		return say("a program")
	}
	return say("%s", claim(text))
}

const quotationMarks = "\"“”„‟«»″〝〞＂❝❞"
