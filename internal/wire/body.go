package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// A Body is a response that can be encoded in either format.
type Body interface {
	// Append adds the whole document to dst.
	Append(dst []byte, f Format, v Variant) ([]byte, error)
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("encoding JSON: %w", err)
	}
	return append(dst, b...), nil
}

// appendJSONText encodes a string. It copies one of letters and digits, such as a
// token.
func appendJSONText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b, _ := json.Marshal(s) // a string can always be encoded
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendEscapedJSONText encodes a string as json.Marshal does, which also escapes what is
// special in HTML.
func appendEscapedJSONText(dst []byte, s string) []byte {
	if strings.ContainsAny(s, "<>&") {
		b, _ := json.Marshal(s) // a string can always be encoded
		return append(dst, b...)
	}
	return appendJSONText(dst, s)
}

func appendXML(dst []byte, v any) ([]byte, error) {
	b, err := xml.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("encoding XML: %w", err)
	}
	dst = append(dst, xml.Header...)
	return append(dst, b...), nil
}

// Bool is true or false in JSON and 1 or 0 in XML, where python-plexapi raises
// ValueError on anything else, the empty string included.
type Bool bool

// MarshalXMLAttr implements xml.MarshalerAttr.
func (b Bool) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	if b {
		return xml.Attr{Name: name, Value: "1"}, nil
	}
	return xml.Attr{Name: name, Value: "0"}, nil
}

// Optional is a value that can be unknown: null in JSON, where typed clients
// require the key, and no attribute in XML, where strict ones cannot read an
// empty number (a Rust Option<u64>).
type Optional[T string | int64 | Bool] struct {
	// Value is valid only if Known is true.
	Value T
	Known bool
}

// Some returns the known value v.
func Some[T string | int64 | Bool](v T) Optional[T] { return Optional[T]{v, true} }

// orZero makes an unknown value the known zero value of its type.
func (o *Optional[T]) orZero() { o.Known = true }

// MarshalJSON implements json.Marshaler.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Known {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// MarshalXMLAttr implements xml.MarshalerAttr.
func (o Optional[T]) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	if !o.Known {
		return xml.Attr{}, nil // no attribute
	}
	attr := xml.Attr{Name: name}
	switch v := any(o.Value).(type) {
	case Bool:
		return v.MarshalXMLAttr(name)
	case string:
		attr.Value = v
	case int64:
		attr.Value = strconv.FormatInt(v, 10)
	}
	return attr, nil
}

// Enum is a small integer that old SDKs read as a string; see TextEnums.
type Enum struct {
	N    int
	text bool
}

// MarshalJSON implements json.Marshaler.
func (e Enum) MarshalJSON() ([]byte, error) {
	if e.text {
		return strconv.AppendQuote(nil, strconv.Itoa(e.N)), nil
	}
	return strconv.AppendInt(nil, int64(e.N), 10), nil
}

// MarshalXMLAttr implements xml.MarshalerAttr.
func (e Enum) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	return xml.Attr{Name: name, Value: strconv.Itoa(e.N)}, nil
}

// emptyList is a list that is always empty: [] in JSON and an element without
// children in XML. Clients require the key and iterate over it.
type emptyList struct{}

// MarshalJSON implements json.Marshaler.
func (emptyList) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

// xmlElement encodes v as an element of the given name instead of its type's.
func xmlElement(name string, v any) ([]byte, error) {
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	if err := e.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
		return nil, fmt.Errorf("encoding XML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("encoding XML: %w", err)
	}
	return b.Bytes(), nil
}
