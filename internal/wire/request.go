package wire

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/glyph"
	"github.com/usher-auth/usher/plexauth"
)

// The maximum size in bytes of a client identifier, and of the stored part of a
// caller's description. A token can be longer, like a JWT.
const (
	maxIdentity = 255
	maxToken    = 4096
)

// tokenName is the name of the header or parameter with the token.
const tokenName = "X-Plex-Token"

// Caller describes the program that sent a request.
type Caller struct {
	ClientIdentifier string // X-Plex-Client-Identifier, unique to the installation
	Product          string // X-Plex-Product, the name of the program
	Version          string // X-Plex-Version, of the program
	Platform         string // X-Plex-Platform, such as a browser or a system
	PlatformVersion  string // X-Plex-Platform-Version
	Device           string // X-Plex-Device, the kind of device
	Model            string // X-Plex-Model
	DeviceVendor     string // X-Plex-Device-Vendor
	DeviceName       string // X-Plex-Device-Name, chosen by the user
}

// Request is the part that every request has in common.
type Request struct {
	Caller
	// Token is the caller's token, or empty.
	Token plexauth.Secret
	// Format and Variant are the form of the response. They are set even if
	// ReadRequest fails, so that the error can be sent.
	Format  Format
	Variant Variant // shapes that the client needs
	// Query holds the query parameters. It can be nil.
	Query Params
}

// ReadRequest reads the identity, the token and the response format from headers
// and query. A header takes precedence over a query parameter of the same name:
// some clients send their token both ways. An empty token counts as absent, and so
// does an empty "Authorization: Basic" (old SDKs send both).
//
// The error's kind is fault.Invalid.
func ReadRequest(r *http.Request) (req Request, err error) {
	req.Variant = VariantOf(header(r, "User-Agent"))
	req.Format = Negotiate(accepted(r), req.Variant)
	for _, name := range [...]string{"Authorization", "Content-Type"} {
		if _, err := single(name, r.Header[name]); err != nil {
			return req, err
		}
	}
	if r.URL.RawQuery != "" {
		if req.Query, err = parseQuery("the query", r.URL.RawQuery); err != nil {
			return req, err
		}
	}
	var identity Params // the query, if it contains any part of the identity
	if slices.ContainsFunc(req.Query, func(p Param) bool { return ofCaller(p.Name) }) {
		identity = req.Query
	}
	for _, f := range req.fields() {
		value, err := find(r, identity, f.name)
		if err == nil {
			*f.into, err = f.check(f.name, value)
		}
		if err != nil {
			return req, err
		}
	}
	token, err := field(r, identity, tokenName, maxToken)
	req.Token = plexauth.Secret(once(token))
	return req, err
}

// once returns the token of a list that repeats it: some proxies join the lines of a
// header with commas (RFC 9110, section 5.3), and old SDKs send two lines. No token has
// a comma in it.
func once(text string) string {
	token, rest, more := strings.Cut(text, ",")
	for more {
		var next string
		if next, rest, more = strings.Cut(rest, ","); strings.TrimSpace(next) != token {
			return text
		}
	}
	return token
}

// callerField is one field of a caller.
type callerField struct {
	name  string
	into  *string
	check func(name, value string) (string, error)
}

func (c *Caller) fields() [9]callerField {
	return [...]callerField{
		{"X-Plex-Client-Identifier", &c.ClientIdentifier, identifier},
		{"X-Plex-Product", &c.Product, description},
		{"X-Plex-Version", &c.Version, description},
		{"X-Plex-Platform", &c.Platform, description},
		{"X-Plex-Platform-Version", &c.PlatformVersion, description},
		{"X-Plex-Device", &c.Device, description},
		{"X-Plex-Model", &c.Model, description},
		{"X-Plex-Device-Vendor", &c.DeviceVendor, description},
		{"X-Plex-Device-Name", &c.DeviceName, description},
	}
}

// Complete reads from a body's parameters what headers and query do not contain:
// programs that follow the published descriptions send their identity and their
// token as a form, even with GET. The error's kind is fault.Invalid.
func (r *Request) Complete(body Params) error {
	if err := r.Caller.Complete(body); err != nil || r.Token != "" {
		return err
	}
	text, err := body.find(tokenName)
	if err == nil {
		text, err = checkText(tokenName, text, maxToken)
	}
	r.Token = plexauth.Secret(text)
	return err
}

// Complete is Request.Complete for the caller's description.
func (c *Caller) Complete(body Params) error {
	for _, f := range c.fields() {
		if *f.into != "" || !body.Has(f.name) {
			continue
		}
		value, err := body.find(f.name)
		if err == nil {
			*f.into, err = f.check(f.name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// accepted returns the Accept header. Several lines form one list (RFC 9110, section
// 5.3).
func accepted(r *http.Request) string {
	if lines := r.Header["Accept"]; len(lines) > 1 {
		return strings.Join(lines, ",")
	}
	return header(r, "Accept")
}

// field reads a header or, if it is absent, the query parameter of that name.
func field(r *http.Request, query Params, name string, most int) (string, error) {
	value, err := find(r, query, name)
	if err != nil {
		return "", err
	}
	return checkText(name, value, most)
}

// find is field without validation of the value.
func find(r *http.Request, query Params, name string) (string, error) {
	value, err := single(name, r.Header[name])
	if err != nil || value != "" || query == nil {
		return value, err
	}
	return query.find(name)
}

// single returns the value that all of a header's lines have. Old SDKs send a
// value twice. Different values are rejected: two programs could read two
// different ones.
func single(name string, values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return "", errTwice(name)
		}
	}
	return values[0], nil
}

func errTwice(name string) error { return malformed(name, "is given twice") }

// header returns a header's first value. The name is in canonical form.
func header(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// BasicCredentials returns the login and password of an Authorization: Basic
// header, which the legacy sign-in accepts, and whether there is one. One that
// is empty ("Basic Og==") counts as absent. Invalid UTF-8 is decoded as Latin-1, which
// python-requests sends.
func BasicCredentials(r *http.Request) (login string, password plexauth.Secret, ok bool, err error) {
	const field = "the Authorization header"
	scheme, encoded, found := strings.Cut(header(r, "Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return "", "", false, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false, malformed(field, "is not valid Basic authentication")
	}
	text := string(decoded)
	if !utf8.ValidString(text) {
		text = latin1(text)
	}
	login, pass, found := strings.Cut(text, ":")
	if !found {
		return "", "", false, malformed(field, "is not valid Basic authentication")
	}
	return login, plexauth.Secret(pass), login != "" || pass != "", nil
}

// identifier checks a client identifier. Access depends on it, so it is accepted
// unchanged or rejected.
func identifier(name, value string) (string, error) { return checkText(name, value, maxIdentity) }

// description cleans a caller's description of itself. It is only informative, so no
// request fails for the name of a device: invalid UTF-8 is decoded as Latin-1 or removed,
// invisible characters are removed, and long texts are truncated.
func description(_, value string) (string, error) {
	if isPrintableASCII(value) {
		return truncate(value, maxIdentity), nil
	}
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case glyph.Invisible(r):
			return -1
		}
		return r
	}, readable(value[:min(len(value), maxToken)]))
	return truncate(value, maxIdentity), nil
}

// readable returns text as UTF-8. If part of it is UTF-8 beyond ASCII, the bytes
// that are not are stray, such as half a character where a program has cut a
// name. Otherwise it is Latin-1, as python-requests, node and browsers send the
// text of a header.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	valid := strings.ToValidUTF8(s, "")
	if strings.ContainsFunc(valid, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return valid
	}
	return latin1(s)
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// latin1 decodes text in which each byte is a character.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// truncate shortens a text to a number of bytes, between two characters.
func truncate(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// checkText rejects text that no caller intends to send: bytes that are not UTF-8,
// control characters, and more than most bytes.
func checkText(field, s string, most int) (string, error) {
	if len(s) > most {
		return "", malformed(field, "is too long")
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f {
			return "", malformed(field, "has a control character in it")
		}
	}
	if !utf8.ValidString(s) {
		return "", malformed(field, "is not valid UTF-8")
	}
	return s, nil
}

// parseQuery reads a query string or a form body, as url.ParseQuery does. The
// error's kind is fault.Invalid; it does not repeat any of the input.
func parseQuery(field, raw string) (Params, error) {
	n := strings.Count(raw, "&") + 1
	if n > maxParams {
		return nil, errTooMany(field)
	}
	params := make(Params, 0, n)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil || strings.Contains(pair, ";") {
			return nil, malformed(field, "cannot be read: it has a bad % escape or a semicolon")
		}
		params = append(params, Param{canonical(name), value})
	}
	return params, nil
}
