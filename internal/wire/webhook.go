package wire

import "encoding/xml"

// Webhooks are the addresses that the events of an account are sent to.
type Webhooks []string

// Append implements Body.
func (w Webhooks) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	type hook struct {
		URL string `json:"url" xml:"url,attr"`
	}
	list := make([]hook, 0, len(w))
	for _, url := range w {
		list = append(list, hook{url})
	}
	if f == JSON {
		return appendJSON(dst, list)
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"webhooks"`
		Hooks   []hook   `xml:"webhook"`
	}{Hooks: list})
}
