package wire_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

func TestNegotiate(t *testing.T) {
	for _, test := range []struct {
		who, accept string
		want        wire.Format
	}{
		{"the SDKs of today", "application/json", wire.JSON},
		{"python-plexapi", "*/*", wire.XML},
		{"Tautulli, which sends none", "", wire.XML},
		{"axios", "application/json, text/plain, */*", wire.JSON},
		{"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", wire.XML},
		{"XML rather than JSON", "application/xml, application/json;q=0.5", wire.XML},
		{"JSON rather than XML", "application/xml;q=0.3, application/json;q=0.5", wire.JSON},
		{"both alike", "application/json, application/xml", wire.XML},
		{"old names, other case", "TEXT/JSON", wire.JSON},
		{"JSON is refused", "application/json;q=0, */*", wire.XML},
		{"a weight that cannot be read", "application/json;q=high", wire.JSON},
		{"something else", "image/png", wire.XML},
		{"nonsense", ";;;,,q=", wire.XML},
	} {
		if got := wire.Negotiate(test.accept, 0); got != test.want {
			t.Errorf("%s: %q: got %v, want %v", test.who, test.accept, got, test.want)
		}
	}
}

// The user agents are those that the packages send.
func TestVariants(t *testing.T) {
	const (
		pins   = wire.PINStatusOK | wire.NumericPostalCode
		oldest = wire.TextEnums | pins
		ruby   = wire.NoNulls | wire.FractionTimes
	)
	for userAgent, want := range map[string]wire.Variant{
		"speakeasy-sdk/python 0.1.0 2.248.1 0.0.3 plex-api-client":           pins,
		"speakeasy-sdk/python 0.8.1 2.338.12 0.0.3 plex-api-client":          pins,
		"speakeasy-sdk/python 0.9.0 2.342.6 0.0.3 plex-api-client":           0,
		"speakeasy-sdk/python 0.11.0 2.396.0 0.0.3 plex-api-client":          oldest,
		"speakeasy-sdk/python 0.12.0 2.415.6 0.0.3 plex-api-client":          oldest,
		"speakeasy-sdk/python 0.12.1 2.415.8 0.0.3 plex-api-client":          oldest,
		"speakeasy-sdk/python 0.12.2 2.416.6 0.0.3 plex-api-client":          wire.TextEnums,
		"speakeasy-sdk/python 0.13.0 2.421.3 0.0.3 plex-api-client":          0,
		"speakeasy-sdk/python 0.34.3 2.884.4 1.1.1 plex-api-client":          0,
		"speakeasy-sdk/python 0.35.0 2.918.3 1.1.1 plex-api-client":          wire.PINStatusOK,
		"speakeasy-sdk/python 0.36.3 2.948.4 1.1.1 plex-api-client":          wire.PINStatusOK,
		"speakeasy-sdk/go 0.11.0 2.396.0 0.0.3 github.com/LukeHagar/plexgo":  0,
		"speakeasy-sdk/go 0.11.1 2.407.2 0.0.3 github.com/LukeHagar/plexgo":  oldest,
		"speakeasy-sdk/go 0.11.9 2.409.8 0.0.3 github.com/LukeHagar/plexgo":  oldest,
		"speakeasy-sdk/go 0.11.12 2.415.8 0.0.3 github.com/LukeHagar/plexgo": oldest,
		"speakeasy-sdk/go 0.11.13 2.415.8 0.0.3 github.com/LukeHagar/plexgo": wire.TextEnums,
		"speakeasy-sdk/go 0.11.14 2.416.6 0.0.3 github.com/LukeHagar/plexgo": wire.TextEnums,
		"speakeasy-sdk/go 0.11.15 2.421.3 0.0.3 github.com/LukeHagar/plexgo": 0,
		"speakeasy-sdk/go 0.28.0 2.723.11 1.1.1 github.com/LukeHagar/plexgo": 0,
		"speakeasy-sdk/php 0.7.4 2.407.2 0.0.3 lukehagar/plex-api":           0,
		"speakeasy-sdk/php 0.8.2 2.415.6 0.0.3 lukehagar/plex-api":           wire.TextEnums,
		"speakeasy-sdk/php 0.9.0 2.421.3 0.0.3 lukehagar/plex-api":           0,
		"speakeasy-sdk/ruby 0.3.1 2.415.6 0.0.3 plex_ruby_sdk":               ruby | wire.TextEnums,
		"speakeasy-sdk/ruby 0.4.0 2.421.3 0.0.3 plex_ruby_sdk":               ruby,
		"speakeasy-sdk/ruby 0.17.0 2.698.4 1.0.0 plex_ruby_sdk":              ruby,
		"speakeasy-sdk/csharp 0.3.9 2.409.0 0.0.3 LukeHagar.PlexAPI.SDK":     wire.PreferJSON,
		"speakeasy-sdk/csharp 0.4.0 2.409.8 0.0.3 LukeHagar.PlexAPI.SDK":     wire.PreferJSON | wire.TextEnums,
		"speakeasy-sdk/csharp 0.6.2 2.415.6 0.0.3 LukeHagar.PlexAPI.SDK":     wire.PreferJSON | wire.TextEnums,
		"speakeasy-sdk/csharp 0.19.0 2.723.11 1.1.1 LukeHagar.PlexAPI.SDK":   wire.PreferJSON,
		"speakeasy-sdk/typescript 0.22.9 2.409.8 0.0.3 @lukehagar/plexjs":    0,
		"speakeasy-sdk/typescript 0.23.5 2.415.6 0.0.3 @lukehagar/plexjs":    oldest,
		"speakeasy-sdk/typescript 0.39.0 2.698.4 0.0.3 @lukehagar/plexjs":    0,
		"speakeasy-sdk/python 0.12.0":                                        oldest,

		// Malformed, or of an unknown client.
		"speakeasy-sdk/python 0.12":                         0,
		"speakeasy-sdk/python 0.12.0.1 2.415.6":             0,
		"speakeasy-sdk/python 0.12.0rc1 2.415.6":            0,
		"speakeasy-sdk/python 0.12.-0 2.415.6":              0,
		"speakeasy-sdk/python 0.12.+0 2.415.6":              0,
		"speakeasy-sdk/python 0..0 2.415.6":                 0,
		"speakeasy-sdk/python v0.12.0":                      0,
		"speakeasy-sdk/python  0.12.0":                      0,
		"speakeasy-sdk/python 0.12.18446744073709551616 2.": 0,
		"speakeasy-sdk/python":                              0,
		"speakeasy-sdk/pythonic 0.12.0":                     0,
		"speakeasy-sdk/csharp":                              wire.PreferJSON, // as of every release
		"speakeasy-sdk/csharp main":                         wire.PreferJSON,
		"speakeasy-sdk/ruby 0.17":                           ruby,
		"speakeasy-sdk/typescript 0.23.5-beta.1 2.415.6":    oldest,
		"speakeasy-sdk/typescript 0.39.0+build.7 2.698.4":   0,
		"speakeasy-sdk/csharps 0.4.0":                       0,
		"speakeasy-sdk/rust 0.12.0":                         0,
		"Speakeasy-SDK/python 0.12.0":                       0,
		"speakeasy-sdk/":                                    0,
		"python-requests/2.31":                              0,
		"":                                                  0,
	} {
		if got := wire.VariantOf(userAgent); got != want {
			t.Errorf("%q: got %06b, want %06b", userAgent, got, want)
		}
	}
	if wire.Negotiate("", wire.PreferJSON) != wire.JSON || wire.Negotiate("*/*", wire.PreferJSON) != wire.JSON ||
		wire.Negotiate("application/xml", wire.PreferJSON) != wire.XML {
		t.Error("the C# SDK, which states no wish, needs JSON")
	}
}

// Every request passes through here.
func TestVariantOfAllocates(t *testing.T) {
	for _, userAgent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "", "speakeasy-sdk/python 0.12.0 2.415.6 0.0.3 plex-api-client",
	} {
		if n := testing.AllocsPerRun(100, func() { wire.VariantOf(userAgent) }); n != 0 {
			t.Errorf("%q costs %v allocations", userAgent, n)
		}
	}
}

// request builds a request as a client sends it: "Name: value" lines.
func request(t testing.TB, target string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Del("Accept")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestReadRequest(t *testing.T) {
	for _, test := range []struct {
		name    string
		target  string
		headers []string
		want    wire.Request
	}{
		{"headers", "/", []string{"X-Plex-Token: tok", "x-plex-client-identifier: id", "X-Plex-Product: P", "X-Plex-Device-Name: Zoë's"},
			wire.Request{Token: "tok", Caller: wire.Caller{ClientIdentifier: "id", Product: "P", DeviceName: "Zoë's"}}},
		{"query", "/?X-Plex-Token=tok&X-Plex-Client-Identifier=id&X-Plex-Platform-Version=1%2E2", nil,
			wire.Request{Token: "tok", Caller: wire.Caller{ClientIdentifier: "id", PlatformVersion: "1.2"}}},
		{"a header wins over the query", "/?X-Plex-Token=query", []string{"X-Plex-Token: header"}, wire.Request{Token: "header"}},
		{"an empty header counts as none", "/?X-Plex-Token=query", []string{"X-Plex-Token: "}, wire.Request{Token: "query"}},
		{"nothing", "/", nil, wire.Request{}},
		{"the header accepts does not count", "/", []string{"accepts: application/xml", "Accept: application/json"}, wire.Request{Format: wire.JSON}},
		{"a header twice with the same value", "/", []string{"X-Plex-Token: tok", "X-Plex-Token: tok", "Content-Type: a/b", "Content-Type: a/b"},
			wire.Request{Token: "tok"}},
		{"two lines that a proxy has joined", "/", []string{"X-Plex-Token: tok, tok"}, wire.Request{Token: "tok"}},
		{"three lines that a proxy has joined", "/", []string{"X-Plex-Token: tok,tok ,tok"}, wire.Request{Token: "tok"}},
		// No token has a comma in it: this one is not valid.
		{"two tokens that a proxy has joined", "/", []string{"X-Plex-Token: tok, tok, key"}, wire.Request{Token: "tok, tok, key"}},
		{"a token and an empty one that a proxy has joined", "/", []string{"X-Plex-Token: tok, "}, wire.Request{Token: "tok, "}},
		{"parameters in other cases", "/?x-plex-token=tok&X-PLEX-CLIENT-IDENTIFIER=me&x-Plex-device-NAME=TV&X=1&x=2", nil,
			wire.Request{Caller: wire.Caller{ClientIdentifier: "me", DeviceName: "TV"}, Token: "tok"}},
		{"a parameter twice with the same value, as old Go SDKs send the token", "/?X-Plex-Token=tok&x=1&X-Plex-Token=tok", nil,
			wire.Request{Token: "tok"}},
		// Attack: a name that reorders the text around it, or that looks
		// like another one.
		{"a bidirectional control", "/", []string{"X-Plex-Device-Name: TV\u202egnp", "X-Plex-Product: \u2066Player\u2069"}, wire.Request{Caller: wire.Caller{DeviceName: "TVgnp", Product: "Player"}}},
		{"characters that nobody sees", "/", []string{"X-Plex-Device-Name: T\u200bV\ufeff\u00ad\u3164\u2800\U000e0041"}, wire.Request{Caller: wire.Caller{DeviceName: "TV"}}},
		{"nothing that anybody sees", "/", []string{"X-Plex-Device-Name: \u200b\u3164"}, wire.Request{}},
		{"a stray byte in UTF-8", "/", []string{"X-Plex-Device-Name: B\xc3\xbcro\xff"}, wire.Request{Caller: wire.Caller{DeviceName: "Büro"}}},
		{"a name that is cut within a letter", "/", []string{"X-Plex-Device-Name: B\xc3\xbcro \xc3"},
			wire.Request{Caller: wire.Caller{DeviceName: "Büro "}}},
		{"control characters", "/?X-Plex-Device=a%00b%7F&X-Plex-Model=a%0Ab%C2%9Bc",
			[]string{"X-Plex-Product: a\tb\x7f", "X-Plex-Device-Name: Zo\xeb\x9b"},
			wire.Request{Caller: wire.Caller{Product: "a b", Device: "ab", Model: "a bc", DeviceName: "Zoë"}}},
		{"unknown parameters are ignored", "/?x=1&x=2", nil, wire.Request{}},
		{"Latin-1, as python's requests and fetch send it", "/", []string{"X-Plex-Device-Name: B\xfcro", "X-Plex-Product: caf\xe9"},
			wire.Request{Caller: wire.Caller{DeviceName: "Büro", Product: "café"}}},
		{"Latin-1 in the query", "/?X-Plex-Device-Name=B%FCro", nil, wire.Request{Caller: wire.Caller{DeviceName: "Büro"}}},
		{"a long name is cut", "/", []string{"X-Plex-Device-Name: " + strings.Repeat("x", 256)},
			wire.Request{Caller: wire.Caller{DeviceName: strings.Repeat("x", 255)}}},
		{"a long name is cut between letters", "/", []string{"X-Plex-Device-Name: " + strings.Repeat("é", 200)},
			wire.Request{Caller: wire.Caller{DeviceName: strings.Repeat("é", 127)}}},
		{"a long name in Latin-1 is cut between letters", "/", []string{"X-Plex-Model: " + strings.Repeat("\xe9", 5000)},
			wire.Request{Caller: wire.Caller{Model: strings.Repeat("é", 127)}}},
		{"a very long name in the query is cut", "/?X-Plex-Device=" + strings.Repeat("x", 5000), nil,
			wire.Request{Caller: wire.Caller{Device: strings.Repeat("x", 255)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := wire.ReadRequest(request(t, test.target, test.headers...))
			if err != nil {
				t.Fatal(err)
			}
			got.Query = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		target  string
		headers []string
		field   string
	}{
		"token twice":                 {"/", []string{"X-Plex-Token: a", "X-Plex-Token: b"}, "X-Plex-Token"},
		"content type twice":          {"/", []string{"Content-Type: a/b", "Content-Type: a/c"}, "Content-Type"},
		"token, and an empty one":     {"/?X-Plex-Token=a&X-Plex-Token=", nil, "X-Plex-Token"},
		"a token, control character":  {"/", []string{"X-Plex-Token: a\x7f"}, "X-Plex-Token"},
		"token twice in the query":    {"/?X-Plex-Token=a&X-Plex-Token=b", nil, "X-Plex-Token"},
		"control character":           {"/?X-Plex-Client-Identifier=a%0Ab", nil, "X-Plex-Client-Identifier"},
		"product twice":               {"/?X-Plex-Product=a&X-Plex-Product=b", nil, "X-Plex-Product"},
		"an identifier, Latin-1":      {"/", []string{"X-Plex-Client-Identifier: Zo\xeb"}, "X-Plex-Client-Identifier"},
		"a token, Latin-1":            {"/", []string{"X-Plex-Token: Zo\xeb"}, "X-Plex-Token"},
		"a very long identifier":      {"/", []string{"X-Plex-Client-Identifier: " + strings.Repeat("x", 300)}, "X-Plex-Client-Identifier"},
		"a very long token":           {"/", []string{"X-Plex-Token: " + strings.Repeat("x", 5000)}, "X-Plex-Token"},
		"token twice, in two cases":   {"/?X-Plex-Token=a&x-plex-token=b", nil, "X-Plex-Token"},
		"a bad escape in the query":   {"/?X-Plex-Token=secret%zz", nil, "the query"},
		"a semicolon in the query":    {"/?X-Plex-Token=secret;x", nil, "the query"},
		"a bad escape, JSON accepted": {"/?a=%", []string{"Accept: application/json"}, "the query"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wire.ReadRequest(malformedRequest(t, test.target, test.headers...))
			if fault.KindOf(err) != fault.Invalid || fault.FieldOf(err) != test.field {
				t.Fatalf("error %v, want one about %s", err, test.field)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the sent value: %v", err)
			}
			if wantJSON := slices.Contains(test.headers, "Accept: application/json"); wantJSON != (got.Format == wire.JSON) {
				t.Errorf("the error would be written as %v", got.Format)
			}
		})
	}
}

// malformedRequest is request for a query that net/url rejects.
func malformedRequest(t testing.TB, target string, headers ...string) *http.Request {
	t.Helper()
	r := request(t, "/", headers...)
	_, r.URL.RawQuery, _ = strings.Cut(target, "?")
	return r
}

// The values of a list, in the ways in which a form and JSON write one.
func TestList(t *testing.T) {
	for name, test := range map[string]struct {
		params wire.Params
		want   []string // nil if it is missing
		bad    bool
	}{
		"missing":            {wire.Params{{"url", "a"}, {"urls[x]", "b"}}, nil, false},
		"empty":              {wire.Params{{"urls", ""}}, nil, false},
		"an empty one":       {wire.Params{{"urls[]", "a"}, {"urls[]", ""}, {"urls[]", "b"}}, []string{"a", "b"}, false},
		"the name alone":     {wire.Params{{"urls", "a"}, {"x", "y"}, {"urls", "b"}}, []string{"a", "b"}, false},
		"with brackets":      {wire.Params{{"urls[]", "b"}, {"urls[]", "a"}, {"urls[]", "a"}}, []string{"b", "a", "a"}, false},
		"both":               {wire.Params{{"urls[]", "a"}, {"urls", "b"}}, []string{"a", "b"}, false},
		"a control":          {wire.Params{{"urls[]", "a"}, {"urls[]", "b\n"}}, nil, true},
		"a control of other": {wire.Params{{"urls[]", "a"}, {"others[]", "b\n"}}, []string{"a"}, false},
	} {
		got, err := test.params.List("urls")
		if !slices.Equal(got, test.want) || (err != nil) != test.bad || test.bad && fault.FieldOf(err) != "urls" {
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
		}
	}
}

// The consents of an account, in the format that clients read.
func TestConsents(t *testing.T) {
	for _, test := range []struct {
		body      wire.Body
		json, xml string
	}{
		{
			wire.Privacy{NoPlayback: true},
			`{"optOutPlayback":true,"optOutLibraryStats":false,"domain":"plex.tv","baseUrl":"https://plex.tv","metrics":[]}`,
			`<privacy optOutPlayback="1" optOutLibraryStats="0" domain="plex.tv" baseUrl="https://plex.tv"></privacy>`,
		},
		{
			wire.Privacy{NoLibrary: true},
			`{"optOutPlayback":false,"optOutLibraryStats":true,"domain":"plex.tv","baseUrl":"https://plex.tv","metrics":[]}`,
			`<privacy optOutPlayback="0" optOutLibraryStats="1" domain="plex.tv" baseUrl="https://plex.tv"></privacy>`,
		},
		{wire.ViewStateSync(true), `{"consent":true}`, `<view_state_sync consent="1"></view_state_sync>`},
		{wire.ViewStateSync(false), `{"consent":false}`, `<view_state_sync consent="0"></view_state_sync>`},
	} {
		for format, want := range map[wire.Format]string{wire.JSON: test.json, wire.XML: xml.Header + test.xml} {
			if got, err := test.body.Append(nil, format, 0); err != nil || string(got) != want {
				t.Errorf("%#v is %s, %v, want %s", test.body, got, err, want)
			}
		}
	}
}

func TestBasicCredentials(t *testing.T) {
	for header, want := range map[string]struct {
		login, password string
		ok, bad         bool
	}{
		"":                   {},
		"Basic Og==":         {}, // ":", which old SDKs always send
		"Basic bWlhOnB3":     {login: "mia", password: "pw", ok: true},
		"basic bWlhOnA6dw==": {login: "mia", password: "p:w", ok: true},
		"Bearer bWlhOnB3":    {},
		"Basic":              {},
		"Basic !!!":          {bad: true},
		"Basic bWlh":         {bad: true},
		"Basic //86":         {login: "ÿÿ", ok: true},
		"Basic am/6cDrf":     {login: "joúp", password: "ß", ok: true}, // Latin-1
		"Basic bcOhOsOfw58=": {login: "má", password: "ßß", ok: true},  // UTF-8
		"Basic Ov8=":         {password: "ÿ", ok: true},
		"Basic /w==":         {bad: true}, // no colon
	} {
		login, password, ok, err := wire.BasicCredentials(request(t, "/", "Authorization: "+header))
		if login != want.login || string(password) != want.password || ok != want.ok || (err != nil) != want.bad {
			t.Errorf("%q: got %q, %q, %v, %v", header, login, string(password), ok, err)
		}
	}
}

func TestReadParams(t *testing.T) {
	for _, test := range []struct {
		name, query, contentType, body string
		want                           wire.Params
	}{
		{"form", "", "application/x-www-form-urlencoded", "login=a%40b.c&password=p+w&rememberMe=false&", wire.Params{{"login", "a@b.c"}, {"password", "p w"}, {"rememberMe", "false"}}},
		{"form with a stray byte, which the reader of the field may clean", "", "", "X-Plex-Device-Name=B\xfcro", wire.Params{{"X-Plex-Device-Name", "B\xfcro"}}},
		{"form without a type", "", "", "login=a", wire.Params{{"login", "a"}}},
		{"form with a charset", "", "application/x-www-form-urlencoded; charset=UTF-8", "login=a", wire.Params{{"login", "a"}}},
		{"JSON", "", "application/json", `{"login":"a","rememberMe":true,"verificationCode":123456,"x":null}`, wire.Params{{"login", "a"}, {"rememberMe", "true"}, {"verificationCode", "123456"}, {"x", ""}}},
		{"nested JSON", "", "application/json; charset=utf-8", `{"user":{"login":"a","password":"b"}}`, wire.Params{{"user[login]", "a"}, {"user[password]", "b"}}},
		{"JSON with lists, of which plain values are read", "", "application/json", `{"a":[],"jwk":{"key_ops":["verify",{"b":1}],"kty":"OKP"},"scopes":["x"],"strong":true}`,
			wire.Params{{"jwk[key_ops][]", "verify"}, {"jwk[kty]", "OKP"}, {"scopes[]", "x"}, {"strong", "true"}}},
		{"query", "login=a", "", "", wire.Params{{"login", "a"}}},
		{"a type but no body", "login=a", "application/json", "", wire.Params{{"login", "a"}}},
		{"JSON after a byte order mark", "", "application/json", "\ufeff" + `{"login":"a"}`, wire.Params{{"login", "a"}}},
		{"names of headers in other cases", "", "application/json", `{"x-plex-token":"a","Login":"b"}`, wire.Params{{"X-Plex-Token", "a"}, {"Login", "b"}}},
		{"the same in a form", "", "", "x-plex-client-identifier=a&Login=b", wire.Params{{"X-Plex-Client-Identifier", "a"}, {"Login", "b"}}},
		{"no body as axios writes it", "login=a", "application/json", `""`, wire.Params{{"login", "a"}}},
		{"null for a body", "login=a", "application/json", " null\n", wire.Params{{"login", "a"}}},
		{"an unknown type but no body", "login=a", "application/octet-stream", "", wire.Params{{"login", "a"}}},
		{"the body wins over the query", "login=query&code=1", "", "login=body", wire.Params{{"login", "body"}, {"code", "1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/?"+test.query, strings.NewReader(test.body))
			if test.contentType != "" {
				r.Header.Set("Content-Type", test.contentType)
			}
			req, err := wire.ReadRequest(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wire.ReadParams(r, req.Query, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadParamsRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		contentType, body string
		want              error
	}{
		"too large":             {"", strings.Repeat("x", 2001), fault.New(fault.TooLarge, "the body is larger than the 2000 bytes this request may have")},
		"another type":          {"text/plain", "login=a", errUnsupported},
		"multipart":             {"multipart/form-data; boundary=x", "--x", errUnsupported},
		"an invalid type":       {"/;", "login=a", errUnsupported},
		"not UTF-8":             {"application/json", "{\"login\":\"\xff\"}", malformed("the body", "is not valid UTF-8")},
		"bad escape":            {"", "password=secret%zz", malformed("the form", "cannot be read: it has a bad % escape or a semicolon")},
		"not JSON":              {"application/json", "{secret", malformed("the body", "is not valid JSON")},
		"half JSON":             {"application/json", `{"a":`, malformed("the body", "is not valid JSON")},
		"an array":              {"application/json", `[1]`, notAnObject},
		"a very deep array":     {"application/json", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", notAnObject},
		"objects in an array":   {"application/json", `{"a":[` + strings.Repeat(`{"a":[`, 100), notAnObject},
		"half an array":         {"application/json", `{"a":[1`, malformed("the body", "is not valid JSON")},
		"a text":                {"application/json", `"a"`, notAnObject},
		"two objects":           {"application/json", `{"a":1}{"b":2}`, notAnObject},
		"an object and a brace": {"application/json", `{"a":1}}`, notAnObject},
		"too many in a form":    {"", strings.Repeat("a&", 201), malformed("the form", "has too many parameters")},
		"too many in JSON":      {"application/json", "{" + strings.Repeat(`"a":1,`, 200) + `"a":1}`, malformed("the body", "has too many parameters")},
		"very deep":             {"application/json", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), notAnObject},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			if test.contentType != "" {
				r.Header.Set("Content-Type", test.contentType)
			}
			_, err := wire.ReadParams(r, nil, 2000)
			if diff := cmp.Diff(test.want, err, cmpopts.IgnoreUnexported(fault.Error{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// A compressed body is not read as plain text: it is an error. If no body is needed, it is
// ignored.
func TestEncodedBodies(t *testing.T) {
	for coding, refused := range map[string]bool{"": false, "identity": false, "Identity": false, "gzip": true, "br": true, "gzip, identity": true} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a=body"))
		r.Header.Set("Content-Encoding", coding)
		if _, err := wire.ReadParams(r, nil, 2000); (fault.KindOf(err) == fault.Unsupported) != refused {
			t.Errorf("%q: %v", coding, err)
		}
		query := wire.Params{{"a", "query"}}
		r = httptest.NewRequest(http.MethodGet, "/", strings.NewReader("a=body"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Content-Encoding", coding)
		got, err := wire.ReadOptionalParams(r, query, 2000)
		if want := map[bool]string{false: "body", true: "query"}[refused]; err != nil || len(got) != 1 || got[0].Value != want {
			t.Errorf("%q, where no body is needed: %v, %v", coding, got, err)
		}
		r = httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Header.Set("Content-Encoding", coding)
		if _, err := wire.ReadParams(r, query, 2000); err != nil {
			t.Errorf("%q without a body: %v", coding, err)
		}
	}
}

// A request that needs no body can have any, and its form is read.
func TestReadOptionalParams(t *testing.T) {
	large := strings.Repeat("x", 2001)
	for name, test := range map[string]struct {
		contentType, body string
		want              wire.Params
		kind              fault.Kind
	}{
		"a form":                    {"application/x-www-form-urlencoded", "a=body", wire.Params{{"a", "body"}, {"b", "query"}}, 0},
		"JSON":                      {"application/json; charset=utf-8", `{"a":"body"}`, wire.Params{{"a", "body"}, {"b", "query"}}, 0},
		"a form without a type":     {"", "a=body", wire.Params{{"a", "body"}, {"b", "query"}}, 0},
		"no body":                   {"", "", wire.Params{{"a", "query"}, {"b", "query"}}, 0},
		"text":                      {"text/plain", "a=body", wire.Params{{"a", "query"}, {"b", "query"}}, 0},
		"an invalid type":           {"/;", "a=body", wire.Params{{"a", "query"}, {"b", "query"}}, 0},
		"no form":                   {"", "%zz", wire.Params{{"a", "query"}, {"b", "query"}}, 0},
		"too much of no type":       {"", large, wire.Params{{"a", "query"}, {"b", "query"}}, 0},
		"too large a form":          {"application/x-www-form-urlencoded", large, nil, fault.TooLarge},
		"too large JSON":            {"application/json", large, nil, fault.TooLarge},
		"an invalid form":           {"application/x-www-form-urlencoded", "%zz", nil, fault.Invalid},
		"invalid JSON":              {"application/json", "{", nil, fault.Invalid},
		"a form with too many keys": {"application/x-www-form-urlencoded", strings.Repeat("a&", 201), nil, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(test.body))
			if test.contentType != "" {
				r.Header.Set("Content-Type", test.contentType)
			}
			got, err := wire.ReadOptionalParams(r, wire.Params{{"a", "query"}, {"b", "query"}}, 2000)
			if fault.KindOf(err) != test.kind {
				t.Errorf("error %v, want one of kind %v", err, test.kind)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func malformed(field, problem string) error {
	return fault.Invalidf(field, "%s %s", field, problem)
}

var errUnsupported = fault.New(fault.Unsupported,
	"the body's Content-Type is neither application/x-www-form-urlencoded nor application/json")

var notAnObject = malformed("the body", "is not one JSON object of plain values")

// A body without a Content-Length has the same limit.
func TestReadParamsEndlessBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(endless{}, 1<<40))
	r.ContentLength = -1
	if _, err := wire.ReadParams(r, nil, 1000); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("error %v, want one of kind TooLarge", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestParams(t *testing.T) {
	p := wire.Params{{"twice", "a"}, {"twice", "b"}, {"same", "1"}, {"same", "1"}, {"empty", ""}, {"t", "True"}, {"f", "0"}, {"odd", "yes"}, {"control", "a\x01"}}
	for name, want := range map[string]bool{"t": true, "f": false, "empty": false, "absent": false, "same": true} {
		if got, err := p.Bool(name); err != nil || got != want {
			t.Errorf("Bool(%s) = %v, %v", name, got, err)
		}
	}
	if _, err := p.Bool("odd"); err == nil {
		t.Error("yes is taken for a boolean")
	}
	for _, name := range []string{"twice", "control"} {
		if _, err := p.Text(name); err == nil {
			t.Errorf("Text(%s) is accepted", name)
		}
	}
}

// encode writes a body and fails the test unless it is well-formed.
func encode(t testing.TB, b wire.Body, f wire.Format, v wire.Variant) []byte {
	t.Helper()
	got, err := b.Append(nil, f, v)
	if err != nil {
		t.Fatal(err)
	}
	if f == wire.JSON {
		if !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
		return got
	}
	for dec := xml.NewDecoder(bytes.NewReader(got)); ; {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v: %s", err, got)
		}
	}
	return got
}

var joined = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func accountBody(t testing.TB) wire.Body {
	t.Helper()
	page := wire.NewAccount(wire.Person{
		ID: 12345, UUID: "0123456789abcdef", Username: "mia", Title: `M<i>a & "co"`, Email: "mia@example.org", JoinedAt: joined, HasPassword: true,
	}).Page()
	return page.With("jx9nTbVbHk1gMabcdefg", "http://h/a", joined)
}

// accountKeys are the keys that one client or another fails without.
var accountKeys = []string{
	"adsConsent", "adsConsentReminderAt", "adsConsentSetAt", "anonymous", "attributionPartner", "authToken",
	"backupCodesCreated", "confirmed", "country", "email", "emailOnlyAuth", "entitlements", "experimentalFeatures",
	"friendlyName", "guest", "hasPassword", "home", "homeAdmin", "homeSize", "id", "joinedAt", "locale",
	"mailingListActive", "mailingListStatus", "maxHomeSize", "pastSubscriptions", "profile", "protected",
	"rememberExpiresAt", "restricted", "roles", "scrobbleTypes", "services", "subscription",
	"subscriptionDescription", "subscriptions", "thumb", "title", "trials", "twoFactorEnabled", "username", "uuid",
}

func TestAccountJSON(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(encode(t, accountBody(t), wire.JSON, 0), &got); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for k := range got {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if diff := cmp.Diff(accountKeys, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	for key, want := range map[string]any{
		"id": 12345.0, "title": `M<i>a & "co"`, "authToken": "jx9nTbVbHk1gMabcdefg", "anonymous": nil, "hasPassword": true,
		"joinedAt": 1767323045.0, "rememberExpiresAt": 1768532645.0, "trials": []any{}, "mailingListStatus": "unsubscribed",
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestAccountVariants(t *testing.T) {
	if got := encode(t, accountBody(t), wire.JSON, wire.NoNulls); strings.Contains(strings.ReplaceAll(string(got), `Languages":null`, ""), "null") {
		t.Errorf("a null is left for the Ruby SDK: %s", got)
	}
	var old struct{ Profile map[string]any }
	if err := json.Unmarshal(encode(t, accountBody(t), wire.JSON, wire.TextEnums), &old); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"autoSelectSubtitle": "0", "defaultSubtitleAccessibility": "0", "defaultSubtitleForced": "0", "watchedIndicator": "1",
		"mediaReviewsVisibility": 0.0,
	} {
		if old.Profile[name] != want {
			t.Errorf("the SDKs of 2024 cannot read %s = %#v", name, old.Profile[name])
		}
	}
	// Whatever traits meet in one caller, it gets an account.
	for v := range wire.Variant(1 << 6) {
		got := string(encode(t, accountBody(t), wire.JSON, v))
		if v&wire.NoNulls != 0 && strings.Contains(got, `"locale":null`) || (v&wire.TextEnums != 0) != strings.Contains(got, `"watchedIndicator":"1"`) {
			t.Errorf("variant %06b gets %s", v, got)
		}
	}
}

// python-plexapi needs the token and scrobbleTypes as attributes, the elements
// subscription and profile, and 0 or 1 for every boolean.
func TestAccountXML(t *testing.T) {
	var got struct {
		XMLName      xml.Name   `xml:"user"`
		Attrs        []xml.Attr `xml:",any,attr"`
		Subscription *struct {
			Active string `xml:"active,attr"`
		} `xml:"subscription"`
		Profile *struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"profile"`
	}
	if err := xml.Unmarshal(encode(t, accountBody(t), wire.XML, 0), &got); err != nil {
		t.Fatal(err)
	}
	attrs := map[string]string{}
	for _, a := range got.Attrs {
		attrs[a.Name.Local] = a.Value
	}
	for name, want := range map[string]string{
		"authToken": "jx9nTbVbHk1gMabcdefg", "scrobbleTypes": "", "id": "12345", "title": `M<i>a & "co"`,
		"hasPassword": "1", "guest": "0", "rememberExpiresAt": "1768532645",
	} {
		if v, ok := attrs[name]; !ok || v != want {
			t.Errorf("%s = %q (there: %v), want %q", name, v, ok, want)
		}
	}
	if got.Subscription == nil || got.Subscription.Active != "0" || got.Profile == nil || len(got.Profile.Attrs) < 7 {
		t.Errorf("subscription %+v, profile %+v", got.Subscription, got.Profile)
	}
}

// An account's JSON is assembled from texts that are encoded once for all accounts. It is
// what encoding/json makes of the account.
func TestAccountJSONIsStandard(t *testing.T) {
	texts := []string{"", "mia", "Zoë 日本", `"\\`, "<b>&amp;", "a\u2028b\x00\n\x7f", "\xff", `","title":"x`, `{"id":0}`}
	var people []wire.Person
	for i, text := range texts {
		odd := i%2 == 1
		people = append(people, wire.Person{
			ID: int64(i) << 30, UUID: text, Username: texts[(i+1)%len(texts)], Title: texts[(i+2)%len(texts)], Email: texts[(i+3)%len(texts)],
			FriendlyName: texts[(i+4)%len(texts)], Confirmed: odd, JoinedAt: joined.AddDate(-30*i, 0, 0), HasPassword: !odd,
			TwoFactorEnabled: i%3 == 0, BackupCodes: i%3 == 1,
			House: wire.House{Home: odd, Admin: i%3 == 2, Size: i, Restricted: i%4 == 0, Guest: i%4 == 1, Protected: i%4 == 2},
		})
	}
	for _, p := range people {
		for _, v := range []wire.Variant{0, wire.NoNulls, wire.TextEnums, wire.NoNulls | wire.TextEnums} {
			a := wire.NewAccount(p)
			want, err := json.Marshal(wire.InVariant(a, v))
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, a.Page().With("tok", "", joined), wire.JSON, v)
			if before, _, _ := strings.Cut(string(got), `,"rememberExpiresAt":`); before+"}" != string(want) {
				t.Errorf("variant %b:\n%s}, want\n%s", v, before, want)
			}
		}
	}
}

// An account is encoded once for many answers.
func TestAccountIsEncodedOnce(t *testing.T) {
	for _, f := range []wire.Format{wire.JSON, wire.XML} {
		write := func(page *wire.AccountPage) {
			if _, err := page.With("tok", "", joined).Append(nil, f, 0); err != nil {
				t.Fatal(err)
			}
		}
		page := wire.NewAccount(wire.Person{}).Page()
		once := testing.AllocsPerRun(10, func() { write(wire.NewAccount(wire.Person{}).Page()) })
		if again := testing.AllocsPerRun(10, func() { write(page) }); again > once/2 {
			t.Errorf("format %v: the first answer costs %v allocations, and each further one %v", f, once, again)
		}
	}
}

// The token can be read back from an account's page with any contents.
func TestAccountEscapesToken(t *testing.T) {
	page := wire.NewAccount(wire.Person{}).Page()
	const odd = "\"</user>&\\<"
	for _, f := range []wire.Format{wire.JSON, wire.XML} {
		got := encode(t, page.With(odd, "", joined), f, 0)
		var read struct {
			AuthToken string `json:"authToken" xml:"authToken,attr"`
		}
		unmarshal := xml.Unmarshal
		if f == wire.JSON {
			unmarshal = json.Unmarshal
		}
		err := unmarshal(got, &read)
		if err != nil || read.AuthToken != odd {
			t.Errorf("format %v: token %q, error %v", f, read.AuthToken, err)
		}
	}
}

var den = wire.Resource{
	Name: "Den", Product: "Plex Media Server", ClientIdentifier: "m1", CreatedAt: joined, LastSeenAt: joined.Add(time.Millisecond),
	Provides: "server", AccessToken: "tok", Owned: true, PublicAddress: "192.0.2.1", PublicAddressMatches: true,
	Platform: "Linux", PlatformVersion: "6", Device: "PC",
	Connections: []wire.Connection{{Protocol: "http", Address: "192.168.1.5", Port: 32400, URI: "http://192.168.1.5:32400", Local: true}},
}

func TestResourcesJSON(t *testing.T) {
	const want = `[{"name":"Den","product":"Plex Media Server","productVersion":"","platform":"Linux","platformVersion":"6",` +
		`"device":"PC","clientIdentifier":"m1","createdAt":"2026-01-02T03:04:05Z","lastSeenAt":"2026-01-02T03:04:05Z",` +
		`"provides":"server","ownerId":null,"sourceTitle":null,"publicAddress":"192.0.2.1","accessToken":"tok","owned":true,` +
		`"home":false,"synced":false,"relay":false,"presence":true,"httpsRequired":false,"publicAddressMatches":true,` +
		`"dnsRebindingProtection":false,"natLoopbackSupported":false,"connections":[{"protocol":"http","address":"192.168.1.5",` +
		`"port":32400,"uri":"http://192.168.1.5:32400","local":true,"relay":false,"IPv6":false}]}]`
	if diff := cmp.Diff(want, string(encode(t, wire.Resources{den}, wire.JSON, 0))); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if got := string(encode(t, wire.Resources(nil), wire.JSON, 0)); got != "[]" {
		t.Errorf("no resources are %s: an array must never be null", got)
	}
	bare := den
	bare.Connections = nil
	if got := string(encode(t, wire.Resources{bare}, wire.JSON, 0)); !strings.Contains(got, `"connections":[]`) {
		t.Errorf("no connections are %s", got)
	}
	if got := string(encode(t, wire.Resources{den}, wire.JSON, wire.NoNulls)); strings.Contains(got, "null") {
		t.Errorf("a null is left for the Ruby SDK: %s", got)
	}
	if got := string(encode(t, wire.Resources{den}, wire.JSON, wire.FractionTimes)); !strings.Contains(got, `"lastSeenAt":"2026-01-02T03:04:05.001Z"`) ||
		!strings.Contains(got, `"createdAt":"2026-01-02T03:04:05.000Z"`) {
		t.Errorf("a time without its fraction is left for the Ruby SDK: %s", got)
	}
}

func sourceBody(t testing.TB, list []wire.Connection) wire.Body {
	t.Helper()
	page, err := wire.SourceDevice{Name: "Den", ClientIdentifier: "m1", Connection: list}.Page()
	if err != nil {
		t.Fatal(err)
	}
	return page.With("tok")
}

func TestResourcesXML(t *testing.T) {
	for name, test := range map[string]struct {
		body wire.Body
		want []string
	}{
		"version 2": {wire.Resources{den}, []string{`<resources><resource name="Den"`, `createdAt="2026-01-02T03:04:05Z"`, `owned="1"`,
			`<connections><connection protocol="http" address="192.168.1.5" port="32400" uri="http://192.168.1.5:32400" local="1" relay="0" IPv6="0">`}},
		"version 1": {wire.LegacyResources{Resources: []wire.Resource{den}}, []string{`<MediaContainer size="1"><Device name="Den"`, `createdAt="1767323045"`, `<Connection protocol="http"`}},
		"devices": {wire.Devices{PublicAddress: "192.0.2.1", Devices: []wire.Device{{ID: 7, Name: "TV"}}}, []string{
			`<MediaContainer publicAddress="192.0.2.1" size="1"><Device name="TV"`, `id="7" token=""`}},
		"source": {sourceBody(t, den.Connections), []string{
			`<MediaContainer size="1"><Device accessToken="tok" name="Den" clientIdentifier="m1"><Connection protocol="http"`}},
		"transient token": {wire.TransientToken{Token: "transient-x", ExpiresAt: joined}, []string{`<MediaContainer size="0" token="transient-x" expiresAt="1767323045">`}},
		"identity": {wire.Identity{Claimed: true, MachineIdentifier: "m1", Version: "1.2"}, []string{
			`<MediaContainer size="0" claimed="1" machineIdentifier="m1" version="1.2">`}},
		"pong": {wire.Pong{}, []string{`<pong>true</pong>`}},
		"legacy account": {wire.LegacyAccount{Person: wire.Person{Username: "mia", HasPassword: true, JoinedAt: joined}, Token: "tok"}, []string{
			`authenticationToken="tok"`, `authToken="tok"`, `hasPassword="true"`, `<authentication-token>tok</authentication-token>`,
			`<joined-at type="datetime">2026-01-02 03:04:05 UTC</joined-at>`}},
		"error": {wire.Error{Code: 1029, Message: "Please enter the verification code", Status: 401}, []string{
			`<errors><error code="1029" message="Please enter the verification code" status="401">`}},
	} {
		got := string(encode(t, test.body, wire.XML, 0))
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s\nis not in\n%s", name, want, got)
			}
		}
		// A client reads these attributes as booleans, so they must not be empty.
		for _, boolean := range []string{"owned", "home", "synced", "relay", "local", "presence", "claimed", "IPv6", "httpsRequired"} {
			if strings.Contains(got, " "+boolean+`=""`) {
				t.Errorf("%s: %s is empty", name, boolean)
			}
		}
	}
}

func TestMediaPlaneJSON(t *testing.T) {
	for name, test := range map[string]struct {
		body wire.Body
		want string
	}{
		"token": {wire.TransientToken{Token: "transient-x", ExpiresAt: joined}, `{"MediaContainer":{"size":0,"token":"transient-x","expiresAt":1767323045}}`},
		"source": {sourceBody(t, nil),
			`{"MediaContainer":{"size":1,"Device":{"name":"Den","clientIdentifier":"m1","Connection":[],"accessToken":"tok"}}}`},
		"identity": {wire.Identity{Claimed: true, MachineIdentifier: "m1", Version: "1.2"},
			`{"MediaContainer":{"size":0,"claimed":true,"machineIdentifier":"m1","version":"1.2"}}`},
		"error": {wire.Error{Code: 1001, Message: "no", Status: 401}, `{"errors":[{"code":1001,"message":"no","status":401}]}`},
		"pong":  {wire.Pong{}, `{"pong":true}`},
	} {
		if diff := cmp.Diff(test.want, string(encode(t, test.body, wire.JSON, 0))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// @ctrl/plex splits ownerFeatures; plexjs accepts no null for any of them.
	got := string(encode(t, wire.Server{FriendlyName: "usher"}, wire.JSON, 0))
	if !strings.Contains(got, `"ownerFeatures":""`) || strings.Contains(got, "null") {
		t.Errorf("the root is %s", got)
	}
}

// A request that is printed, by mistake or in a panic, does not reveal its token.
func TestRequestDoesNotPrint(t *testing.T) {
	r, err := wire.ReadRequest(request(t, "/", "X-Plex-Token: secret-token"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %+v %#v", r, r, r); strings.Contains(got, "secret") {
		t.Errorf("it prints %s", got)
	}
}

// For any headers and query, ReadRequest returns clean text, or an error that does
// not repeat the input.
func FuzzReadRequest(f *testing.F) {
	f.Add("application/json", "tok", "X-Plex-Token=tok&X-Plex-Client-Identifier=id")
	f.Add("*/*;q=0.1", "", "a=%zz")
	f.Add("", "\x00", ";")
	f.Add("", "B\xfcro", "X-Plex-Product=B%FCro")
	f.Add("", "\x9b", "X-Plex-Product=%C2%9B")
	f.Add("", strings.Repeat("é", 200), "X-Plex-Product="+strings.Repeat("%E9", 200))
	f.Fuzz(func(t *testing.T, accept, header, query string) {
		for _, name := range []string{"X-Plex-Client-Identifier", "X-Plex-Device-Name"} {
			r := malformedRequest(t, "/?"+query)
			r.Header["Accept"] = []string{accept}
			r.Header[name] = []string{header}
			readClean(t, r)
		}
	})
}

// readClean reads a request, and checks the result or the error.
func readClean(t *testing.T, r *http.Request) {
	t.Helper()
	got, err := wire.ReadRequest(r)
	if err != nil {
		if kind := fault.KindOf(err); kind != fault.Invalid {
			t.Errorf("error %v of kind %v", err, kind)
		}
		return
	}
	for _, text := range []string{got.ClientIdentifier, string(got.Token), got.Product, got.DeviceName} {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n\x7f") {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, text := range []string{got.Product, got.DeviceName} {
		if len(text) > 255 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%q is accepted", text)
		}
	}
}

// For any body of a sign-in, the parameters are clean or rejected, and the accepted
// ones can be sent back in valid XML and JSON.
func FuzzParseBody(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("login=a%40b.c&password=p+w&rememberMe=false&"))
	f.Add("application/json", []byte(`{"user":{"login":"a","password":"b"},"rememberMe":true}`))
	f.Add("application/json", []byte(`{"a":1,"a":2}`))
	f.Add("application/json", []byte(`""`))
	f.Add("application/json", []byte(`{"jwk":{"key_ops":["verify"]},"scopes":[[{"a":[]}],1],"strong":true}`))
	f.Add("text/plain", []byte("x"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		p, err := wire.ParseBody(contentType, body)
		if err != nil {
			return
		}
		for _, param := range p {
			text, err := p.Text(param.Name)
			if err != nil {
				continue
			}
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") {
				t.Errorf("%q is accepted", text)
			}
			page := wire.NewAccount(wire.Person{Username: text}).Page()
			for _, f := range []wire.Format{wire.JSON, wire.XML} {
				encode(t, page.With(plexauth.Secret(text), text, joined), f, 0)
			}
		}
	})
}

// A query is parsed like the standard library does.
func FuzzQuery(f *testing.F) {
	f.Add("a=1&b=2&a=3&&c&=d&e=%20+%zz;")
	f.Add(strings.Repeat("x=y&", 40))
	f.Fuzz(func(t *testing.T, raw string) {
		want, wantErr := url.ParseQuery(raw)
		got, err := wire.ParseBody("application/x-www-form-urlencoded", []byte(raw))
		if !utf8.ValidString(raw) || strings.Count(raw, "&") >= 200 {
			return // rejected before it is parsed
		}
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q: error %v, the standard library's %v", raw, err, wantErr)
		}
		if err == nil {
			values := url.Values{}
			for _, param := range got {
				values.Add(param.Name, param.Value)
			}
			if diff := cmp.Diff(want, values); diff != "" {
				t.Errorf("%q (-standard library +got):\n%s", raw, diff)
			}
		}
	})
}

// Negotiation returns one of the two formats for any input.
func FuzzNegotiate(f *testing.F) {
	f.Add("application/json;q=0.5, */*;q=1")
	f.Add(",;=,q=")
	f.Fuzz(func(t *testing.T, accept string) {
		if got := wire.Negotiate(accept, 0); got != wire.JSON && got != wire.XML {
			t.Errorf("format %v", got)
		}
		if !strings.Contains(strings.ToLower(accept), "json") && wire.Negotiate(accept, 0) != wire.XML {
			t.Errorf("%q results in JSON", accept)
		}
	})
}

// A user agent counts only if it is one of an SDK, and nothing
// after the SDK's version does.
func FuzzVariantOf(f *testing.F) {
	wellFormed := regexp.MustCompile(`^(speakeasy-sdk/[a-z]+ [0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9})(?:[-+][^ ]*)?(?s: .*)?$`)
	f.Add("speakeasy-sdk/python 0.12.0 2.415.6 0.0.3 plex-api-client")
	f.Add("speakeasy-sdk/go 0.11.012")
	f.Add("speakeasy-sdk/ruby 4294967295.4294967296.99999999999999999999 x")
	f.Add("speakeasy-sdk/csharp ٠.4.0")
	f.Fuzz(func(t *testing.T, userAgent string) {
		got := wire.VariantOf(userAgent)
		m := wellFormed.FindStringSubmatch(userAgent)
		if m == nil {
			if got&^(wire.PreferJSON|wire.NoNulls|wire.FractionTimes) != 0 { // which every release of a language gets
				t.Errorf("%q, which is malformed, gives %06b", userAgent, got)
			}
			return
		}
		if bare := wire.VariantOf(m[1]); got != bare {
			t.Errorf("%q: got %06b, and %q: got %06b", userAgent, got, m[1], bare)
		}
	})
}
