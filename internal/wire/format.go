package wire

import (
	"slices"
	"strconv"
	"strings"
)

// Format is the syntax of a response.
type Format uint8

// The two syntaxes of which every Plex client reads one, and those of images, of
// plain text and of the OpenAPI document, which no caller requests. XML is the zero value because it is the
// default of a caller without a preference (python-plexapi and Tautulli send
// "Accept: */*" and parse XML).
const (
	XML Format = iota
	JSON
	PNG
	SVG
	Text
	YAML
)

// ContentType returns the Content-Type of the format. That of JSON has no charset:
// plex-api 5.3.2 requires the header to be exactly "application/json".
func (f Format) ContentType() string {
	switch f {
	case JSON:
		return "application/json"
	case PNG:
		return "image/png"
	case SVG:
		return "image/svg+xml"
	case Text:
		return "text/plain; charset=utf-8"
	case YAML:
		return "application/yaml"
	}
	return "application/xml; charset=utf-8"
}

// Variant is a deviation from the common shapes that a published client requires.
// The zero value is the common shape.
type Variant uint8

// The traits of variants; see variants for the clients that get them.
const (
	// NoNulls sends the zero value where the common shape has null.
	NoNulls Variant = 1 << iota
	// TextEnums sends the profile's small integers as strings.
	TextEnums
	// PINStatusOK returns status 200 for a new PIN.
	PINStatusOK
	// NumericPostalCode writes the postal code of a PIN as a number.
	NumericPostalCode
	// PreferJSON returns JSON to a caller without a preference.
	PreferJSON
	// FractionTimes writes times with their milliseconds.
	FractionTimes
)

// oldPINs are the traits that the SDKs of 2024 need for PIN sign-in.
const oldPINs = PINStatusOK | NumericPostalCode

// A release is the version of an SDK.
type release [3]uint32

func (r release) before(other release) bool { return slices.Compare(r[:], other[:]) < 0 }

// variants lists the callers that get another shape: the SDKs that Speakeasy
// generated for Plex, by language and release. A caller gets the traits of every
// row that matches it. Each of these releases fails on the common shape.
var variants = [...]struct {
	sdk     string  // the language in the User-Agent
	from    release // the first release that needs the traits
	until   release // the first release that does not; zero: none is known
	traits  Variant
	because string
}{
	{
		"ruby", release{}, release{}, NoNulls | FractionTimes,
		"0.17.0 raises KeyError on null fields that its own types call optional, and reads no time without a fraction",
	},
	{"csharp", release{}, release{}, PreferJSON, "sends no Accept header and reads JSON only"},

	{"python", release{0, 1, 0}, release{0, 9, 0}, oldPINs, "takes 200 for a new PIN, a number for a postal code"},
	{"python", release{0, 11, 0}, release{0, 12, 2}, oldPINs, "the same, from 0.11 on again"},
	{"go", release{0, 11, 1}, release{0, 11, 13}, oldPINs, "the same"},
	{"typescript", release{0, 23, 0}, release{0, 24, 0}, oldPINs, "the same"},
	{"python", release{0, 35, 0}, release{}, PINStatusOK, "takes 200 for a new PIN; 0.36.3 is the newest known"},

	{"python", release{0, 11, 0}, release{0, 13, 0}, TextEnums, `declares the profile's enums as the strings "0" and "1"`},
	{"go", release{0, 11, 1}, release{0, 11, 15}, TextEnums, "the same"},
	{"typescript", release{0, 23, 0}, release{0, 24, 0}, TextEnums, "the same"},
	{"php", release{0, 8, 0}, release{0, 9, 0}, TextEnums, "the same"},
	{"ruby", release{0, 3, 0}, release{0, 4, 0}, TextEnums, "the same"},
	{"csharp", release{0, 4, 0}, release{0, 7, 0}, TextEnums, "the same"},
}

// VariantOf returns the variant for a User-Agent. The SDKs send
// "speakeasy-sdk/python 0.12.0 2.415.6 0.0.3 plex-api-client": language,
// release, and the versions of the generator and of the API's description.
func VariantOf(userAgent string) (v Variant) {
	rest, ok := strings.CutPrefix(userAgent, "speakeasy-sdk/")
	if !ok {
		return 0
	}
	sdk, rest, _ := strings.Cut(rest, " ")
	version, _, _ := strings.Cut(rest, " ")
	r, known := parseRelease(version)
	for _, row := range variants {
		every := row.from == release{} && row.until == release{}
		if row.sdk == sdk && (every || known && !r.before(row.from) && (row.until == release{} || r.before(row.until))) {
			v |= row.traits
		}
	}
	return v
}

// parseRelease reads three numbers with dots between them. Text after the numbers, as
// in a pre-release ("0.23.5-beta.1"), is ignored.
func parseRelease(s string) (r release, ok bool) {
	if end := strings.IndexAny(s, "-+"); end >= 0 {
		s = s[:end]
	}
	for i := range r {
		number, rest, dot := strings.Cut(s, ".")
		if last := i == len(r)-1; dot == last || len(number) == 0 || len(number) > 9 {
			return release{}, false
		}
		for _, digit := range []byte(number) {
			if digit < '0' || digit > '9' {
				return release{}, false
			}
			r[i] = 10*r[i] + uint32(digit-'0')
		}
		s = rest
	}
	return r, true
}

// Negotiate selects the format from an Accept header (RFC 9110, section 12.5.1). XML
// wins a tie and is the default, unless the variant prefers JSON. Other headers are
// ignored: new SDKs send a header named "accepts" with application/xml in addition to
// "Accept: application/json", and need JSON.
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
