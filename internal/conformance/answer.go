package conformance

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// answer is what a server answered. Its errors say what is wrong by names and
// statuses, never by the texts of the answer, which may be secrets.
type answer struct {
	what   string // method and path of the request
	status int
	header http.Header
	body   []byte
}

func (a *answer) errorf(format string, args ...any) error {
	return fmt.Errorf(a.what+": "+format, args...)
}

// is returns an error unless the status is one of some. A server that limits
// requests has not answered.
func (a *answer) is(status ...int) error {
	if slices.Contains(status, a.status) {
		return nil
	}
	if a.status == http.StatusTooManyRequests {
		return skipf("%s: the server limits requests (429): try again later", a.what)
	}
	wanted := strings.Trim(strings.ReplaceAll(fmt.Sprint(status), " ", " or "), "[]")
	return a.errorf("status %d, want %s", a.status, wanted)
}

// denied returns an error unless the request was refused.
func (a *answer) denied() error {
	if a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests {
		return nil
	}
	return a.is(http.StatusUnauthorized, http.StatusForbidden)
}

// hasType returns an error unless the answer is of a media type.
func (a *answer) hasType(want string) error {
	got, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || got != want {
		return a.errorf("it is not %s", want)
	}
	return nil
}

// isXML returns an error unless the answer is XML, and says so.
func (a *answer) isXML() error {
	_, err := a.element()
	return err
}

// isJSON returns an error unless the answer is JSON, and says so.
func (a *answer) isJSON() error {
	_, err := a.value()
	return err
}

// hasCode returns an error unless the answer is an error with a code, in JSON or XML.
func (a *answer) hasCode(code int) error {
	if strings.Contains(a.header.Get("Content-Type"), "json") {
		list, err := a.list("errors")
		if err != nil {
			return err
		}
		for _, e := range list {
			if n, ok := at(e, "code").(json.Number); ok && n.String() == fmt.Sprint(code) {
				return nil
			}
		}
		return a.errorf("the errors lack the code %d", code)
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	for _, e := range root.all("error") {
		if e.attrs["code"] == fmt.Sprint(code) {
			return nil
		}
	}
	return a.errorf("the errors lack the code %d", code)
}

// value reads a JSON answer, which says that it is one: clients look at the type before
// they read.
func (a *answer) value() (any, error) {
	if err := a.hasType("application/json"); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, a.errorf("the body is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, a.errorf("the body has more than one JSON value")
	}
	return v, nil
}

// at returns the part of a JSON value at a path of keys, or nil.
func at(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// text returns a text of a JSON answer.
func (a *answer) text(path ...string) (string, error) {
	v, err := a.value()
	if err != nil {
		return "", err
	}
	text, ok := at(v, path...).(string)
	if !ok {
		return "", a.errorf("%s is not a text", strings.Join(path, "."))
	}
	return text, nil
}

// number returns a number of a JSON answer.
func (a *answer) number(path ...string) (int64, error) {
	v, err := a.value()
	if err != nil {
		return 0, err
	}
	n, ok := at(v, path...).(json.Number)
	if !ok {
		return 0, a.errorf("%s is not a number", strings.Join(path, "."))
	}
	i, err := n.Int64()
	if err != nil {
		return 0, a.errorf("%s is not a whole number", strings.Join(path, "."))
	}
	return i, nil
}

// list returns a list of a JSON answer; without a path, the answer is the list.
func (a *answer) list(path ...string) ([]any, error) {
	v, err := a.value()
	if err != nil {
		return nil, err
	}
	list, ok := at(v, path...).([]any)
	if !ok {
		return nil, a.errorf("%s is not a list", choose(len(path) == 0, "the answer", strings.Join(path, ".")))
	}
	return list, nil
}

// kinds of JSON values, as checks of fields name them.
const (
	aText   = "text"
	aNumber = "number"
	aBool   = "boolean"
	aList   = "list"
	anyKind = "any" // the key must be there
)

// kindOf names the kind of a JSON value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return aText
	case json.Number:
		return aNumber
	case bool:
		return aBool
	case []any:
		return aList
	case map[string]any:
		return "object"
	}
	return "null"
}

// hasFields returns an error unless a JSON object has keys of some kinds: "kind key
// key…".
func (a *answer) hasFields(v any, fields ...string) error {
	object, ok := v.(map[string]any)
	if !ok {
		return a.errorf("there is no object where one is due")
	}
	for _, row := range fields {
		words := strings.Fields(row)
		for _, key := range words[1:] {
			got, ok := object[key]
			if !ok {
				return a.errorf("the key %s is missing", key)
			}
			if words[0] != anyKind && kindOf(got) != words[0] {
				return a.errorf("%s is not a %s but a %s", key, words[0], kindOf(got))
			}
		}
	}
	return nil
}

// element is an element of XML.
type element struct {
	name     string
	attrs    map[string]string
	text     string
	children []*element
}

// element reads an XML answer, which says that it is one.
func (a *answer) element() (*element, error) {
	if err := a.hasType("application/xml"); err != nil && a.hasType("text/xml") != nil {
		return nil, err
	}
	d := xml.NewDecoder(bytes.NewReader(a.body))
	root := &element{}
	open := []*element{root}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) && len(root.children) == 1 && strings.TrimSpace(root.text) == "" {
			return root.children[0], nil
		}
		if err != nil {
			return nil, a.errorf("the body is not XML")
		}
		last := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attrs: make(map[string]string)}
			for _, attr := range tok.Attr {
				e.attrs[attr.Name.Local] = attr.Value
			}
			last.children = append(last.children, e)
			open = append(open, e)
		case xml.CharData:
			last.text += string(tok)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// all returns an element and those below it that have a name.
func (e *element) all(name string) (list []*element) {
	if e.name == name {
		list = append(list, e)
	}
	for _, c := range e.children {
		list = append(list, c.all(name)...)
	}
	return list
}

// first returns the text of the first element with one of the names, or "".
func (e *element) first(names ...string) string {
	for _, name := range names {
		for _, found := range e.all(name) {
			if text := strings.TrimSpace(found.text); text != "" {
				return text
			}
		}
	}
	return ""
}
