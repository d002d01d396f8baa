package plexauth

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
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

// text accepts a string or a number. It treats a boolean as a missing value.
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
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(b)
	}
	return nil
}

// usable implements item.
func (t text) usable() bool { return t != "" }

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
	if b[0] == '{' { // <pong>true</pong>
		var named struct{ Text innerText }
		_ = json.Unmarshal(b, &named)
		b = []byte(named.Text)
	}
	b = unquoted(b)
	*v = boolean(string(b) == "1" || bytes.EqualFold(b, []byte("true")))
	return nil
}

// minSeconds and maxSeconds are the beginning of the year 0 and the end of the year
// 9999. encoding/json writes no other time, and times far beyond overflow.
const (
	minSeconds = -62167219200
	maxSeconds = 253402300799
)

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
		if seconds != 0 && seconds >= minSeconds && seconds <= maxSeconds {
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

// object accepts an object, or a list that contains one. Any other value is
// decoded as the zero value, and does not affect the rest of the document.
type object[T any] struct{ value T }

// UnmarshalJSON implements json.Unmarshaler.
func (o *object[T]) UnmarshalJSON(b []byte) error {
	var one [1]T
	switch b[0] {
	case '{':
		_ = json.Unmarshal(b, &o.value) // a member of the wrong type is omitted
	case '[':
		_ = json.Unmarshal(b, &one)
		o.value = one[0]
	}
	return nil
}

// item is an element of a list. An element that is not usable is omitted, so that it does
// not affect the others.
type item interface{ usable() bool }

// list accepts a list, a single element in place of a list of one, and an
// object that wraps a list, as <connections> does, with attributes or without.
type list[T item] []T

// maxWrappers limits the objects around a list: the root and one in it, as in
// <MediaContainer><Device/></MediaContainer>. It is low for the reason that
// innerText states.
const maxWrappers = 2

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	l.decode(b, maxWrappers)
	return nil
}

// decode decodes a list with at most the given number of wrappers around it.
func (l *list[T]) decode(b []byte, wrappers int) {
	switch b[0] {
	case '[':
		// An error concerns single elements, since the document is valid JSON.
		_ = json.Unmarshal(b, (*[]T)(l))
		*l = slices.DeleteFunc(*l, func(one T) bool { return !one.usable() })
	case '{':
		var one T
		if json.Unmarshal(b, &one) == nil && one.usable() {
			*l = list[T]{one}
		} else if inner := onlyChild(b); wrappers > 0 && inner != nil {
			l.decode(inner, wrappers-1)
		}
	}
}

// onlyChild returns the member of an object that is a list or an object. It returns nil if
// the object has no such member, or several. The other members are attributes.
func onlyChild(b []byte) (child json.RawMessage) {
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return nil
	}
	for _, m := range members {
		if m[0] != '[' && m[0] != '{' {
			continue
		}
		if child != nil {
			return nil
		}
		child = m
	}
	return child
}

// present accepts any value, and is true unless the value is null, false, or an empty
// text, list or object.
type present bool

// UnmarshalJSON implements json.Unmarshaler.
func (p *present) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null", "false", `""`, "[]", "{}":
		*p = false
	default:
		*p = true
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
	body = trimDocument(body)
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

// trimDocument removes the byte order mark and white space around a document.
func trimDocument(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
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
	start, err := nextStart(dec)
	if err != nil {
		return nil, err
	}
	root, err := readChildren(dec, start, 0)
	return element{start.Name.Local: root}, err
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

// The wrappers of documents. The media plane wraps every document in a
// MediaContainer. Version 1 of the API, and XML, wrap an account in a user and a
// PIN in a pin.
const (
	inContainer = "MediaContainer"
	inUser      = "user"
	inPIN       = "pin"
)

// wrapped is a document in a wrapper.
type wrapped[T any] struct {
	MediaContainer *T
	User           *T
	Pin            *T
}

// in returns the document in the wrapper of that name, or nil.
func (w *wrapped[T]) in(wrapper string) *T {
	switch wrapper {
	case inUser:
		return w.User
	case inPIN:
		return w.Pin
	}
	return w.MediaContainer
}

// decodeWrapped decodes a document with or without the wrapper of that name.
func decodeWrapped[T any](body []byte, wrapper string) (*T, error) {
	var w wrapped[T]
	// A document without a wrapper may be a list, which is a type error for w.
	if err := decode(body, &w); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return nil, err
	}
	if found := w.in(wrapper); found != nil {
		return found, nil
	}
	var plain T
	return &plain, decode(body, &plain)
}
