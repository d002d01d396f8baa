package wire

import "encoding/xml"

// Constant is a response that is always the same: one text for each format. The
// XML has no header.
type Constant struct{ JSON, XML string }

// Append implements Body.
func (c Constant) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return append(dst, c.JSON...), nil
	}
	dst = append(dst, xml.Header...)
	return append(dst, c.XML...), nil
}

// PlainText is a response in the format Text.
type PlainText string

// Append implements Body.
func (t PlainText) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return append(dst, t...), nil
}
