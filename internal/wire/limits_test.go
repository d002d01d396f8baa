package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
)

// Every limit on a request: the maximum is accepted, and one more is not.
func TestLimits(t *testing.T) {
	request := func(name, value string) (wire.Request, error) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(name, value)
		return wire.ReadRequest(r)
	}
	body := func(contentType, text string) error {
		_, err := wire.ParseBody(contentType, []byte(text))
		return err
	}
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	lists := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	for _, test := range []struct {
		what string
		most int
		try  func(n int) error
	}{
		{"bytes of a client identifier", 255, func(n int) error {
			_, err := request("X-Plex-Client-Identifier", strings.Repeat("x", n))
			return err
		}},
		{"bytes of a token", 4096, func(n int) error {
			_, err := request("X-Plex-Token", strings.Repeat("x", n))
			return err
		}},
		{"bytes of a parameter", 4096, func(n int) error {
			_, err := wire.Params{{"login", strings.Repeat("x", n)}}.Text("login")
			return err
		}},
		{"bytes of a token in a body", 4096, func(n int) error {
			var r wire.Request
			return r.Complete(wire.Params{{"X-Plex-Token", strings.Repeat("x", n)}})
		}},
		{"parameters of a form", 200, func(n int) error { return body("", strings.Repeat("&a", n)[1:]) }},
		{"parameters of a query", 200, func(n int) error {
			_, err := wire.ReadRequest(httptest.NewRequest(http.MethodGet, "/?"+strings.Repeat("&a", n)[1:], nil))
			return err
		}},
		{"members of an object", 200, func(n int) error {
			return body("application/json", "{"+strings.Repeat(`,"a":1`, n)[1:]+"}")
		}},
		{"objects in each other", 4, func(n int) error { return body("application/json", nested(n)) }},
		{"lists in each other, in an object", 3, func(n int) error { return body("application/json", lists(n)) }},
		{"objects in a list, in an object", 2, func(n int) error {
			return body("application/json", `{"a":[`+nested(n)+`]}`)
		}},
		{"bytes of a body", 1000, func(n int) error { return readBody(int64(n), strings.Repeat("x", n)) }},
		{"bytes of a body of unknown length", 1000, func(n int) error { return readBody(-1, strings.Repeat("x", n)) }},
	} {
		if err := test.try(test.most); err != nil {
			t.Errorf("%s: %d return %v", test.what, test.most, err)
		}
		err := test.try(test.most + 1)
		if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
			t.Errorf("%s: %d return %v, want an error that they are too many", test.what, test.most+1, err)
		}
	}
}

// readBody reads a body of which 1000 bytes may be read.
func readBody(length int64, text string) error {
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(text)))
	r.ContentLength = length
	_, err := wire.ReadParams(r, nil, 1000)
	return err
}

// An ignored list is skipped completely.
func TestListsEnd(t *testing.T) {
	got, err := wire.ParseBody("application/json", []byte(`{"a":[{"b":[1]},[2]],"c":3,"d":[],"e":{"f":[4],"g":5}}`))
	if want := (wire.Params{{"c", "3"}, {"e[f][]", "4"}, {"e[g]", "5"}}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the parameters are %v, %v; want %v", got, err, want)
	}
}

// A program's description of itself is truncated at 255 bytes, between two characters.
func TestDescriptionIsCut(t *testing.T) {
	for _, test := range []struct{ sent, want string }{
		{strings.Repeat("x", 255), strings.Repeat("x", 255)},
		{strings.Repeat("x", 256), strings.Repeat("x", 255)},
		{strings.Repeat("é", 127) + "x", strings.Repeat("é", 127) + "x"},
		{strings.Repeat("é", 128), strings.Repeat("é", 127)},
		{strings.Repeat("x", 254) + "é", strings.Repeat("x", 254)},
		{strings.Repeat("x", 253) + "é", strings.Repeat("x", 253) + "é"},
		{strings.Repeat("é", 3000), strings.Repeat("é", 127)},
		{"a b~c", "a b~c"},
		{"a\tb\x7fc\x1fd", "a bcd"},
		{"\x01", ""},
		{"\u0080\xff", ""}, // UTF-8 of an invisible character, and a stray byte
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Plex-Device-Name"] = []string{test.sent}
		if req, err := wire.ReadRequest(r); err != nil || req.DeviceName != test.want {
			t.Errorf("a name of %d bytes becomes %q, %v; want %q", len(test.sent), req.DeviceName, err, test.want)
		}
	}
}

// A space is not a control character.
func TestControlCharacters(t *testing.T) {
	for text, want := range map[string]bool{"a b": true, " ": true, "a\x1fb": false, "a\x7fb": false, "a\x80b": false, "a~b": true} {
		_, err := wire.Params{{"password", text}}.Text("password")
		if got := err == nil; got != want {
			t.Errorf("%q is accepted: %v, want %v", text, got, want)
		}
	}
}

// If a parameter has two values, wherever they are, neither is used.
func TestTwoValues(t *testing.T) {
	for _, test := range []struct {
		params wire.Params
		want   string // empty: an error
	}{
		{wire.Params{{"a", "1"}, {"a", "2"}}, ""},
		{wire.Params{{"b", "0"}, {"a", "1"}, {"a", "2"}}, ""},
		{wire.Params{{"a", "1"}, {"b", "0"}, {"a", "1"}, {"a", "2"}}, ""},
		{wire.Params{{"a", "1"}, {"b", "2"}, {"a", "1"}}, "1"},
		{wire.Params{{"a", "1"}}, "1"},
	} {
		got, err := test.params.Text("a")
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: got %q, %v; want %q", test.params, got, err, test.want)
		}
	}
}

// A format with the weight 0 is not accepted. A malformed weight counts as 1.
func TestWeights(t *testing.T) {
	for _, test := range []struct {
		accept  string
		variant wire.Variant
		want    wire.Format
	}{
		{"application/json;q=0", 0, wire.XML},
		{"application/json;q=0.1", 0, wire.JSON},
		{"application/json;q=-1", 0, wire.JSON},
		{"application/json;q=2, application/xml;q=1", 0, wire.XML},
		{"application/json;q=1, application/xml;q=0.9", 0, wire.JSON},
		{"application/json;q=0.5, application/xml;q=0.5", 0, wire.XML},
		{"application/xml;q=0, */*", wire.PreferJSON, wire.JSON},
		{"*/*;q=0", wire.PreferJSON, wire.XML},
		{"text/html", wire.PreferJSON, wire.XML},
		{"application/xml;q=0.1, */*", wire.PreferJSON, wire.XML},
	} {
		if got := wire.Negotiate(test.accept, test.variant); got != test.want {
			t.Errorf("%q: got %d, want %d", test.accept, got, test.want)
		}
	}
}

// A User-Agent with an invalid release gets no variant.
func TestReleases(t *testing.T) {
	for release, want := range map[string]bool{
		"0.12.0": true, "0.12.999999999": true, "0.12.9999999999": false, "0.12": false, "0.12.0.1": false,
		"0.12.": false, ".12.0": false, "0.1a.0": false, "0.12./": false, "0.12.:": false, "0.9.0": false, "": false,
	} {
		if got := wire.VariantOf("speakeasy-sdk/python "+release)&wire.TextEnums != 0; got != want {
			t.Errorf("release %q of the Python SDK gets texts: %v, want %v", release, got, want)
		}
	}
}

// The seconds that a PIN still has are rounded up: none is left of one that has
// expired only.
func TestSecondsOfAPIN(t *testing.T) {
	for left, want := range map[time.Duration]int64{
		0: 0, time.Nanosecond: 1, time.Second: 1, time.Second + 1: 2, 899*time.Second + 1: 900, 900 * time.Second: 900,
	} {
		written, err := wire.PIN{ExpiresIn: left}.Append(nil, wire.JSON, 0)
		var pin struct{ ExpiresIn int64 }
		if err == nil {
			err = json.NewDecoder(bytes.NewReader(written)).Decode(&pin)
		}
		if err != nil || pin.ExpiresIn != want {
			t.Errorf("%v are written as %d seconds, %v; want %d", left, pin.ExpiresIn, err, want)
		}
	}
}
