package wire

import (
	"strconv"
	"strings"
)

// Format is the syntax of a response.
type Format uint8

// The two syntaxes of which every Plex client reads one, and that of images, which
// no caller requests. XML is the zero value because it is the default of a caller
// without a preference (python-plexapi and Tautulli send "Accept: */*" and parse
// XML).
const (
	XML Format = iota
	JSON
	PNG
)

// ContentType returns the Content-Type of the format. That of JSON has no charset:
// plex-api 5.3.2 requires the header to be exactly "application/json".
func (f Format) ContentType() string {
	switch f {
	case JSON:
		return "application/json"
	case PNG:
		return "image/png"
	}
	return "application/xml; charset=utf-8"
}

// Variant is a deviation from the common shapes that a published client requires.
// The zero value is the common shape.
type Variant uint8

// The variants; see variants for the clients that get them.
const (
	// NoNulls sends the zero value where the common shape has null.
	NoNulls Variant = 1 << iota
	// TextEnums sends the profile's small integers as strings.
	TextEnums
	// OldPINs returns status 200 for a new PIN, and its postal code as a number.
	OldPINs
	// PreferJSON returns JSON to a caller without a preference.
	PreferJSON
)

// variants lists the callers that get another shape, by the prefix of their
// User-Agent. Each of them fails on the common shape, which is also that of the
// real services: newer releases of the same SDKs need no row.
var variants = [...]struct {
	userAgent string
	variant   Variant
	because   string
}{
	{"speakeasy-sdk/ruby", NoNulls, "0.17.0 raises KeyError on null fields that its own types call optional"},
	{"speakeasy-sdk/typescript 0.23.", TextEnums | OldPINs, "0.23.5 declares the profile enums as the strings \"0\" and \"1\", a new PIN as 200 and a postal code as a number"},
	{"speakeasy-sdk/csharp", PreferJSON, "sends no Accept header and reads JSON only"},
}

// VariantOf returns the variant for a User-Agent.
func VariantOf(userAgent string) Variant {
	const common = "speakeasy-sdk/"
	if !strings.HasPrefix(userAgent, common) {
		return 0
	}
	for _, v := range variants {
		if strings.HasPrefix(userAgent, v.userAgent) {
			return v.variant
		}
	}
	return 0
}

// Negotiate selects the format from an Accept header (RFC 9110, section 12.5.1).
// XML wins a tie and is the default, unless the variant prefers JSON. No other
// header counts: new SDKs send a header named "accepts" with application/xml next
// to "Accept: application/json", and need JSON.
func Negotiate(accept string, v Variant) Format {
	switch accept {
	case "application/json":
		return JSON
	case "", "*/*":
		return noWish(v)
	}
	var inJSON, inXML, inAny float64
	for part := range strings.SplitSeq(accept, ",") {
		kind, q := mediaRange(part)
		switch kind {
		case "application/json", "text/json":
			inJSON = max(inJSON, q)
		case "application/xml", "text/xml":
			inXML = max(inXML, q)
		case "*/*", "application/*":
			inAny = max(inAny, q)
		}
	}
	switch {
	case inJSON > inXML:
		return JSON
	case inXML > 0:
		return XML
	case inAny > 0:
		return noWish(v)
	}
	return XML
}

func noWish(v Variant) Format {
	if v&PreferJSON != 0 {
		return JSON
	}
	return XML
}

// mediaRange splits one element of an Accept header into its lower-case media type
// and its weight; an invalid weight counts as 1.
func mediaRange(part string) (kind string, q float64) {
	kind, params, _ := strings.Cut(part, ";")
	q = 1
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if w, err := strconv.ParseFloat(value, 64); err == nil && w >= 0 && w <= 1 {
			q = w
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), q
}
