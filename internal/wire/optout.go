package wire

import "encoding/xml"

// OptOut is an account's choice about a source of online media.
type OptOut struct {
	Key   string `json:"key" xml:"key,attr"`     // the source
	Value string `json:"value" xml:"value,attr"` // the choice
}

// OptOuts are the choices of an account. The name of the root, and the JSON, are
// inferred: PlexAPI reads the elements optOut.
type OptOuts []OptOut

// Append implements Body.
func (o OptOuts) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, append([]OptOut{}, o...))
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"optOuts"`
		OptOuts []OptOut `xml:"optOut"`
	}{OptOuts: o})
}
