package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/usher-auth/usher/plexauth"
)

// maxText is the most that one parameter may have, in bytes.
const maxText = 4096

// Params are named values from a query string, a form or a JSON object, which
// clients use alike. Nested JSON is flattened as forms write it: the key login
// of the object user is "user[login]".
type Params map[string][]string

// Text returns the value of name, or "" when it is not there. It refuses a
// name given twice, since two programs may read two different values, and text
// that is not clean.
func (p Params) Text(name string) (string, error) {
	switch values := p[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return checkText(name, values[0], maxText)
	default:
		return "", &MalformedError{name, "is given twice"}
	}
}

// Secret is Text for a password, a code or a token.
func (p Params) Secret(name string) (plexauth.Secret, error) {
	s, err := p.Text(name)
	return plexauth.Secret(s), err
}

// Bool reads the ways in which clients write a boolean; an absent or empty one
// is false.
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
	return false, &MalformedError{name, "is neither true nor false (1 or 0)"}
}

// ReadParams reads a request's parameters: those of its body, and those of the
// query that the body does not name. The body may have at most limit bytes.
//
// The error is a *MalformedError, a *TooLargeError, a *UnsupportedTypeError,
// or what reading the connection gave.
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
	merged := maps.Clone(query)
	if merged == nil {
		return params, nil
	}
	maps.Copy(merged, params)
	return merged, nil
}

// readBody reads at most limit bytes. A body that says it is larger is refused
// before any of it is read.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, &TooLargeError{limit}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &TooLargeError{limit}
	}
	if err != nil {
		return nil, &MalformedError{"the body", "ends before it is whole"}
	}
	return body, nil
}

// ParseBody reads the parameters of a form or JSON body. A body without a
// Content-Type is taken for a form.
func ParseBody(contentType string, body []byte) (Params, error) {
	kind := "application/x-www-form-urlencoded"
	if contentType != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(contentType); err != nil {
			return nil, &UnsupportedTypeError{}
		}
	}
	if !utf8.Valid(body) {
		return nil, &MalformedError{"the body", "is not valid UTF-8"}
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		return parseQuery("the form", string(body))
	case "application/json":
		return parseJSON(body)
	}
	return nil, &UnsupportedTypeError{}
}

// maxDepth is how deep objects may nest: the legacy sign-in nests once.
const maxDepth = 4

// parseJSON flattens an object. It reads token by token, as unmarshalling into
// a map would keep the last of two equal keys without a word.
func parseJSON(body []byte) (Params, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	params := Params{}
	err := params.addValue(dec, "", 0)
	if err == nil {
		if _, tail := dec.Token(); tail != io.EOF {
			err = errNotObject
		}
	}
	if errors.Is(err, errNotObject) {
		return nil, err
	}
	if err != nil {
		return nil, &MalformedError{"the body", "is not valid JSON"}
	}
	return params, nil
}

var errNotObject = &MalformedError{"the body", "is not one JSON object of plain values"}

// addValue reads the next value into the name it stands under; the top level
// has no name and must be an object.
func (p Params) addValue(dec *json.Decoder, name string, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if v != '{' || depth >= maxDepth {
			return errNotObject
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

func (p Params) addMembers(dec *json.Decoder, name string, depth int) error {
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string) // a key that is no string has been refused by Token
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

func (p Params) add(name, value string) error {
	if name == "" {
		return errNotObject
	}
	p[name] = append(p[name], value)
	return nil
}
