package web

import (
	"embed"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/plexauth"
)

//go:embed templates static
var files embed.FS

// templates maps a file's name without ".html" to the template together with the
// layout. They are parsed when the first page is served: a server that serves
// none starts faster and uses less memory.
var templates = sync.OnceValue(parseTemplates)

func parseTemplates() map[string]*template.Template {
	layout := template.New("layout.html").Funcs(templateFuncs)
	layout = template.Must(layout.ParseFS(files, "templates/layout.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := make(map[string]*template.Template)
	for _, name := range names {
		if path.Base(name) != "layout.html" {
			t := template.Must(template.Must(layout.Clone()).ParseFS(files, name))
			all[strings.TrimSuffix(path.Base(name), ".html")] = t
		}
	}
	return all
}

var templateFuncs = template.FuncMap{
	"static":   staticURL,
	"date":     func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"browser":  browserName,
	"add":      func(a, b int) int { return a + b },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04") },
	"second":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"device":   device.Device.Describe,
	"sentence": sentence,
	"grouped":  grouped,
	"counted":  counted,
	"show":     func(s plexauth.Secret) string { return string(s) },
	"fours":    fours,
	"picture":  avatarPath,
	"choice":   newRestrictionChoice,

	"restriction": func(name string) string { return restrictionNames[name] },
}
