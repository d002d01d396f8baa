package wire

import (
	"encoding/xml"
	"fmt"

	"github.com/usher-auth/usher/internal/fault"
)

// malformed returns the error of a header, a parameter or another part of the
// request. problem completes the sentence: "is missing", "is given twice". It
// must not repeat the value that was sent, which may be a secret in the wrong
// place.
func malformed(field, problem string) error {
	return fault.Invalidf(field, "%s %s", field, problem)
}

// errTooLarge is the error of a body over its route's limit, in bytes.
func errTooLarge(limit int64) error {
	return fault.New(fault.TooLarge,
		fmt.Sprintf("the body is larger than the %d bytes this request may have", limit))
}

var errUnsupported = fault.New(fault.Unsupported,
	"the body's Content-Type is neither application/x-www-form-urlencoded nor application/json")

// Error is one error as clients read it.
//
//	{"errors":[{"code":1001,"message":"…","status":401}]}
//	<errors><error code="1001" message="…" status="401"/></errors>
type Error struct {
	Code    int    `json:"code" xml:"code,attr"`       // the code of the protocol or, without one, the status
	Message string `json:"message" xml:"message,attr"` // for people to read
	Status  int    `json:"status" xml:"status,attr"`   // the HTTP status
	// Field is the field of a form that the error is about. Empty, and omitted,
	// where the protocol is not known to have it.
	Field string `json:"field,omitempty" xml:"field,attr,omitempty"`
}

// Append implements Body.
func (e Error) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	list := []Error{e}
	if f == JSON {
		return appendJSON(dst, struct {
			Errors []Error `json:"errors"`
		}{list})
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"errors"`
		Errors  []Error  `xml:"error"`
	}{Errors: list})
}
