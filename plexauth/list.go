package plexauth

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
)

// listForm describes a response that is a list.
type listForm struct {
	// root is the XML element that contains the list, and element the XML element of
	// each item. In JSON, the root may be absent.
	root, element string
	// mark is an attribute that only the root of this list has. It is set if other
	// documents have a root of the same name: a root without the attribute and without
	// elements is then not an empty list, and an element without the root is not a
	// list of one.
	mark string
	// outer is the element around the root, or empty. In JSON, the root is then a
	// member of it, and never absent.
	outer string
}

var (
	errNoList     = errors.New("the response is not a list of the requested objects")
	errNoElements = errors.New("no element of the list is one of the requested objects")
)

// listed is an element of a list, with the text that it was decoded from.
type listed[T item] struct {
	value T
	raw   []byte
}

// readList decodes a response that is a list. An element that is not usable is
// omitted. It is an error if no element of a non-empty list is usable.
func readList[T item](body []byte, form listForm) ([]listed[T], error) {
	elements, err := form.split(body)
	if err != nil {
		return nil, err
	}
	out := make([]listed[T], 0, len(elements))
	for _, raw := range elements {
		if value, ok := readOne[T](raw); ok {
			out = append(out, listed[T]{value, raw})
		}
	}
	if len(out) == 0 && len(elements) > 0 {
		return nil, errNoElements
	}
	return out, nil
}

// readOne decodes an element of a list, and reports whether it is usable.
func readOne[T item](raw []byte) (value T, ok bool) {
	doc, err := toJSON(raw)
	if err != nil || doc[0] != '{' {
		return value, false
	}
	if raw[0] == '<' {
		doc = onlyChild(doc) // without the name of the element
	}
	err = json.Unmarshal(doc, &value)
	return value, err == nil && value.usable()
}

// split returns the elements of a list as they are in the response.
func (f listForm) split(body []byte) ([][]byte, error) {
	body = trimDocument(body)
	switch {
	case len(body) == 0:
		return nil, errEmpty
	case body[0] == '<':
		return f.splitXML(body)
	case !json.Valid(body):
		return nil, errSyntax
	case body[0] == '[':
		return splitArray(body), nil
	case body[0] != '{':
		return nil, errNoList
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("%w: %w", errSyntax, err)
	}
	root, found := members[f.root]
	switch {
	case !found && (f.mark != "" || f.outer != "" || members["error"] != nil || members["errors"] != nil):
		return nil, errNoList
	case !found:
		return [][]byte{body}, nil // one element in place of a list of one
	case root[0] == '[':
		return splitArray(root), nil
	case root[0] != '{':
		return nil, errNoList
	}
	return f.splitRoot(root)
}

// splitRoot returns the elements in the JSON form of the root.
func (f listForm) splitRoot(root []byte) ([][]byte, error) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(root, &members) // root is a valid object
	elements, found := members[f.element]
	switch {
	case found && elements[0] == '[':
		return splitArray(elements), nil
	case found && elements[0] == '{':
		return [][]byte{elements}, nil
	case onlyChild(root) != nil || f.mark != "" && members[f.mark] == nil:
		return nil, errNoList
	}
	return nil, nil
}

// splitArray returns the elements of a JSON array.
func splitArray(array []byte) [][]byte {
	var raw []json.RawMessage
	_ = json.Unmarshal(array, &raw) // array is a valid array
	elements := make([][]byte, len(raw))
	for i, r := range raw {
		elements[i] = r
	}
	return elements
}

// splitXML returns the elements in an XML document.
func (f listForm) splitXML(body []byte) ([][]byte, error) {
	if isHTML(body) {
		return nil, errHTML
	}
	dec := xml.NewDecoder(bytes.NewReader(body))
	root, err := nextStart(dec)
	if err == nil && f.outer != "" && root.Name.Local == f.outer {
		root, err = nextStart(dec)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errSyntax, err)
	case root.Name.Local == f.element:
		return [][]byte{body}, nil
	case root.Name.Local != f.root:
		return nil, errNoList
	}
	var elements [][]byte
	for {
		from := dec.InputOffset()
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSyntax, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if err := dec.Skip(); err != nil {
				return nil, fmt.Errorf("%w: %w", errSyntax, err)
			}
			raw := body[from:dec.InputOffset()]
			if tok.Name.Local != f.element {
				raw = nil // not usable
			}
			elements = append(elements, raw)
		case xml.EndElement:
			if len(elements) == 0 && f.mark != "" && !hasAttribute(root, f.mark) {
				return nil, errNoList
			}
			return elements, nil
		}
	}
}

// nextStart returns the root of an XML document.
func nextStart(dec *xml.Decoder) (xml.StartElement, error) {
	for {
		tok, err := dec.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			return start, nil
		}
	}
}

func hasAttribute(e xml.StartElement, name string) bool {
	return slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
}
