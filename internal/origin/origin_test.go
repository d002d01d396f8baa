package origin_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/origin"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example.org":      "https://app.example.org",
		"HTTPS://App.Example.ORG":      "https://app.example.org",
		"https://app.example.org:443":  "https://app.example.org",
		"http://app.example.org:80":    "http://app.example.org",
		"http://app.example.org:443":   "http://app.example.org:443",
		"http://192.168.1.5:8080":      "http://192.168.1.5:8080",
		"http://[fd00::5]:8080":        "http://[fd00::5]:8080",
		"http://nas":                   "http://nas",
		"https://xn--bcher-kva.org":    "https://xn--bcher-kva.org",
		"https://under_score.home.lan": "https://under_score.home.lan",
		// Everything else is rejected.
		"":                                     "",
		"app.example.org":                      "",
		"javascript:alert(1)":                  "",
		"javascript://app.example.org":         "",
		"ftp://app.example.org":                "",
		"https://":                             "",
		"https://:8080":                        "",
		"https:app.example.org":                "",
		"//app.example.org":                    "",
		"https://app.example.org/":             "",
		"https://app.example.org/path":         "",
		"https://app.example.org?":             "",
		"https://app.example.org?a=b":          "",
		"https://app.example.org#":             "",
		"https://app.example.org#a":            "",
		"https://trusted.org@evil.example.org": "",
		"https://@app.example.org":             "",
		"https://app.example.org:":             "",
		"https://app.example.org:0":            "",
		"https://app.example.org:0443":         "",
		"https://app.example.org:65536":        "",
		"https://app.example.org:http":         "",
		"https://app..example.org":             "",
		"https://*.example.org":                "",
		"https://bücher.example.org":           "",
		"https://app.example.org\\@evil.org":   "",
		" https://app.example.org":             "",
		"https://app.example.org\n":            "",
		"https://[fe80::1%25eth0]":             "",
		"http://[FD00:0::5]":                   "",
		"null":                                 "",
		"https://" + strings.Repeat("a", 300):  "",
	} {
		got, err := origin.Parse(text)
		if got != want {
			t.Errorf("%q: got %q, want %q (%v)", text, got, want, err)
		}
		if want == "" && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: got error %v, want one of kind Invalid", text, err)
		}
	}
}

// Parse returns an origin as Of writes it, and parsing it again does not change it.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"https://app.example.org", "http://[::1]:8080", "HTTPS://A.B:443", "https://a@b", "http://a:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := origin.Parse(text)
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || origin.Of(u) != got {
			t.Errorf("%q became %q, which reads as %v (%v)", text, got, u, err)
		}
		if again, err := origin.Parse(got); err != nil || again != got {
			t.Errorf("%q became %q and then %q (%v)", text, got, again, err)
		}
	})
}

func TestList(t *testing.T) {
	s := coretest.New(t, core.Config{}).Origins
	by := audit.Actor{Name: "test"}
	if got, err := s.Allow(t.Context(), by, "HTTPS://App.example.org:443"); err != nil || got != "https://app.example.org" {
		t.Fatalf("allowing: got %q, %v", got, err)
	}
	if _, err := s.Allow(t.Context(), by, "https://app.example.org"); !errors.Is(err, origin.ErrExists) {
		t.Errorf("allowing once more: got %v, want ErrExists", err)
	}
	for address, want := range map[string]bool{
		"https://app.example.org/back?state=1":     true,
		"https://APP.example.org:443/":             true,
		"http://app.example.org/":                  false,
		"https://app.example.org:8443/":            false,
		"https://app.example.org.evil.example/":    false,
		"https://app.example.org@evil.example/":    false,
		"https://evil.example/https://app.example": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Allows(t.Context(), u); err != nil || got != want {
			t.Errorf("%s: got %v (%v), want %v", address, got, err, want)
		}
	}
	if _, err := s.Remove(t.Context(), by, "https://APP.example.org"); err != nil {
		t.Errorf("removing: %v", err)
	}
	if _, err := s.Remove(t.Context(), by, "https://app.example.org"); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("removing once more: got %v, want ErrNotFound", err)
	}
}
