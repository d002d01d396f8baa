package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	openapi "github.com/usher-auth/usher/api"
)

// reference is the page about the API, for people who write programs. It shows
// what the OpenAPI document says, and needs no script.
type reference struct{}

func (reference) pages() []page {
	return []page{
		{"GET", "/docs", anyone, reference{}.show},
	}
}

func (reference) show(context.Context, *visit) (view, error) {
	page, err := referencePage()
	return view{name: "reference", data: page}, err
}

// referencePage reads the document when the first visitor comes.
var referencePage = sync.OnceValues(func() (*referenceData, error) { return newReference(openapi.OpenAPI()) })

// referenceData is what the page shows.
type referenceData struct {
	Intro   []block
	Groups  []*referenceGroup
	Schemas []referenceSchema
}

// referenceGroup is the operations of one tag.
type referenceGroup struct {
	Name, ID   string
	About      []block
	Operations []referenceOperation
}

type referenceOperation struct {
	ID, Method, Path, Summary, Caller string
	About                             []block
	Parameters                        []referenceField
	Body                              []referenceField
	BodyTypes                         []string
	BodyExample                       string
	Responses                         []referenceResponse
}

// referenceField is a parameter, or a member of an object.
type referenceField struct {
	Name, In string
	Required bool
	Type     referenceType
	About    []span
}

// referenceType is the type of a value. Schema is the name of a schema; empty: Text
// says it all.
type referenceType struct{ Text, Schema string }

type referenceResponse struct {
	Status   string
	About    []span
	Contents []referenceContent
}

type referenceContent struct {
	Media   string
	Type    referenceType
	Example string
}

type referenceSchema struct {
	Name   string
	About  []span
	Type   referenceType
	Fields []referenceField
}

// block is a paragraph or, if it has Items, a list.
type block struct {
	Text  []span
	Items [][]span
}

// span is a piece of text: code, strong, or neither.
type span struct {
	Text         string
	Code, Strong bool
}

// apiDocument is an OpenAPI document as far as the page shows it.
type apiDocument struct {
	Info struct{ Description string }
	Tags []struct{ Name, Description string }
	// Paths, and what else has an order of its own, stay as they are written.
	Paths      yaml.Node
	Components struct {
		Parameters map[string]apiParameter
		Responses  map[string]apiResponse
		Examples   map[string]struct{ Value yaml.Node }
		Schemas    yaml.Node
	}
}

type apiOperation struct {
	ID                   string `yaml:"operationId"`
	Summary, Description string
	Caller               string `yaml:"x-caller"`
	Tags                 []string
	Parameters           []apiParameter
	RequestBody          struct{ Content yaml.Node } `yaml:"requestBody"`
	Responses            yaml.Node
}

type apiParameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                yaml.Node
}

type apiResponse struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     yaml.Node
}

type apiMedia struct {
	Schema, Example yaml.Node
	Examples        struct {
		Default struct {
			Ref string `yaml:"$ref"`
		}
	}
}

// newReference reads a document.
func newReference(text string) (*referenceData, error) {
	var d apiDocument
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	page := &referenceData{Intro: blocks(d.Info.Description)}
	groups := make(map[string]*referenceGroup)
	for _, tag := range d.Tags {
		g := &referenceGroup{Name: tag.Name, ID: strings.ReplaceAll(strings.ToLower(tag.Name), " ", "-"), About: blocks(tag.Description)}
		groups[tag.Name], page.Groups = g, append(page.Groups, g)
	}
	for path, item := range members(&d.Paths) {
		for method, node := range members(item) {
			var o apiOperation
			if err := node.Decode(&o); err != nil {
				return nil, fmt.Errorf("reading %s %s of the OpenAPI document: %w", method, path, err)
			}
			g := groups[strings.Join(o.Tags, " ")]
			if g == nil {
				return nil, fmt.Errorf("%s %s of the OpenAPI document has an unknown tag", method, path)
			}
			g.Operations = append(g.Operations, d.operation(strings.ToUpper(method), path, o))
		}
	}
	for name, schema := range members(&d.Components.Schemas) {
		page.Schemas = append(page.Schemas, referenceSchema{
			Name: name, About: spans(textOf(schema, "description")), Type: typeOf(schema), Fields: fields(schema, ""),
		})
	}
	return page, nil
}

func (d *apiDocument) operation(method, path string, o apiOperation) referenceOperation {
	shown := referenceOperation{
		ID: o.ID, Method: method, Path: path, Summary: o.Summary, Caller: o.Caller, About: blocks(o.Description),
	}
	for _, p := range o.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[named(p.Ref)]
		}
		shown.Parameters = append(shown.Parameters, referenceField{
			Name: p.Name, In: p.In, Required: p.Required, Type: typeOf(&p.Schema), About: spans(p.Description),
		})
	}
	for media, node := range members(&o.RequestBody.Content) {
		shown.BodyTypes = append(shown.BodyTypes, media)
		if c := d.content(media, node); shown.Body == nil {
			var m apiMedia
			_ = node.Decode(&m) // content has decoded it
			shown.Body, shown.BodyExample = fields(&m.Schema, ""), c.Example
		}
	}
	for status, node := range members(&o.Responses) {
		var r apiResponse
		_ = node.Decode(&r) // the tests read the whole document
		if r.Ref != "" {
			r = d.Components.Responses[named(r.Ref)]
		}
		response := referenceResponse{Status: status, About: spans(r.Description)}
		if status < "4" { // all errors have one shape
			for media, node := range members(&r.Content) {
				response.Contents = append(response.Contents, d.content(media, node))
			}
		}
		shown.Responses = append(shown.Responses, response)
	}
	return shown
}

// content is a body of one type.
func (d *apiDocument) content(media string, node *yaml.Node) referenceContent {
	var m apiMedia
	_ = node.Decode(&m) // the tests read the whole document
	example := m.Example
	if m.Examples.Default.Ref != "" {
		example = d.Components.Examples[named(m.Examples.Default.Ref)].Value
	}
	c := referenceContent{Media: media, Type: typeOf(&m.Schema)}
	switch {
	case example.IsZero():
	case example.Kind == yaml.ScalarNode:
		c.Example = example.Value
	default:
		c.Example = jsonOf(&example, "")
	}
	return c
}

// named is the last part of a reference.
func named(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// members yields the members of an object in the order of the document.
func members(n *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// member is one member of an object; the zero node if it has none of that name.
func member(n *yaml.Node, name string) *yaml.Node {
	for key, value := range members(n) {
		if key == name {
			return value
		}
	}
	return new(yaml.Node)
}

func textOf(n *yaml.Node, name string) string { return member(n, name).Value }

// typeOf is the type that a schema allows.
func typeOf(schema *yaml.Node) referenceType {
	if ref := textOf(schema, "$ref"); ref != "" {
		return referenceType{Schema: named(ref)}
	}
	if choices := member(schema, "anyOf"); len(choices.Content) > 0 {
		return referenceType{Text: "one of several forms"}
	}
	switch t := member(schema, "type"); {
	case t.Kind == yaml.SequenceNode:
		var names []string
		for _, choice := range t.Content {
			names = append(names, choice.Value)
		}
		return referenceType{Text: strings.Join(names, " or ")}
	case t.Value == "array":
		items := typeOf(member(schema, "items"))
		if textOf(schema, "maxItems") == "0" {
			return referenceType{Text: "an empty list"}
		}
		return referenceType{Text: "list of " + items.Text, Schema: items.Schema}
	case t.Value == "object":
		for name, property := range members(member(schema, "properties")) {
			if inner := typeOf(property); inner.Schema != "" && len(member(schema, "properties").Content) == 2 {
				return referenceType{Text: name + ": " + inner.Text, Schema: inner.Schema}
			}
		}
		return referenceType{Text: "object"}
	default:
		return referenceType{Text: t.Value}
	}
}

// fields are the members of an object. Those of an object in it follow it.
func fields(schema *yaml.Node, prefix string) (list []referenceField) {
	var required []string
	for _, name := range member(schema, "required").Content {
		required = append(required, name.Value)
	}
	for name, property := range members(member(schema, "properties")) {
		list = append(list, referenceField{
			Name: prefix + name, Type: typeOf(property), About: spans(textOf(property, "description")), Required: slices.Contains(required, name),
		})
		list = append(list, fields(property, prefix+name+".")...)
	}
	return list
}

// jsonOf writes a value of the document as indented JSON, with its members in the
// order of the document.
func jsonOf(n *yaml.Node, indent string) string {
	deeper := indent + "  "
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for name, value := range members(n) {
			parts = append(parts, deeper+quotedJSON(name)+": "+jsonOf(value, deeper))
		}
		return bracketed("{", parts, indent, "}")
	case yaml.SequenceNode:
		for _, value := range n.Content {
			parts = append(parts, deeper+jsonOf(value, deeper))
		}
		return bracketed("[", parts, indent, "]")
	}
	if n.Tag == "!!str" {
		return quotedJSON(n.Value)
	}
	return n.Value
}

func bracketed(open string, parts []string, indent, closing string) string {
	if len(parts) == 0 {
		return open + closing
	}
	return open + "\n" + strings.Join(parts, ",\n") + "\n" + indent + closing
}

func quotedJSON(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the template escapes
	_ = enc.Encode(text)     // a text can always be encoded
	return strings.TrimSpace(b.String())
}

// blocks reads paragraphs and lists, as the document's descriptions write them.
func blocks(text string) (list []block) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph == "" {
			continue
		}
		if !strings.HasPrefix(paragraph, "- ") {
			list = append(list, block{Text: spans(paragraph)})
			continue
		}
		var items [][]span
		for item := range strings.SplitSeq("\n"+paragraph, "\n- ") {
			if item != "" {
				items = append(items, spans(item))
			}
		}
		list = append(list, block{Items: items})
	}
	return list
}

// spans reads `code`, **strong** and *emphasis*.
func spans(text string) (list []span) {
	for i, piece := range strings.Split(text, "`") {
		if i%2 == 1 {
			list = append(list, span{Text: piece, Code: true})
			continue
		}
		for j, part := range strings.Split(strings.ReplaceAll(piece, "**", "*"), "*") {
			if part != "" {
				list = append(list, span{Text: part, Strong: j%2 == 1})
			}
		}
	}
	return list
}
