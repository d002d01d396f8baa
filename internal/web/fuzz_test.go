package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/web"
)

// asBrowsersDo normalizes a URL as browsers do where Go does not: it removes
// spaces at the ends and tabs and line breaks everywhere, and turns backslashes
// into slashes.
func asBrowsersDo(text string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	return strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(text)
}

// Every accepted "next" stays on this site.
func FuzzLocalPath(f *testing.F) {
	for _, next := range elsewhere {
		f.Add(next)
	}
	f.Add("/link?pin=ABCD#x")
	base, err := url.Parse("https://usher.example.org/auth")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := web.LocalPath(next, "/account")
		if got != next && got != "/account" {
			t.Fatalf("%q became %q", next, got)
		}
		read := asBrowsersDo(got)
		if !strings.HasPrefix(read, "/") || strings.HasPrefix(read, "//") {
			t.Errorf("browsers read %q as %q", got, read)
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || u.User != nil {
			t.Errorf("%q leads to %v, %v", got, u, err)
		}
	})
}

// Every accepted forwardUrl is a web address, and leads to the host that users see.
func FuzzForwardTarget(f *testing.F) {
	for _, target := range elsewhere {
		f.Add(target)
	}
	f.Add("https://app.example.org:443/back?id=1#x")
	f.Add("https://app.example.org@evil.example/")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := web.ForwardTarget(text)
		if err != nil || u == nil {
			if u != nil || err == nil && text != "" {
				t.Fatalf("%q: got %v, %v", text, u, err)
			}
			return
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Host == "" || u.Opaque != "" {
			t.Errorf("%q is accepted as %#v", text, u)
		}
		said := u.String()
		if strings.ContainsFunc(said, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
			t.Errorf("%q is written as %q", text, said)
		}
		again, err := web.ForwardTarget(said)
		if err != nil || again == nil || origin.Of(again) != origin.Of(u) {
			t.Errorf("%q is written as %q, which leads to %v, %v", text, said, again, err)
		}
		if strings.ContainsFunc(said, func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("%q is written as %q, which is not ASCII", text, said)
		}
		authority, _, _ := strings.Cut(strings.TrimPrefix(said, u.Scheme+"://"), "/")
		authority, _, _ = strings.Cut(authority, "?")
		authority, _, _ = strings.Cut(authority, "#")
		if strings.Contains(authority, "@") {
			t.Errorf("%q is written as %q, with a user", text, said)
		}
	})
}
