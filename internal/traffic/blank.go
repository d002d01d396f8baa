package traffic

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// blank replaces a secret.
const blank = "…"

// blanker removes secrets from texts. A secret is a value with a name such as "token"
// in a header, a query, a form, JSON or XML. Once it is known, it is removed
// everywhere, in any encoding.
type blanker struct {
	secrets map[string]bool
	all     *strings.Replacer // built on first use
}

func newBlanker(secrets []string) *blanker {
	b := &blanker{secrets: make(map[string]bool)}
	for _, s := range secrets {
		b.know(s)
	}
	return b
}

// Secrets shorter than this are removed only next to their names: elsewhere, parts of
// words could be equal to them. The code of a PIN has four characters.
const minSecret = 8

// know adds a secret.
func (b *blanker) know(value string) {
	if len(value) >= minSecret && value != blank {
		b.secrets[value] = true
	}
}

// secretName matches names of secrets, in lower case and without dashes and
// underscores.
var secretName = regexp.MustCompile(`token|password|passwd|secret|authorization|cookie|jwt|signature|credential|otp|code$|pin$|proof$|^qr$`)

// isSecret reports whether a value with a name is a secret.
func isSecret(name string) bool {
	if name == errorCode {
		return false
	}
	return secretName.MatchString(plainName(name))
}

// errorCode begins an error in XML. Its code attribute is a number and not a secret,
// unlike the code of a PIN.
const errorCode = "<error code"

// plainName is a name without what separates its words.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// Values of JSON and XML with their names. A number may be a PIN or a code that a
// program sends. As "code", it is that of an error.
var (
	jsonNumber = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*:\s*)(-?\d[\d.eE+-]*)`)
	// parameter is one of a URL, in whatever that stands: & may be escaped.
	parameter  = regexp.MustCompile(`(?:[?&#;]|\\u0026)([\w.%\[\]-]+)=([^&#;\s"'<>\\]+)`)
	jsonValue  = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*:\s*)"((?:[^"\\]|\\.)*)"`)
	xmlValue   = regexp.MustCompile(`(` + errorCode + `|[\w:.-]+)(\s*=\s*)"([^"]*)"`)
	xmlElement = regexp.MustCompile(`<([\w:.-]+)((?:\s[^<>]*)?>)([^<>]+)</`)
	// looksSecret matches JWTs and transient tokens, wherever they are.
	looksSecret = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*|transient-[\w-]+`)
)

// learn adds the secrets of an exchange.
func (b *blanker) learn(x *exchange) {
	for _, h := range []map[string][]string{x.request.Header, x.header} {
		for name, values := range h {
			for _, value := range values {
				b.learnHeader(name, value)
				b.learnURLs(value)
			}
		}
	}
	_, query, _ := strings.Cut(x.request.URL.RequestURI(), "?")
	b.learnForm(query)
	b.learnBody(x.request.Header.Get("Content-Type"), x.sent.String())
	b.learnBody(x.header.Get("Content-Type"), x.answered.String())
}

// learnHeader adds the secret parts of a header: the token of Bearer, the password of
// Basic, and the values of cookies.
func (b *blanker) learnHeader(name, value string) {
	if !isSecret(name) {
		return
	}
	b.know(value)
	scheme, rest, _ := strings.Cut(value, " ")
	if raw, err := base64.StdEncoding.DecodeString(rest); strings.EqualFold(scheme, "Basic") && err == nil {
		_, password, _ := strings.Cut(string(raw), ":")
		b.know(password)
		return
	}
	if strings.EqualFold(scheme, "Bearer") {
		b.know(rest)
		return
	}
	for part := range strings.SplitSeq(value, ";") {
		if _, cookie, ok := strings.Cut(part, "="); ok && !strings.Contains(strings.ToLower(part), "path=") {
			b.know(strings.TrimSpace(cookie))
		}
	}
}

func (b *blanker) learnForm(text string) {
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			continue
		}
		if isSecret(unescaped(name)) {
			b.know(plain)
		}
		b.learnURLs(plain)
	}
}

// learnURLs remembers the secret parameters of URLs in a text, such as Location and
// Referer.
func (b *blanker) learnURLs(text string) {
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		if isSecret(unescaped(m[1])) {
			b.know(unescaped(m[2]))
		}
	}
}

func (b *blanker) learnBody(kind, text string) {
	if isForm(kind, text) {
		b.learnForm(text)
		return
	}
	b.learnURLs(text)
	for _, m := range jsonValue.FindAllStringSubmatch(text, -1) {
		var plain string
		if isSecret(m[1]) && json.Unmarshal([]byte(`"`+m[3]+`"`), &plain) == nil {
			b.know(plain)
		}
	}
	for _, pattern := range []*regexp.Regexp{xmlValue, xmlElement} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			if isSecret(m[1]) {
				b.know(html.UnescapeString(m[3]))
			}
		}
	}
}

// looksLikeForm matches a body that is a form. Some programs send forms without a
// Content-Type.
var looksLikeForm = regexp.MustCompile(`^[\w.%\[\]+-]+=[^\s"<>{}]*$`)

// isForm reports whether a body is a form.
func isForm(kind, text string) bool {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil || media == "text/plain" {
		return looksLikeForm.MatchString(text)
	}
	return media == "application/x-www-form-urlencoded"
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// value redacts the value of a header or a parameter.
func (b *blanker) value(name, value string) string {
	if isSecret(name) && value != "" {
		return blank
	}
	return b.text(value)
}

// form redacts a query or a form.
func (b *blanker) form(text string) string {
	parts := strings.Split(text, "&")
	for i, pair := range parts {
		if name, value, _ := strings.Cut(pair, "="); isSecret(unescaped(name)) && value != "" {
			parts[i] = name + "=" + blank
		}
	}
	return b.text(strings.Join(parts, "&"))
}

// pairs returns the redacted parameters of a query or a form.
func (b *blanker) pairs(text string) []harPair {
	list := []harPair{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unescaped(name)
		list = append(list, harPair{b.text(name), b.value(name, unescaped(value))})
	}
	return list
}

// isText reports whether a body is text that can be redacted: neither binary nor
// multipart.
func isText(kind, body string) bool {
	media, _, err := mime.ParseMediaType(kind)
	return utf8.ValidString(body) && (err != nil || !strings.HasPrefix(media, "multipart/"))
}

// body redacts a body. A binary or multipart body is omitted.
func (b *blanker) body(kind, text string) string {
	if !isText(kind, text) {
		return ""
	}
	if isForm(kind, text) {
		return b.form(text)
	}
	text = jsonNumber.ReplaceAllStringFunc(text, func(found string) string {
		m := jsonNumber.FindStringSubmatch(found)
		if !isSecret(m[1]) || plainName(m[1]) == "code" {
			return found
		}
		return strings.TrimSuffix(found, m[3]) + `"` + blank + `"`
	})
	for _, pattern := range []*regexp.Regexp{jsonValue, xmlValue} {
		text = pattern.ReplaceAllStringFunc(text, func(found string) string {
			m := pattern.FindStringSubmatch(found)
			if !isSecret(m[1]) || m[3] == "" {
				return found
			}
			return strings.TrimSuffix(found, m[3]+`"`) + blank + `"`
		})
	}
	text = xmlElement.ReplaceAllStringFunc(text, func(found string) string {
		m := xmlElement.FindStringSubmatch(found)
		if !isSecret(m[1]) {
			return found
		}
		return "<" + m[1] + m[2] + blank + "</"
	})
	return b.text(text)
}

// text removes all known secrets from a text, and everything that looks like one.
func (b *blanker) text(text string) string {
	if b.all == nil {
		b.all = b.replacer()
	}
	return looksSecret.ReplaceAllString(b.all.Replace(text), blank)
}

// replacer returns a replacer of each secret in each of its encodings, the longest
// first.
func (b *blanker) replacer() *strings.Replacer {
	var forms []string
	for s := range b.secrets {
		inJSON, err := json.Marshal(s)
		if err != nil {
			continue
		}
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), string(inJSON[1:len(inJSON)-1]),
			strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, blank)
	}
	return strings.NewReplacer(pairs...)
}
