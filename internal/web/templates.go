package web

import (
	"embed"
	"fmt"
	"html/template"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/plexauth"
)

//go:embed templates static texts
var files embed.FS

// templates are the templates of the pages, ready to be shown. Each is parsed when it
// is first shown: a server that serves no page starts faster and uses less memory.
type templates struct {
	// now returns the time, from which "2 minutes ago" is counted.
	now func() time.Time
	// root is the path that the pages are below.
	root root

	mu    sync.Mutex
	ready map[templateKey]*template.Template
}

// templateKey is a language, and the name of a template's file without ".html".
type templateKey struct {
	tag, name string
	// byPasskey: for a visitor who confirms changes only with a passkey.
	byPasskey bool
}

// named returns a template in a language, together with the layout. byPasskey: it is for a
// visitor who confirms changes only with a passkey, so no form asks for a password.
func (t *templates) named(name string, l *language, byPasskey bool) (*template.Template, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := templateKey{l.tag, name, byPasskey}
	if found := t.ready[key]; found != nil {
		return found, nil
	}
	parsed, err := parseTemplate(name, l)
	if err != nil {
		return nil, err
	}
	parsed.Funcs(template.FuncMap{
		"when":      func(at time.Time) template.HTML { return whenTag(l, t.now(), at) },
		"at":        t.root.link,
		"byPasskey": func() bool { return byPasskey },
		"root":      func() string { return string(t.root) },
	})
	if t.ready == nil {
		t.ready = make(map[templateKey]*template.Template)
	}
	t.ready[key] = parsed
	return parsed, nil
}

// parsedTemplates are templates by their templateKey, as they were parsed. They are
// the same for every server of a process, and are never shown themselves.
var parsedTemplates sync.Map

// parseTemplate returns a copy of a template in a language.
func parseTemplate(name string, l *language) (*template.Template, error) {
	key := templateKey{tag: l.tag, name: name}
	if found, ok := parsedTemplates.Load(key); ok {
		return found.(*template.Template).Clone()
	}
	parsed := template.New("layout.html").Funcs(templateFuncs).Funcs(funcsOf(l))
	for _, file := range []string{"layout", name} {
		text, err := files.ReadFile("templates/" + file + ".html")
		if err != nil {
			return nil, fmt.Errorf("reading a template: %w", err)
		}
		if parsed, err = parsed.Parse(atRoot(translated(string(text), l.translate))); err != nil {
			return nil, fmt.Errorf("parsing a template: %w", err)
		}
	}
	parsedTemplates.Store(key, parsed)
	return parsed.Clone()
}

// funcsOf returns the functions that depend on the language. Those of "when", "at",
// "root" and "byPasskey" depend on the server or the visitor, too, and are replaced
// before a template is shown.
func funcsOf(l *language) template.FuncMap {
	return template.FuncMap{
		"lang":      func() string { return l.tag },
		"counted":   func(n int) string { return counted(n).in(l) },
		"grouped":   func(n int64) string { return amount(n).in(l) },
		"grouped64": func(n int) string { return amount(n).in(l) },
		"t":         l.any,
		"browser":   func(userAgent string) string { return browserIn(userAgent).in(l) },
		"device":    func(d device.Device) string { return deviceIn(d).in(l) },
		"date":      l.exact,
		"when":      func(at time.Time) template.HTML { return whenTag(l, at, at) },
		"at":        root("").link,
		"root":      func() string { return "" },
		"byPasskey": func() bool { return false },
		"wrong":     func(f form, field string) template.HTML { return f.problemTag(l, field) },
	}
}

var templateFuncs = template.FuncMap{
	"static":      staticURL,
	"iso":         iso,
	"codesLeft":   codesLeft,
	"add":         func(a, b int) int { return a + b },
	"day":         func(t time.Time) string { return t.UTC().Format("01-02") },
	"clock":       func(t time.Time) string { return t.UTC().Format("15:04") },
	"second":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"icon":        func(d device.Device) template.HTML { return iconTag(kindOf(d)) },
	"browserIcon": func(userAgent string) template.HTML { return iconTag(kindOfBrowser(userAgent)) },
	"show":        func(s plexauth.Secret) string { return string(s) },
	"fours":       fours,
	"name":        nameTag,
	"claim":       func(text string) template.HTML { return isolated(claim(text)) },
	"clamp":       func(name string) template.HTML { return isolated(clamp(name)) },
	"short":       func(name string) template.HTML { return isolated(short(name)) },
	"picture":     avatarPath,
	"choice":      newRestrictionChoice,
	"restriction": func(name string) string { return restrictionNames[name] },
}
