package wire

import (
	"encoding/xml"
	"fmt"
)

// MalformedError says what is wrong with a request. It never repeats the value
// that was sent, which may be a secret put in the wrong place.
type MalformedError struct {
	// Field is the header, parameter or part of the request at fault.
	Field string
	// Problem is the rest of the sentence: "is missing", "is given twice".
	Problem string
}

func (e *MalformedError) Error() string { return e.Field + " " + e.Problem }

// TooLargeError says that a body is over its route's limit.
type TooLargeError struct {
	// Limit is the most that is read, in bytes.
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the body is larger than the %d bytes this request may have", e.Limit)
}

// UnsupportedTypeError says that a body's Content-Type cannot be read.
type UnsupportedTypeError struct{}

func (e *UnsupportedTypeError) Error() string {
	return "the body's Content-Type is neither application/x-www-form-urlencoded nor application/json"
}

// Error is one error as clients read it.
//
//	{"errors":[{"code":1001,"message":"…","status":401}]}
//	<errors><error code="1001" message="…" status="401"/></errors>
type Error struct {
	Code    int    `json:"code" xml:"code,attr"`
	Message string `json:"message" xml:"message,attr"`
	Status  int    `json:"status" xml:"status,attr"`
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
