package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	xlanguage "golang.org/x/text/language"
)

// language is one in which the pages can be read. English is what templates and code
// say. Another language is a file in the folder texts: it has each text in English
// and, in the next line and indented, in that language. A text that it lacks is shown
// in English.
type language struct {
	tag   string // as in the lang attribute of HTML
	texts map[string]string
}

var english = &language{tag: "en"}

// stored is the tag, and empty for English.
func (l *language) stored() string {
	if l == english {
		return ""
	}
	return l.tag
}

// translate returns a text in the language.
func (l *language) translate(text string) string {
	if found, ok := l.texts[text]; ok {
		return found
	}
	return text
}

// any returns in the language what a template shows: a phrase, or a text that may be
// in the catalogue.
func (l *language) any(v any) string {
	switch v := v.(type) {
	case phrase:
		return v.in(l)
	case string:
		return l.translate(v)
	}
	return fmt.Sprint(v)
}

// exact formats a time in a language.
func (l *language) exact(t time.Time) string { return exactly(t).in(l) }

// exactly formats a time as a phrase.
func exactly(t time.Time) phrase {
	t = t.UTC()
	return say("%d %s %d, %s UTC", t.Day(), say(t.Month().String()), t.Year(), t.Format("15:04"))
}

// languages are all of them, English first, and what chooses one.
type languages struct {
	list    []*language
	matcher xlanguage.Matcher
}

var allLanguages = sync.OnceValue(readLanguages)

func readLanguages() languages {
	all := languages{list: []*language{english}}
	names, err := fs.Glob(files, "texts/*.txt")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	tags := []xlanguage.Tag{xlanguage.English}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		tag := strings.TrimSuffix(path.Base(name), ".txt")
		texts, err := readTexts(string(text))
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err)) // a test reads every one
		}
		all.list = append(all.list, &language{tag, texts})
		tags = append(tags, xlanguage.MustParse(tag))
	}
	all.matcher = xlanguage.NewMatcher(tags)
	return all
}

// readTexts reads a catalogue.
func readTexts(file string) (map[string]string, error) {
	texts := make(map[string]string)
	key := ""
	for n, line := range strings.Split(file, "\n") {
		switch text, indented := strings.CutPrefix(line, "  "); {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "# "):
		case !indented && key != "":
			return nil, fmt.Errorf("line %d: %q has no translation", n, key)
		case !indented:
			if _, ok := texts[line]; ok {
				return nil, fmt.Errorf("line %d: %q is here twice", n+1, line)
			}
			key = line
		case key == "":
			return nil, fmt.Errorf("line %d translates nothing", n+1)
		default:
			texts[key], key = text, ""
		}
	}
	if key != "" {
		return nil, fmt.Errorf("%q has no translation", key)
	}
	return texts, nil
}

// named returns the language with a tag, or English.
func (l languages) named(tag string) *language {
	for _, lang := range l.list {
		if lang.tag == tag {
			return lang
		}
	}
	return english
}

// of chooses the language of a request, by its Accept-Language.
func (l languages) of(r *http.Request) *language {
	accepted := r.Header.Get("Accept-Language")
	if accepted == "" || len(accepted) > 1000 {
		return english
	}
	wanted, _, err := xlanguage.ParseAcceptLanguage(accepted)
	if err != nil || len(wanted) == 0 {
		return english
	}
	if _, i, confidence := l.matcher.Match(wanted...); confidence != xlanguage.No {
		return l.list[i]
	}
	return english
}
