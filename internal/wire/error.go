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

var errEncoded = fault.New(fault.Unsupported, "the body has a Content-Encoding: send it as it is")

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

// LegacyError is an Error of version 1. In XML, the message is the text of the
// element, too, where older clients look for it (clients' sources):
//
//	<errors><error code="422" message="Invalid token" status="422">Invalid token</error></errors>
type LegacyError Error

// Append implements Body.
func (e LegacyError) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	if f == JSON {
		return Error(e).Append(dst, f, v)
	}
	type withText struct {
		Error
		Text string `xml:",chardata"` // the message again
	}
	return appendXML(dst, struct {
		XMLName xml.Name   `xml:"errors"`
		Errors  []withText `xml:"error"`
	}{Errors: []withText{{Error(e), e.Message}}})
}

// Response is an Error of version 1 about servers, homes and invitations. In XML, it
// has the message in an attribute, which Wizarr and others show to people (clients'
// sources, and logs of the real service):
//
//	<Response code="400" status="…"/>
type Response Error

// Append implements Body.
func (e Response) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	if f == JSON {
		return Error(e).Append(dst, f, v)
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"Response"`
		Code    int      `xml:"code,attr"`   // as in Error
		Status  string   `xml:"status,attr"` // the message
	}{Code: e.Code, Status: e.Message})
}

// ClaimError is an Error of a claim. Its JSON also has the member that plex-api.rs
// requires there.
type ClaimError Error

// Append implements Body.
func (e ClaimError) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	if f != JSON {
		return LegacyError(e).Append(dst, f, v)
	}
	return appendJSON(dst, struct {
		Error  string  `json:"error"`
		Errors []Error `json:"errors"`
	}{e.Message, []Error{Error(e)}})
}
