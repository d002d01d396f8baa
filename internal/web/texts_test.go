package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/web"
)

// speaking are the packages whose errors users see on the pages.
var speaking = []string{
	".", "../account", "../adminkey", "../audit", "../guard", "../origin", "../passkey", "../pin", "../session", "../source", "../token", "../device", "../fault", "../friend", "../home", "../invite", "../mail", "../webhook",
}

// inCode returns the texts in the code of the speaking packages: the formats of phrases and
// faults, and the texts in tables of this package.
func inCode(t *testing.T) map[string]bool {
	t.Helper()
	texts := make(map[string]bool)
	for _, folder := range speaking {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				addCall(texts, call)
				return true
			})
		}
	}
	for _, text := range web.TextsOfTables() {
		texts[text] = true
	}
	for _, none := range []string{"", "%s", "1 ", "%s "} {
		delete(texts, none)
	}
	return texts
}

// addCall adds the texts of a call that makes a phrase or a fault.
func addCall(texts map[string]bool, call *ast.CallExpr) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			name = x.Name + "." + f.Sel.Name
		}
	}
	text := func(i int) string {
		if i >= len(call.Args) {
			return ""
		}
		return constant(call.Args[i])
	}
	switch name {
	case "say":
		texts[text(0)] = true
	case "countOf":
		texts["1 "+text(1)], texts["%s "+text(2)] = true, true
	case "besides":
		if text(3) != "" {
			texts["Pages of "+text(3)] = true
		}
	case "fault.New", "fault.Invalidf":
		texts[text(1)] = true
	case "broken": // a function of the audit log
		texts[text(1)] = true
	case "fault.WithField":
		texts[text(2)] = true
	}
}

// constant returns the text of a constant, or of a sum of constants. It returns "" for
// other expressions.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		x, y := constant(e.X), constant(e.Y)
		if x == "" || y == "" {
			return ""
		}
		return x + y
	}
	return ""
}

// Every text of the pages is in the catalogue of every other language, and no catalogue has
// other texts. A changed English text therefore needs new translations.
func TestCatalogues(t *testing.T) {
	texts := inCode(t)
	units, err := web.Units()
	if err != nil || len(units) < 100 {
		t.Fatalf("the templates have %d texts: %v", len(units), err)
	}
	for _, unit := range units {
		texts[unit] = true
	}
	catalogues := web.Catalogues()
	if catalogues["de"] == nil {
		t.Fatal("there is no German")
	}
	for tag, catalogue := range catalogues {
		for _, text := range slices.Sorted(maps.Keys(texts)) {
			translated, ok := catalogue[text]
			if !ok {
				t.Errorf("%s lacks:\n%s", tag, text)
				continue
			}
			if got, want := verbs(translated), verbs(text); !slices.Equal(got, want) {
				t.Errorf("%s: %q fills in %q, want %q", tag, translated, got, want)
			}
		}
		for _, text := range slices.Sorted(maps.Keys(catalogue)) {
			if !texts[text] {
				t.Errorf("%s has a text that is on no page:\n%s", tag, text)
			}
		}
	}
}

// verbs returns the verbs, actions and tags of a text, in the order of their names.
func verbs(text string) (list []string) {
	for _, found := range web.Filled.FindAllString(text, -1) {
		if found == "{{else}}" {
			continue // another language may have one plural ending, or two
		}
		list = append(list, web.Numbered.ReplaceAllString(found, "%"))
	}
	slices.Sort(list)
	return list
}

// A translation that changes no text changes only white space in a template.
func TestUntranslatedTemplatesStay(t *testing.T) {
	templates, err := web.Templates()
	if err != nil || len(templates) < 20 {
		t.Fatalf("there are %d templates: %v", len(templates), err)
	}
	for name, source := range templates {
		if got := web.Translated(source, func(unit string) string { return unit }); oneSpace(got) != oneSpace(source) {
			t.Errorf("%s becomes\n%s", name, got)
		}
	}
}

func oneSpace(text string) string { return strings.Join(strings.Fields(text), " ") }

// A sentence is one unit, with its inline elements. Blocks and open conditions are not part
// of it.
func TestUnits(t *testing.T) {
	for source, want := range map[string][]string{
		`<p>Hello, <a href="/x">you</a>.</p>`:                        {`Hello, <a href="/x">you</a>.`},
		`<p><a href="/x">Only a link</a></p>`:                        {"Only a link"},
		`{{if .A}}<p>One</p>{{else}}<p>Two</p>{{end}}`:               {"One", "Two"},
		`<p>{{if .A}}one{{else}}two{{end}} things</p>`:               {"{{if .A}}one{{else}}two{{end}} things"},
		`<ul>{{range .L}}<li>{{.}} is here</li>{{end}}</ul>`:         {"{{.}} is here"},
		`<p>{{.Name}}</p><p>1 + 1</p>`:                               nil,
		`<input placeholder="Your name" aria-label="{{.X}}" id="a">`: {"Your name"},
		`<p>{{or .Name (t "nobody")}}</p>`:                           {"nobody"},
		`<p>{{or .Name (t "nobody")}} calls</p>`:                     {`{{or .Name (t "nobody")}} calls`, "nobody"},
		"<p>Two\n lines</p>":                                         {"Two lines"},
		`<p><code>usher backup</code></p>`:                           nil,
	} {
		var got []string
		web.Translated(source, func(unit string) string {
			got = append(got, unit)
			return unit
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s has the units %q, want %q", source, got, want)
		}
	}
}

func FuzzTranslated(f *testing.F) {
	templates, err := web.Templates()
	if err != nil {
		f.Fatal(err)
	}
	for _, source := range templates {
		f.Add(source)
	}
	f.Add(`<p>{{if .A}}x <b title="{{.B}}">y</b>{{else}}z{{end}}`)
	f.Add("{{ <a {{ </code> }}")
	f.Fuzz(func(t *testing.T, source string) {
		got := web.Translated(source, func(unit string) string { return unit })
		if oneSpace(got) != oneSpace(source) {
			t.Errorf("%q becomes %q", source, got)
		}
	})
}

func FuzzTexts(f *testing.F) {
	f.Add("# German.\n\nSign in\n  Anmelden\n")
	f.Add("  nothing\n")
	f.Add("a\na\n  b\n")
	f.Fuzz(func(t *testing.T, file string) {
		texts, err := web.ReadTexts(file)
		for text, translated := range texts {
			if err == nil && (text == "" || translated == "" && !strings.Contains(file, text+"\n  ")) {
				t.Errorf("%q is translated as %q", text, translated)
			}
		}
	})
}
