package web_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	openapi "github.com/usher-auth/usher/api"
)

// The page shows every operation, parameter and status of the document to anyone, and each
// of its links leads to a place on it.
func TestReference(t *testing.T) {
	got := newFixture(t, nil).browser().get("/docs")
	if got.StatusCode != http.StatusOK {
		t.Fatalf("status %d", got.StatusCode)
	}
	page := got.text
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
			Parameters  []struct{ Name string }
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := yaml.Unmarshal([]byte(openapi.OpenAPI()), &document); err != nil {
		t.Fatal(err)
	}
	text := html.UnescapeString(page)
	operations := 0
	for path, methods := range document.Paths {
		for method, o := range methods {
			operations++
			_, article, found := strings.Cut(text, `id="`+o.OperationID+"\">\n<summary><h3><code>"+strings.ToUpper(method)+" "+path+"</code></h3>")
			article, _, _ = strings.Cut(article, `<details class="operation"`)
			if !found {
				t.Errorf("%s %s is not on the page", method, path)
			}
			for _, p := range o.Parameters {
				if p.Name != "" && !strings.Contains(article, "<code>"+p.Name+"</code>") {
					t.Errorf("%s %s: there is no parameter %s", method, path, p.Name)
				}
			}
			for s := range o.Responses {
				if !strings.Contains(article, "<dt>"+s+"</dt>") {
					t.Errorf("%s %s: there is no status %s", method, path, s)
				}
			}
		}
	}
	for name := range document.Components.Schemas {
		if !strings.Contains(page, `id="schema-`+name+`"`) {
			t.Errorf("there is no schema %s", name)
		}
	}
	links := regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1)
	for _, link := range links {
		if strings.Count(page, ` id="`+link[1]+`"`) != 1 {
			t.Errorf("#%s must be on the page exactly once", link[1])
		}
	}
	if operations < 50 || len(links) < 100 {
		t.Errorf("there are %d operations and %d links", operations, len(links))
	}
	for _, problem := range []string{"no value", "<script>", " style=", "ZgotmplZ"} {
		if strings.Contains(page, problem) {
			t.Errorf("%q is on the page", problem)
		}
	}
}
