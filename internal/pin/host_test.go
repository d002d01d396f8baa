package pin_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/pin"
)

// Attack: users and browsers read the host of a forward address differently. It is shown,
// and followed, like browsers read it. The wanted values are those of "new URL(…)" in a
// browser.
func TestForwardHosts(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3)
	for text, want := range map[string]string{
		"http://" + long + strings.Repeat("a", 61) + "./": "http://" + long + strings.Repeat("a", 61) + "./", // 254 bytes
		"http://" + long + strings.Repeat("a", 62) + "./": "",
		"https://example.org/a b":                         "",
		"https://a\u00a0b.example/":                       "", // it would be a space
		"https://app.example.org/back":                    "https://app.example.org/back",
		"https://APP.Example.ORG/back":                    "https://APP.Example.ORG/back", // in capitals as it was written
		"https://app.example.org:8443/":                   "https://app.example.org:8443/",
		"https://app.example.org./":                       "https://app.example.org./",
		"https://a_b.example.org/":                        "https://a_b.example.org/",
		"https://a--b.example.org/":                       "https://a--b.example.org/",
		"http://nas:32400/":                               "http://nas:32400/",
		"http://192.168.1.5:8080/":                        "http://192.168.1.5:8080/",
		"http://[2001:DB8::1]:8080/":                      "http://[2001:db8::1]:8080/",
		"https://bücher.example/":                         "https://xn--bcher-kva.example/",
		"https://BÜCHER.example/":                         "https://xn--bcher-kva.example/",
		"https://straße.example/":                         "https://xn--strae-oqa.example/",
		"https://аррӏе.com/":                              "https://xn--80ak6aa92e.com/",
		"https://example.org。evil.example/":               "https://example.org.evil.example/", // U+3002
		"https://example.org．evil.example/":               "https://example.org.evil.example/", // U+FF0E
		"https://example.org｡evil.example/":               "https://example.org.evil.example/", // U+FF61
		"https://example.org%E3%80%82evil.x/":             "https://example.org.evil.x/",
		"https://ｅｘａｍｐｌｅ.org/":                            "https://example.org/",
		"https://exam\u00adple.org/":                      "https://example.org/",
		"https://exam\u200bple.org/":                      "https://example.org/",
		"https://exam\u2060ple.org/":                      "https://example.org/",
		"https://exa\ufe0fmple.org/":                      "https://example.org/",
		"https://ⓔxample.org/":                            "https://example.org/",
		"https://ﬁ.example/":                              "https://fi.example/",
		"http://127.1/":                                   "http://127.0.0.1/",
		"http://0x7f.1/":                                  "http://127.0.0.1/",
		"http://0177.0.0.1/":                              "http://127.0.0.1/",
		"http://2130706433/":                              "http://127.0.0.1/",
		"http://0x7f000001/":                              "http://127.0.0.1/",
		"http://１２７.０.０.１/":                               "http://127.0.0.1/",
		"http://①②⑦.1/":                                   "http://127.0.0.1/",
		"http://127.0.0.1./":                              "http://127.0.0.1/",
		"http://1.2.3/":                                   "http://1.2.0.3/",
		"https://example.org/\u202egnp.exe":               "https://example.org/%E2%80%AEgnp.exe",
		"https://example.org/?q=\u202eä":                  "https://example.org/?q=%E2%80%AE%C3%A4",
		"https://example.org/#\u202e":                     "https://example.org/#%E2%80%AE",
		"https://xn--bcher-kva.example/":                  "https://xn--bcher-kva.example/",

		"https://example.org\u202e.evil.example/": "", // an override has no place in a name
		"https://evil.example／example.org/":       "", // U+FF0F would be a slash
		"https://example.org＠evil.example/":       "", // U+FF20
		"https://example.org？.evil.example/":      "", // U+FF1F
		"https://example.org＃.evil.example/":      "", // U+FF03
		"https://example.org：80/":                 "", // U+FF1A
		"https://℀.evil.example/":                 "", // a/c
		"https://example.org＼.evil.example/":      "", // U+FF3C
		"https://％41.example/":                    "",
		"http://256.1.1.1/":                       "",
		"http://1.2.3.4.5/":                       "",
		"http://4294967296/":                      "",
		"http://1.2.3.08/":                        "",
		"http://[::1%25eth0]/":                    "",
		"http://example.1/":                       "",
		"https://\u200b/":                         "",
		"https://exa mple.org/":                   "",
		"https://example.org:99999/":              "",
		"https://a\u0301\u0301.xn--a/":            "",
		"http://\xb6":                             "", // not UTF-8
		"http://\ufffd/":                          "",
		"https://exa%b6mple.org/":                 "",
		"https://exa%C0%AEmple.org/":              "", // a dot in two bytes
		"https://b\xfccher.example/":              "", // Latin-1
		"https://example.org.\xe3\x80/":           "",
		"https://xn--zn7c/":                       "", // the Punycode of U+FFFD
	} {
		got := ""
		if u, err := pin.ParseForward(text); err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
