package plexauth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Servers, and releases of one server, encode the same value in different ways:
// a number as a string, a boolean as 0 or 1, a list of one element as that
// element, an unknown value as null or "", and a document as XML although JSON
// was requested. The types below accept all of these in JSON, and XML is
// converted to JSON first. A value of any other type is decoded as the zero
// value. The caller checks the values that it depends on.

// text accepts a string, and any other scalar as its text.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b): // the common case
		*t = text(b[1 : len(b)-1])
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '{': // <feature id="pass"/>, <username>mia</username>
		var named struct{ ID, Text innerText }
		if err := json.Unmarshal(b, &named); err != nil {
			return err
		}
		*t = text(orDefault(string(named.Text), string(named.ID)))
	case b[0] != '[' && string(b) != "null":
		*t = text(b)
	}
	return nil
}

// innerText is the text of an element. It ignores nested elements: each level
// would be decoded again with everything in it, which takes quadratic time for
// a deeply nested document.
type innerText text

// UnmarshalJSON implements json.Unmarshaler.
func (t *innerText) UnmarshalJSON(b []byte) error {
	if b[0] == '{' {
		return nil
	}
	return (*text)(t).UnmarshalJSON(b)
}

// unquoted returns a value without quotes, and an empty slice for null and "".
// It returns bytes because a string would cost an allocation for each field.
func unquoted(b []byte) []byte {
	b = bytes.TrimSpace(bytes.Trim(b, `"`))
	if string(b) == "null" {
		return nil
	}
	return b
}

// number accepts an integer, as a number or a string. It accepts true as 1 and
// drops fractions.
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	b = unquoted(b)
	if len(b) == 0 {
		return nil
	}
	if i, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*n = number(i)
	} else if f, err := strconv.ParseFloat(string(b), 64); err == nil && f > -1e15 && f < 1e15 {
		*n = number(f)
	} else if string(b) == "true" {
		*n = 1
	}
	return nil
}

// boolean accepts true and 1, also as strings. Every other value is false.
type boolean bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *boolean) UnmarshalJSON(b []byte) error {
	b = unquoted(b)
	*v = boolean(string(b) == "1" || bytes.EqualFold(b, []byte("true")))
	return nil
}

// timestamp accepts RFC 3339, Unix time in seconds, and the format of XML
// documents, "2024-03-24 05:13:37 UTC".
type timestamp time.Time

// UnmarshalJSON implements json.Unmarshaler.
func (m *timestamp) UnmarshalJSON(b []byte) error {
	b = unquoted(b)
	if len(b) == 0 {
		return nil
	}
	if seconds, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		if seconds != 0 {
			*m = timestamp(time.Unix(seconds, 0).UTC())
		}
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime + " MST", time.DateTime} {
		if at, err := time.Parse(layout, string(b)); err == nil {
			*m = timestamp(at.UTC())
			return nil
		}
	}
	return nil
}

// list accepts a list, a single element in place of a list of one, and an
// object that wraps a list, as <connections> does.
type list[T any] []T

// maxWrappers limits the objects around a list: the root and one in it, as in
// <resources><resource/></resources>. It is low for the reason that innerText
// states.
const maxWrappers = 2

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error { return l.decode(b, maxWrappers) }

// decode decodes a list with at most the given number of wrappers around it.
func (l *list[T]) decode(b []byte, wrappers int) error {
	switch b[0] {
	case '[':
		if len(b) == len("[]") {
			return nil
		}
		return json.Unmarshal(b, (*[]T)(l))
	case '{':
		var members map[string]json.RawMessage
		if err := json.Unmarshal(b, &members); err != nil {
			return err
		}
		if len(members) == 0 {
			return nil
		}
		for _, inner := range members { // relevant only if there is exactly one
			if wrappers > 0 && len(members) == 1 && (inner[0] == '[' || inner[0] == '{') {
				return l.decode(inner, wrappers-1)
			}
		}
		var one T
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		*l = list[T]{one}
	}
	return nil
}

var (
	errHTML   = errors.New("the response is an HTML page, as proxies and captive portals send")
	errEmpty  = errors.New("the response is empty")
	errSyntax = errors.New("the response is neither JSON nor XML")
)

// toJSON converts an XML document to JSON, and returns any other document
// unchanged. It rejects an empty document and an HTML page.
func toJSON(body []byte) ([]byte, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(body) == 0:
		return nil, errEmpty
	case body[0] != '<':
		return body, nil
	case isHTML(body):
		return nil, errHTML
	}
	root, err := readElement(xml.NewDecoder(bytes.NewReader(body)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSyntax, err)
	}
	return json.Marshal(root)
}

func isHTML(body []byte) bool {
	start := strings.ToLower(string(body[:min(len(body), 512)]))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") ||
		strings.Contains(start, "<head")
}

// element is the JSON form of an XML element. Attributes and children are
// members. Several children of the same name become a list. Text becomes the
// member "text". A document is an element whose only member is the root.
type element map[string]any

// maxDepth limits the nesting of XML elements. For JSON, encoding/json has a
// limit.
const maxDepth = 32

// readElement decodes a document.
func readElement(dec *xml.Decoder) (element, error) {
	dec.Strict = true
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			root, err := readChildren(dec, start, 0)
			return element{start.Name.Local: root}, err
		}
	}
}

// readChildren decodes the element that start begins.
func readChildren(dec *xml.Decoder, start xml.StartElement, depth int) (element, error) {
	if depth > maxDepth {
		return nil, errSyntax
	}
	e := make(element, len(start.Attr))
	for _, a := range start.Attr {
		e[a.Name.Local] = a.Value
	}
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			child, err := readChildren(dec, tok, depth+1)
			if err != nil {
				return nil, err
			}
			e.add(tok.Name.Local, child)
		case xml.CharData:
			if s := strings.TrimSpace(string(tok)); s != "" {
				e["text"] = s
			}
		case xml.EndElement:
			return e, nil
		}
	}
}

// add adds a child. The child replaces an attribute of the same name.
func (e element) add(name string, child element) {
	switch have := e[name].(type) {
	case element:
		e[name] = []element{have, child}
	case []element:
		e[name] = append(have, child)
	default:
		e[name] = child
	}
}

// decode decodes a response body, in JSON or XML, into v.
func decode(body []byte, v any) error {
	doc, err := toJSON(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("%w: %w", errSyntax, err)
	}
	return nil
}

// wrapped is a document in a wrapper. The media plane wraps every document in a
// MediaContainer. Version 1 of the API, and XML, wrap an account in a user and
// a PIN in a pin.
type wrapped[T any] struct {
	MediaContainer *T
	User           *T
	Pin            *T
}

// decodeWrapped decodes a document with or without a wrapper.
func decodeWrapped[T any](body []byte) (*T, error) {
	var w wrapped[T]
	// A document without a wrapper may be a list, which is a type error for w.
	if err := decode(body, &w); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return nil, err
	}
	if found := cmp.Or(w.MediaContainer, w.User, w.Pin); found != nil {
		return found, nil
	}
	var plain T
	return &plain, decode(body, &plain)
}
