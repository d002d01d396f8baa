package web

import (
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
)

// phrase is a text that people read, in English, with what is filled in. The page's
// language is chosen when it is shown. The zero value is no text.
type phrase struct {
	format string
	args   []any
	// sentence: it begins with a capital letter and ends with a full stop, which the
	// texts of errors have not.
	sentence bool
	// then follows it.
	then *phrase
}

// say returns a phrase. The catalogue of a language has its format. What is filled
// in may be phrases and amounts as well.
func say(format string, args ...any) phrase { return phrase{format: format, args: args} }

// empty reports whether there is no text.
func (p phrase) empty() bool { return p.format == "" }

// Any reports whether there is a text.
func (p phrase) Any() bool { return !p.empty() }

// in returns the phrase in a language.
func (p phrase) in(l *language) string {
	text := l.translate(p.format)
	if len(p.args) > 0 {
		args := make([]any, len(p.args))
		for i, a := range p.args {
			switch inner := a.(type) {
			case phrase:
				a = inner.in(l)
			case amount:
				a = inner.in(l)
			case error:
				if found := fault.Find(inner); found != nil {
					format, args := found.Parts()
					a = say(format, args...).in(l)
				}
			}
			args[i] = a
		}
		text = fmt.Sprintf(text, args...)
	}
	if p.sentence && text != "" {
		text = sentence(text)
	}
	if p.then != nil {
		text = strings.TrimSpace(text + " " + p.then.in(l))
	}
	return text
}

// String returns the phrase in English.
func (p phrase) String() string { return p.in(english) }
