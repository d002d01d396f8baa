package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// maxText is the maximum size of a parameter in bytes.
const maxText = 4096

// Params are named values from a query string, a form or a JSON object, in the order
// of the request. Clients use all three alike. Nested JSON is flattened as in a
// form: the key login of the object user is "user[login]", and each plain element of
// its list ids is a "user[ids][]".
//
// A request has few parameters: searching them is faster than building a map.
type Params []Param

// Param is one of Params.
type Param struct{ Name, Value string }

// maxParams limits the cost of searching them.
const maxParams = 200

// Text returns the value of name, or "" if it is missing. It rejects a name
// given twice with different values, since two programs could read two different
// ones, and text that is not clean.
func (p Params) Text(name string) (string, error) {
	value, err := p.find(name)
	if err != nil {
		return "", err
	}
	return checkText(name, value, maxText)
}

// find is Text without validation of the value.
func (p Params) find(name string) (string, error) {
	found := -1
	for i := range p {
		if p[i].Name != name {
			continue
		}
		if found >= 0 && p[i].Value != p[found].Value {
			return "", errTwice(name)
		}
		found = i
	}
	if found < 0 {
		return "", nil
	}
	return p[found].Value, nil
}

// callerPrefix is the prefix of the names of headers and parameters about the caller.
const callerPrefix = "X-Plex-"

// ofCaller reports whether a parameter with a name is about the caller.
func ofCaller(name string) bool { return strings.HasPrefix(name, callerPrefix) }

// canonical returns the canonical name of a parameter. Names of parameters about the
// caller are those of headers, so their case does not matter.
func canonical(name string) string {
	if len(name) > len(callerPrefix) && strings.EqualFold(name[:len(callerPrefix)], callerPrefix) {
		return http.CanonicalHeaderKey(name)
	}
	return name
}

// Has reports whether a parameter is present, even if it is empty.
func (p Params) Has(name string) bool {
	return slices.ContainsFunc(p, func(param Param) bool { return param.Name == name })
}

// List returns the values of a list, in their order, and nil if it is missing. A
// form writes a list as many parameters, or as one that is empty.
func (p Params) List(name string) (list []string, err error) {
	for _, param := range p {
		if param.Name != name && param.Name != name+"[]" || param.Value == "" {
			continue
		}
		value, err := checkText(name, param.Value, maxText)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// Secret is Text for a password, a code or a token.
func (p Params) Secret(name string) (plexauth.Secret, error) {
	s, err := p.Text(name)
	return plexauth.Secret(s), err
}

// Bool parses the forms in which clients write a boolean. An absent or empty one is
// false.
func (p Params) Bool(name string) (bool, error) {
	s, err := p.Text(name)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(s) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, malformed(name, "is neither true nor false (1 or 0)")
}

// ReadParams reads a request's parameters: those of its body, and those of the
// query that the body does not name. The body may have at most limit bytes.
//
// The error's kind is fault.Invalid, fault.TooLarge or fault.Unsupported.
func ReadParams(r *http.Request, query Params, limit int64) (Params, error) {
	body, err := readBody(r, limit)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return query, nil
	}
	params, err := ParseBody(header(r, "Content-Type"), body)
	if err != nil {
		return nil, err
	}
	named := len(params)
	for _, q := range query {
		if !params[:named].Has(q.Name) {
			params = append(params, q)
		}
	}
	return params, nil
}

// ReadOptionalParams is ReadParams for a request that needs no body. A media
// server takes any: one that does not say that it is a form or JSON, and cannot
// be read as a form within the limit, is ignored.
func ReadOptionalParams(r *http.Request, query Params, limit int64) (Params, error) {
	params, err := ReadParams(r, query, limit)
	if errors.Is(err, errEncoded) || err != nil && !saysParams(header(r, "Content-Type")) {
		return query, nil
	}
	return params, err
}

// saysParams reports whether a body of this type contains parameters.
func saysParams(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == formType || kind == jsonType
}

// readBody reads at most limit bytes. A body with a larger Content-Length is rejected
// before any of it is read. Most POSTs of this protocol have none.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	if coding := header(r, "Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errEncoded
	}
	if r.ContentLength > limit {
		return nil, errTooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errTooLarge(limit)
	}
	if err != nil {
		return nil, malformed("the body", "ends before it is whole")
	}
	return body, nil
}

// The types of bodies that have parameters.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// ParseBody reads the parameters of a form or JSON body. A body without a
// Content-Type is taken for a form.
func ParseBody(contentType string, body []byte) (Params, error) {
	kind := formType
	if contentType != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(contentType); err != nil {
			return nil, errUnsupported
		}
	}
	switch kind {
	case formType:
		return parseQuery("the form", string(body))
	case jsonType:
		body = bytes.TrimPrefix(body, []byte("\ufeff")) // a byte order mark (RFC 8259, section 8.1)
		if !utf8.Valid(body) {                          // the decoder would replace what is not
			return nil, malformed("the body", "is not valid UTF-8")
		}
		return parseJSON(body)
	}
	return nil, errUnsupported
}

// maxDepth is the maximum nesting of objects and lists. The legacy sign-in nests once.
const maxDepth = 4

// parseJSON flattens an object. It reads token by token, because unmarshalling into
// a map would silently keep the last of two equal keys. An empty string and null
// count as no parameters: axios, in plex-oauth, sends "" for an absent body.
func parseJSON(body []byte) (Params, error) {
	switch string(bytes.TrimSpace(body)) {
	case `""`, "null":
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var params Params
	err := params.addValue(dec, "", 0)
	if err == nil {
		if _, tail := dec.Token(); tail != io.EOF {
			err = errNotObject
		}
	}
	if fault.KindOf(err) == fault.Invalid {
		return nil, err
	}
	if err != nil {
		return nil, malformed("the body", "is not valid JSON")
	}
	return params, nil
}

var errNotObject = malformed("the body", "is not one JSON object of plain values")

// addValue reads the next value and adds it under its name. The top level has no
// name and must be an object. Of a list, the elements that are plain values are read.
func (p *Params) addValue(dec *json.Decoder, name string, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if depth >= maxDepth || v == '[' && depth == 0 {
			return errNotObject
		}
		if v == '[' {
			return p.addElements(dec, name+"[]", depth+1)
		}
		return p.addMembers(dec, name, depth+1)
	case string:
		return p.add(name, v)
	case json.Number:
		return p.add(name, v.String())
	case bool:
		if v {
			return p.add(name, "true")
		}
		return p.add(name, "false")
	}
	return p.add(name, "") // null
}

func (p *Params) addMembers(dec *json.Decoder, name string, depth int) error {
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string) // Token rejects a key that is not a string
		if name != "" {
			key = name + "[" + key + "]"
		}
		if err := p.addValue(dec, key, depth); err != nil {
			return err
		}
	}
	_, err := dec.Token() // the closing brace
	return err
}

// addElements adds the elements of a list that are plain values. An object or a list
// in it is passed over like any unknown parameter: no known list has one.
func (p *Params) addElements(dec *json.Decoder, name string, depth int) error {
	for dec.More() {
		before := len(*p)
		if err := p.addValue(dec, name, depth); err != nil {
			return err
		}
		if added := (*p)[before:]; len(added) != 1 || added[0].Name != name {
			*p = (*p)[:before]
		}
	}
	_, err := dec.Token() // the closing bracket
	return err
}

func (p *Params) add(name, value string) error {
	if name == "" {
		return errNotObject
	}
	if len(*p) == maxParams {
		return errTooMany("the body")
	}
	*p = append(*p, Param{canonical(name), value})
	return nil
}

func errTooMany(field string) error { return malformed(field, "has too many parameters") }
