package web

import (
	"regexp"
	"strings"
	"unicode"
)

// The texts of a template are translated in its source, before it is parsed. A unit
// is what is translated as a whole: the content of a paragraph, a label or a button,
// with its links and emphasis and with the actions that fill it in, so that another
// language can put all of these in another order. The value of an attribute that
// people read is a unit, too, and so is a text in an action: {{t "A program"}}.

// token is a piece of a template's source.
type templateToken struct {
	kind tokenKind
	text string
}

type tokenKind uint8

const (
	plainText tokenKind = iota
	action              // {{…}}
	inlineTag           // of a word in a sentence
	blockTag            // of anything else
)

// inline are the elements that are part of a sentence.
var inline = map[string]bool{
	"a": true, "strong": true, "em": true, "code": true, "span": true, "time": true, "br": true,
}

var tagName = regexp.MustCompile(`^</?([a-z0-9]+)`)

// tokens cuts the source of a template.
func tokens(source string) (list []templateToken) {
	for source != "" {
		n, kind := strings.IndexAny(source, "<{"), plainText
		switch {
		case strings.HasPrefix(source, "{{"):
			n, kind = strings.Index(source, "}}")+2, action
		case n == 0 && source[0] == '<':
			n = endOfTag(source)
			kind = blockTag
			if m := tagName.FindStringSubmatch(source); m != nil && inline[m[1]] {
				kind = inlineTag
			}
		case n < 0:
			n = len(source)
		case n == 0:
			n = 1
		}
		list = append(list, templateToken{kind, source[:n]})
		source = source[n:]
	}
	return list
}

// endOfTag returns the length of the tag that a source begins with. There may be
// actions in it.
func endOfTag(source string) int {
	for i := 0; i < len(source); i++ {
		if strings.HasPrefix(source[i:], "{{") {
			i += strings.Index(source[i:], "}}") + 1
		} else if source[i] == '>' {
			return i + 1
		}
	}
	return len(source)
}

// translated returns the source of a template with each unit replaced by what
// translate returns for it.
func translated(source string, translate func(unit string) string) string {
	var b strings.Builder
	var sentence []templateToken
	flush := func() {
		for _, part := range split(sentence) {
			b.WriteString(translatePart(part, translate))
		}
		sentence = nil
	}
	for _, t := range tokens(source) {
		if t.kind == blockTag || t.kind == action && isStatement(t.text) {
			flush()
			b.WriteString(translateTag(t, translate))
			continue
		}
		sentence = append(sentence, t)
	}
	flush()
	return b.String()
}

// isStatement reports whether an action shows nothing and is not a condition.
func isStatement(text string) bool {
	word := strings.TrimLeft(text, "{- ")
	for _, s := range []string{"define ", "template ", "block ", "$"} {
		if strings.HasPrefix(word, s) && (s != "$" || strings.Contains(text, ":=")) {
			return true
		}
	}
	return false
}

// opens and closes tell how an action or tag changes the depth of what encloses it.
func opens(t templateToken) bool {
	switch t.kind {
	case action:
		word := strings.TrimLeft(t.text, "{- ")
		return strings.HasPrefix(word, "if ") || strings.HasPrefix(word, "with ") || strings.HasPrefix(word, "range ")
	case inlineTag:
		return !strings.HasPrefix(t.text, "</") && !strings.HasPrefix(t.text, "<br")
	}
	return false
}

func closes(t templateToken) bool {
	return t.kind == action && strings.Trim(t.text, "{}- ") == "end" || t.kind == inlineTag && strings.HasPrefix(t.text, "</")
}

func continues(t templateToken) bool {
	return t.kind == action && strings.HasPrefix(strings.TrimLeft(t.text, "{- "), "else")
}

// split cuts the tokens between two block tags where an action or a tag is not
// closed between them: what it encloses is more than a sentence.
func split(sentence []templateToken) (parts [][]templateToken) {
	boundary := make([]bool, len(sentence))
	var open []int
	for i, t := range sentence {
		switch {
		case opens(t):
			open = append(open, i)
		case closes(t) && len(open) > 0 && sentence[open[len(open)-1]].kind == t.kind:
			open = open[:len(open)-1]
		case closes(t), continues(t) && len(open) == 0:
			boundary[i] = true
		}
	}
	for _, i := range open {
		boundary[i] = true
		for j := i + 1; j < len(sentence); j++ { // its else, if it has one
			boundary[j] = boundary[j] || continues(sentence[j]) && depth(sentence[i+1:j]) == 0
		}
	}
	var part []templateToken
	for i, t := range sentence {
		if boundary[i] {
			parts = append(parts, part, []templateToken{t})
			part = nil
			continue
		}
		part = append(part, t)
	}
	return append(parts, part)
}

func depth(list []templateToken) (n int) {
	for _, t := range list {
		if t.kind == action && opens(t) {
			n++
		} else if t.kind == action && closes(t) {
			n--
		}
	}
	return n
}

// translatePart translates one unit, and keeps the tokens around it.
func translatePart(part []templateToken, translate func(string) string) string {
	first, last := 0, len(part)
	quiet := func(t templateToken) bool { return strings.TrimSpace(t.text) == "" }
	for first < last && quiet(part[first]) {
		first++
	}
	for first < last && quiet(part[last-1]) {
		last--
	}
	// An element that is all of the unit is not part of it.
	if last-first > 2 && !strings.HasPrefix(part[first].text, "<code") && part[first].kind == inlineTag && opens(part[first]) && closing(part[first:last]) == last-first-1 {
		return join(part[:first], translate) + translateTag(part[first], translate) +
			translatePart(part[first+1:last-1], translate) + join(part[last-1:], translate)
	}
	if !readable(part[first:last]) {
		return join(part, translate)
	}
	text := join(part[first:last], nil)
	lead := text[:len(text)-len(strings.TrimLeft(text, " \n"))]
	trail := text[len(strings.TrimRight(text, " \n")):]
	unit := strings.TrimSpace(text)
	return join(part[:first], translate) + lead + translateLiterals(translate(oneLine(unit)), translate) + trail + join(part[last:], translate)
}

// oneLine is a unit as the catalogues have it.
func oneLine(unit string) string { return strings.Join(strings.Fields(unit), " ") }

// closing returns the place of the tag that closes the first one.
func closing(part []templateToken) int {
	n := 0
	for i, t := range part {
		if t.kind == inlineTag && opens(t) {
			n++
		} else if t.kind == inlineTag && closes(t) {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// readable reports whether there is a word outside tags, actions and what people
// type as it stands.
func readable(part []templateToken) bool {
	code := false
	for _, t := range part {
		switch {
		case t.kind == inlineTag && strings.HasPrefix(t.text, "<code"):
			code = true
		case t.text == "</code>":
			code = false
		case !code && t.kind == plainText && strings.ContainsFunc(t.text, unicode.IsLetter):
			return true
		}
	}
	return false
}

func join(part []templateToken, translate func(string) string) string {
	var b strings.Builder
	for _, t := range part {
		if translate == nil {
			b.WriteString(t.text)
			continue
		}
		b.WriteString(translateTag(t, translate))
	}
	return b.String()
}

// readAttributes are the attributes whose values people read.
var readAttributes = regexp.MustCompile(`( (?:aria-label|placeholder|alt|title)=")((?:\{\{.*?\}\}|[^"{])*)"`)

// translateTag translates the attributes of a tag, and the texts in an action.
func translateTag(t templateToken, translate func(string) string) string {
	switch t.kind {
	case inlineTag, blockTag:
		text := readAttributes.ReplaceAllStringFunc(t.text, func(attribute string) string {
			m := readAttributes.FindStringSubmatch(attribute)
			if !readable(tokens(m[2])) {
				return attribute
			}
			return m[1] + translate(m[2]) + `"`
		})
		return translateLiterals(text, translate)
	case action:
		return translateLiterals(t.text, translate)
	}
	return t.text
}

// literal is a text in an action.
var literal = regexp.MustCompile(`\bt "([^"]*)"`)

// translateLiterals translates the texts in actions.
func translateLiterals(text string, translate func(string) string) string {
	return literal.ReplaceAllStringFunc(text, func(found string) string {
		return `t "` + translate(literal.FindStringSubmatch(found)[1]) + `"`
	})
}
