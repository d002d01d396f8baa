package web

import (
	"html"
	"html/template"
	"strings"
	"unicode/utf8"
)

// longName is how many characters of a name are shown at once.
const longName = 40

// nameTag shows a name that somebody chose. A long one is cut, and shown whole on
// demand: it would push everything else off the page.
func nameTag(name string) template.HTML {
	if utf8.RuneCountInString(name) <= longName {
		return template.HTML(`<span class="name">` + html.EscapeString(name) + `</span>`)
	}
	return template.HTML(`<details class="name"><summary>` + html.EscapeString(clamp(name)) + `</summary>` +
		html.EscapeString(name) + `</details>`)
}

// clamp cuts a long name.
func clamp(name string) string {
	if utf8.RuneCountInString(name) <= longName {
		return name
	}
	return string([]rune(name)[:longName-1]) + "…"
}

// claim shows in quotation marks what a program says of itself. It has none in it,
// so that the program cannot end the quotation and go on in our own words.
func claim(text string) string {
	return quoted(strings.Map(func(r rune) rune {
		if strings.ContainsRune(quotationMarks, r) {
			return '\''
		}
		return r
	}, clamp(text)))
}

const quotationMarks = "\"“”„‟«»″〝〞＂❝❞"
