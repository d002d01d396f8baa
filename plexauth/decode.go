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

// Servers, and releases of one server, write the same thing in different ways:
// a number as a string, a boolean as 0 or 1, a list of one as the one, null or
// "" for what is not known, XML where JSON was asked for. The types below read
// all of that, from JSON; XML is turned into JSON first. What cannot be read
// as the type is its zero value: whether that is good enough is decided where
// the whole document is looked at.

// text reads a string, and anything that stands where one should.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b): // nearly every string
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

// innerText is the text in an element, which does not nest: each level would be
// read anew with all that is in it, and a deep document keep a call for long.
type innerText text

// UnmarshalJSON implements json.Unmarshaler.
func (t *innerText) UnmarshalJSON(b []byte) error {
	if b[0] == '{' {
		return nil
	}
	return (*text)(t).UnmarshalJSON(b)
}

// unquoted is a value without the quotes it may have; empty for null and "".
// It stays bytes, as a string would be one allocation for each field.
func unquoted(b []byte) []byte {
	b = bytes.TrimSpace(bytes.Trim(b, `"`))
	if string(b) == "null" {
		return nil
	}
	return b
}

// number reads an integer.
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

// boolean reads true and false, 1 and 0.
type boolean bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *boolean) UnmarshalJSON(b []byte) error {
	b = unquoted(b)
	*v = boolean(string(b) == "1" || bytes.EqualFold(b, []byte("true")))
	return nil
}

// moment reads a time: RFC 3339, seconds since 1970, or "2024-03-24 05:13:37
// UTC", which XML has.
type moment time.Time

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(b []byte) error {
	b = unquoted(b)
	if len(b) == 0 {
		return nil
	}
	if seconds, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		if seconds != 0 {
			*m = moment(time.Unix(seconds, 0).UTC())
		}
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime + " MST", time.DateTime} {
		if at, err := time.Parse(layout, string(b)); err == nil {
			*m = moment(at.UTC())
			return nil
		}
	}
	return nil
}

// list reads a list, the one element of a list of one, and an element that
// holds a list, as <connections> does.
type list[T any] []T

// maxHolders is how many elements may stand around a list: the root and one in
// it, as in <resources><resource/></resources>. It is few for innerText's reason.
const maxHolders = 2

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error { return l.read(b, maxHolders) }

// read reads a list that so many elements may stand around.
func (l *list[T]) read(b []byte, holders int) error {
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
		for _, inner := range members { // the only one, if it is a container
			if holders > 0 && len(members) == 1 && (inner[0] == '[' || inner[0] == '{') {
				return l.read(inner, holders-1)
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
	errHTML   = errors.New("the answer is an HTML page, as a proxy or a sign-in portal sends")
	errEmpty  = errors.New("the answer is empty")
	errSyntax = errors.New("the answer is neither JSON nor XML")
)

// toJSON returns a JSON document as it is, and an XML document as JSON.
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
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") || strings.Contains(start, "<head")
}

// element is an XML element as JSON has it: attributes and children are
// members, children of one name a list when there is more than one, and text
// is the member "text". The root is named by the member it is.
type element map[string]any

// maxDepth is how deep elements may nest. JSON has encoding/json's own limit.
const maxDepth = 32

// readElement reads the root element of a document.
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

// readChildren reads an element from behind its start tag.
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

// add adds a child. One that has an attribute's name takes its place.
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

// decode reads an answer into v.
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

// wrapped is a document that may stand in a wrapper: the media plane has one
// around everything, version 1 and XML one around an account or a PIN.
type wrapped[T any] struct {
	MediaContainer *T
	User           *T
	Pin            *T
}

// decodeWrapped is decode for a document that may stand in a wrapper.
func decodeWrapped[T any](body []byte) (*T, error) {
	var w wrapped[T]
	// A document without a wrapper may be a list, which is no error here.
	if err := decode(body, &w); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return nil, err
	}
	if found := cmp.Or(w.MediaContainer, w.User, w.Pin); found != nil {
		return found, nil
	}
	var plain T
	return &plain, decode(body, &plain)
}
