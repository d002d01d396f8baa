package api_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	openapi "github.com/usher-auth/usher/api"
	"github.com/usher-auth/usher/internal/api"
)

// apiDocument is api/openapi.yaml for the tests. Its objects are closed: a key that is not
// in the document is an error, although clients are told to ignore such keys.
type apiDocument struct {
	root     map[string]any
	compiler *jsonschema.Compiler
}

// theDocument reads the document once.
var theDocument = sync.OnceValues(func() (*apiDocument, error) {
	d := new(apiDocument)
	if err := yaml.Unmarshal([]byte(openapi.OpenAPI()), &d.root); err != nil {
		return nil, err
	}
	closeObjects(d.root)
	text, err := json.Marshal(d.root)
	if err != nil {
		return nil, err
	}
	resource, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	d.compiler = jsonschema.NewCompiler()
	return d, d.compiler.AddResource("openapi.yaml", resource)
})

func readDocument(t testing.TB) *apiDocument {
	t.Helper()
	d, err := theDocument()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// closeObjects forbids keys that are not in the schemas.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, object := v["properties"].(map[string]any); object && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, member := range v {
			closeObjects(member)
		}
	case []any:
		for _, element := range v {
			closeObjects(element)
		}
	}
}

// pointer is a place in the document.
type pointer []string

func (p pointer) then(names ...string) pointer { return append(slices.Clip(p), names...) }

func (p pointer) String() string {
	var b strings.Builder
	b.WriteString("#")
	for _, name := range p {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// at returns the value at a pointer, and the pointer after following references. It returns
// nil if there is no value.
func (d *apiDocument) at(p pointer) (map[string]any, pointer) {
	here := d.root
	for i, name := range p {
		next, ok := here[name].(map[string]any)
		if !ok {
			return nil, p
		}
		if ref, ok := next["$ref"].(string); ok {
			return d.at(append(pointer(strings.Split(strings.TrimPrefix(ref, "#/"), "/")), p[i+1:]...))
		}
		here = next
	}
	return here, p
}

// resolve follows a reference in a value.
func (d *apiDocument) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		m, _ = d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/"))
	}
	return m
}

// operations returns the operations of the document, by path and method.
func (d *apiDocument) operations() map[string]map[string]map[string]any {
	all := make(map[string]map[string]map[string]any)
	paths, _ := d.at(pointer{"paths"})
	for path, item := range paths {
		all[path] = make(map[string]map[string]any)
		for key, o := range item.(map[string]any) {
			if method := strings.ToUpper(key); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) {
				all[path][method] = o.(map[string]any)
			}
		}
	}
	return all
}

// operationAt returns the place of the operation for a path.
func (d *apiDocument) operationAt(method, path string) (template string, p pointer) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, suffix := range []string{".json", ".xml"} {
		path = strings.TrimSuffix(path, suffix)
	}
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	segments := strings.Split(path, "/")
	paths, _ := d.at(pointer{"paths"})
	found := ""
	for template, item := range paths {
		if _, ok := item.(map[string]any)[strings.ToLower(method)]; !ok {
			continue
		}
		words := strings.Split(template, "/")
		if len(words) != len(segments) {
			continue
		}
		fits := true
		for i, w := range words {
			fits = fits && (w == segments[i] || strings.HasPrefix(w, "{"))
		}
		if fits && (found == "" || !strings.Contains(template, "{")) {
			found = template
		}
	}
	return found, pointer{"paths", found, strings.ToLower(method)}
}

// check returns an error if a response does not match the document.
func (d *apiDocument) check(operation pointer, status int, contentType string, body []byte) error {
	at := operation.then("responses", strconv.Itoa(status))
	response, at := d.at(at)
	if response == nil && status >= 500 {
		response, at = d.at(operation.then("responses", "5XX"))
	}
	if response == nil {
		return fmt.Errorf("it has no status %d: add it to the operation in api/openapi.yaml", status)
	}
	content, _ := response["content"].(map[string]any)
	media, _, _ := strings.Cut(contentType, ";")
	switch {
	case media == "" && content == nil:
		return nil
	case content[media] == nil:
		return fmt.Errorf("its status %d has no content %q", status, media)
	}
	return d.validate(at.then("content", media, "schema"), media, body)
}

// validate checks a body against the schema at a place.
func (d *apiDocument) validate(p pointer, media string, body []byte) error {
	schema, p := d.at(p)
	if schema == nil {
		return fmt.Errorf("there is no schema at %v", p)
	}
	var value any
	var err error
	switch media {
	case "application/json", "application/problem+json":
		value, err = jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	case "application/xml":
		return d.validateXML(schema, p, body)
	case "text/plain", "image/svg+xml":
		value = string(body)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return d.fits(p, value)
}

func (d *apiDocument) fits(p pointer, value any) error {
	schema, err := d.compile(p)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// compiled has the compiled schemas by place. The compiler caches them, too, but is not
// safe for concurrent use.
var compiled struct {
	sync.Mutex
	schemas map[string]*jsonschema.Schema
}

func (d *apiDocument) compile(p pointer) (*jsonschema.Schema, error) {
	compiled.Lock()
	defer compiled.Unlock()
	at := p.String()
	if s := compiled.schemas[at]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile("openapi.yaml" + strings.ReplaceAll(strings.ReplaceAll(at, "{", "%7B"), "}", "%7D"))
	if compiled.schemas == nil {
		compiled.schemas = make(map[string]*jsonschema.Schema)
	}
	compiled.schemas[at] = s
	return s, err
}

// validateXML decodes XML according to the schema, and validates it.
func (d *apiDocument) validateXML(schema map[string]any, p pointer, body []byte) error {
	var root element
	if err := xml.Unmarshal(body, &root); err != nil {
		return err
	}
	choices, _ := schema["anyOf"].([]any)
	if choices == nil {
		return d.validateElement(schema, p, root)
	}
	var errs []string
	for i, choice := range choices {
		err := d.validateElement(d.resolve(choice), p.then("anyOf", strconv.Itoa(i)), root)
		if err == nil {
			return nil
		}
		errs = append(errs, err.Error())
	}
	return fmt.Errorf("it matches none of the schemas: %s", strings.Join(errs, "; "))
}

func (d *apiDocument) validateElement(schema map[string]any, p pointer, root element) error {
	if want := xmlName(schema, ""); want != root.XMLName.Local {
		return fmt.Errorf("the root is %s, not %s", root.XMLName.Local, want)
	}
	return d.fits(p, d.value(schema, root))
}

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

// xmlName is the name of a schema's value in XML.
func xmlName(schema map[string]any, otherwise string) string {
	if hints, ok := schema["xml"].(map[string]any); ok {
		if name, ok := hints["name"].(string); ok {
			return name
		}
	}
	return otherwise
}

func xmlHint(schema map[string]any, hint string) bool {
	hints, _ := schema["xml"].(map[string]any)
	return hints[hint] == true
}

func hasType(schema map[string]any, name string) bool {
	if list, ok := schema["type"].([]any); ok {
		return slices.Contains(list, any(name))
	}
	return schema["type"] == name
}

// value returns the JSON value of an element.
func (d *apiDocument) value(schema map[string]any, e element) any {
	switch {
	case hasType(schema, "array"):
		items := d.resolve(schema["items"])
		list := make([]any, 0, len(e.Children))
		for _, child := range e.Children {
			list = append(list, d.value(items, child))
		}
		return list
	case hasType(schema, "object"):
		return d.object(schema, e)
	case slices.ContainsFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == "nil" && a.Value == "true" }):
		return nil
	}
	return scalar(schema, e.Text)
}

// object returns the JSON object of an element with members. A name that is not in the
// schema is replaced with one that is in no schema.
func (d *apiDocument) object(schema map[string]any, e element) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	attributes, elements := make(map[string]string), make(map[string]string)
	object := make(map[string]any)
	for name, property := range properties {
		p := d.resolve(property)
		inXML := xmlName(p, name)
		switch {
		case xmlHint(p, "attribute"):
			attributes[inXML] = name
		case hasType(p, "array") && !xmlHint(p, "wrapped"):
			object[name] = []any{}
			elements[xmlName(d.resolve(p["items"]), name)] = name
		default:
			elements[name] = name
		}
		if hasType(p, "null") {
			object[name] = nil // members without a value are omitted
		}
	}
	for _, a := range e.Attrs {
		name, ok := attributes[a.Name.Local]
		if !ok {
			object["attribute "+a.Name.Local] = a.Value
			continue
		}
		object[name] = scalar(d.resolve(properties[name]), a.Value)
	}
	for _, child := range e.Children {
		name, ok := elements[child.XMLName.Local]
		if !ok {
			// Version 1 repeats some attributes as elements.
			if again, ok := attributes[child.XMLName.Local]; !ok || object[again] != child.Text {
				object["element "+child.XMLName.Local] = child.Text
			}
			continue
		}
		p := d.resolve(properties[name])
		if list, ok := object[name].([]any); ok {
			object[name] = append(list, d.value(d.resolve(p["items"]), child))
			continue
		}
		object[name] = d.value(p, child)
	}
	return object
}

// scalar returns the JSON value of an attribute.
func scalar(schema map[string]any, text string) any {
	if hasType(schema, "boolean") {
		switch text {
		case "1", "true":
			return true
		case "0", "false":
			return false
		}
	}
	if hasType(schema, "integer") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}

// recorded has every answer of a fixture, by operation and status.
type recorded struct {
	mu   sync.Mutex
	seen map[string]map[string]bool
}

func (r *recorded) add(operation string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]map[string]bool)
	}
	if r.seen[operation] == nil {
		r.seen[operation] = make(map[string]bool)
	}
	text := strconv.Itoa(status)
	if status >= 500 {
		text = "5XX"
	}
	r.seen[operation][text] = true
}

// conforms returns a handler that compares every answer of h with the document.
func (r *recorded) conforms(t testing.TB, h http.Handler) http.Handler {
	d := readDocument(t)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		method, target := req.Method, req.URL.Path
		template, at := d.operationAt(method, target)
		if template == "" || req.URL.RawPath != "" || api.Unclean(target) {
			h.ServeHTTP(w, req)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		// A 405 belongs to another path, which does not accept the method.
		if rec.Code != http.StatusMethodNotAllowed {
			r.add(strings.ToUpper(at[2])+" "+template, rec.Code)
			if err := d.check(at, rec.Code, rec.Header().Get("Content-Type"), rec.Body.Bytes()); err != nil {
				t.Errorf("%s %s: the answer is not in api/openapi.yaml: %v\n%d %s", method, target, err, rec.Code, rec.Body)
			}
		}
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// Client generators ignore a list without a type for its items. They fail on an operation
// with two names that become one in their language: urls and urls[].
func TestDocumentForGenerators(t *testing.T) {
	var document any
	if err := yaml.Unmarshal([]byte(openapi.OpenAPI()), &document); err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, x := range v {
				walk(fmt.Sprint(at, "/", i), x)
			}
		case map[string]any:
			if v["type"] == "array" && v["items"] == nil {
				t.Errorf("%s: a list has no items", at)
			}
			// Answers in XML have such names. Clients read one or the other.
			if properties, ok := v["properties"].(map[string]any); ok && strings.Contains(at, "requestBody") {
				seen := make(map[string]string)
				for name := range properties {
					plain := strings.Map(func(r rune) rune {
						if unicode.IsLetter(r) || unicode.IsDigit(r) {
							return unicode.ToLower(r)
						}
						return -1
					}, name)
					if other, twice := seen[plain]; twice {
						t.Errorf("%s: %s and %s become the same name", at, name, other)
					}
					seen[plain] = name
				}
			}
			for name, x := range v {
				walk(at+"/"+name, x)
			}
		}
	}
	walk("", document)
}
