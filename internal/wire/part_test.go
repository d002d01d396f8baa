package wire_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
)

// A part of a list is the range of the headers or parameters, as far as the list has
// it.
func TestCut(t *testing.T) {
	list := []string{"a", "b", "c", "d", "e"}
	for _, test := range []struct {
		name, start, size string
		want              []string
		part              *wire.Part
	}{
		{"no part", "", "", list, nil},
		{"from the second on", "1", "", list[1:], &wire.Part{Start: 1, Total: 5}},
		{"from the first on", "0", "", list, &wire.Part{Start: 0, Total: 5}},
		{"two", "", "2", list[:2], &wire.Part{Start: 0, Total: 5}},
		{"two from the second on", "1", "2", list[1:3], &wire.Part{Start: 1, Total: 5}},
		{"the length only", "", "0", nil, &wire.Part{Start: 0, Total: 5}},
		{"the last", "4", "1", list[4:], &wire.Part{Start: 4, Total: 5}},
		{"more than there are", "3", "50", list[3:], &wire.Part{Start: 3, Total: 5}},
		{"behind the end", "50", "2", nil, &wire.Part{Start: 5, Total: 5}},
	} {
		for where, r := range requestsFor(test.start, test.size) {
			req, err := wire.ReadRequest(r)
			if err != nil {
				t.Fatal(err)
			}
			got, part, err := wire.Cut(r, req.Query, list)
			if err != nil || len(got) != len(test.want) || len(got) > 0 && !cmp.Equal(got, test.want) {
				t.Errorf("%s, by %s: %v, %v; want %v", test.name, where, got, err, test.want)
			}
			if diff := cmp.Diff(test.part, part); diff != "" {
				t.Errorf("%s, by %s (-want +got):\n%s", test.name, where, diff)
			}
		}
	}
	for _, wrong := range []struct{ start, size string }{
		{"-1", ""}, {"", "-1"}, {"x", ""}, {"", "x"}, {"1.5", "2"}, {"2", "99999999999999999999"},
	} {
		for where, r := range requestsFor(wrong.start, wrong.size) {
			req, err := wire.ReadRequest(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := wire.Cut(r, req.Query, list); fault.KindOf(err) != fault.Invalid {
				t.Errorf("start %q and size %q by %s: %v, want an error of the kind Invalid", wrong.start, wrong.size, where, err)
			}
		}
	}
}

// requestsFor returns requests for a page, in each format.
func requestsFor(start, size string) map[string]*http.Request {
	header, query := httptest.NewRequest(http.MethodGet, "/", nil), url.Values{}
	if start != "" {
		header.Header.Set("X-Plex-Container-Start", start)
		query.Set("X-Plex-Container-Start", start)
	}
	if size != "" {
		header.Header.Set("X-Plex-Container-Size", size)
		query.Set("X-Plex-Container-Size", size)
	}
	return map[string]*http.Request{
		"header": header, "parameter": httptest.NewRequest(http.MethodGet, "/?"+query.Encode(), nil),
	}
}

// A response describes its part, if one was requested.
func TestPartHeader(t *testing.T) {
	h := http.Header{}
	(*wire.Part)(nil).SetHeader(h)
	if len(h) != 0 {
		t.Errorf("the whole list has the headers %v", h)
	}
	(&wire.Part{Start: 3, Total: 5}).SetHeader(h)
	if h.Get("X-Plex-Container-Start") != "3" || h.Get("X-Plex-Container-Total-Size") != "5" || len(h) != 2 {
		t.Errorf("the part from 3 of 5 has the headers %v", h)
	}
}

// The texts of a constant, a claim token and a list of keys are read by clients
// byte by byte.
func TestSmallBodies(t *testing.T) {
	for _, test := range []struct {
		name string
		body wire.Body
		f    wire.Format
		want string
	}{
		{"constant", wire.Constant{JSON: "[]", XML: "<none/>"}, wire.JSON, "[]"},
		{"constant", wire.Constant{JSON: "[]", XML: "<none/>"}, wire.XML, `<?xml version="1.0" encoding="UTF-8"?>` + "\n<none/>"},
		{"text", wire.PlainText("a"), wire.JSON, "a"},
		{"claim", wire.ClaimToken{Token: "claim-x"}, wire.JSON, `{"token":"claim-x"}`},
		{"claim", wire.ClaimToken{Token: "claim-x"}, wire.XML, `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<claim token="claim-x"></claim>`},
		{"no keys", wire.KeySet{}, wire.JSON, `{"keys":[]}`},
	} {
		got, err := test.body.Append([]byte("before "), test.f, 0)
		if err != nil || string(got) != "before "+test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, got, err, test.want)
		}
	}
}

// Several Accept headers are one list (RFC 9110, section 5.3).
func TestAcceptInSeveralHeaders(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  wire.Format
	}{
		{nil, wire.XML},
		{[]string{"application/json"}, wire.JSON},
		{[]string{"text/plain", "application/json"}, wire.JSON},
		{[]string{"application/xml;q=0.1", "application/json"}, wire.JSON},
		{[]string{"application/json;q=0.1", "application/xml"}, wire.XML},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Accept"] = test.lines
		if req, err := wire.ReadRequest(r); err != nil || req.Format != test.want {
			t.Errorf("%q: got %v, %v; want %v", test.lines, req.Format, err, test.want)
		}
	}
}
