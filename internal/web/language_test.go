package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// in gets a page like a browser with a list of preferred languages.
func (b *browser) in(languages, path string) seen {
	b.Helper()
	return b.do(http.MethodGet, path, nil, http.Header{"Accept-Language": {languages}})
}

// The browser's language decides, and the page declares its language.
func TestLanguage(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	for accepted, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9": "de", "en-GB,en;q=0.9,de;q=0.8": "en", "fr,de;q=0.5": "de", "fr": "en",
		"de;q=0, en": "en", "*": "en", "%%%": "en", strings.Repeat("de,", 1000): "en",
	} {
		s := b.in(accepted, "/auth")
		b.wantPage(s, 200, `<html lang="`+want+`" `)
		if s.Header.Get("Content-Language") != want || s.Header.Get("Vary") != "Accept-Language" {
			t.Errorf("%q gets %v", accepted, s.Header)
		}
		if got := strings.Contains(s.text, "Anmelden"); got != (want == "de") {
			t.Errorf("%q gets the page\n%s", accepted, s.text)
		}
	}
}

// German pages are German, including inserted values, errors and confirmation questions.
func TestGerman(t *testing.T) {
	w := newTown(t)
	w.program("mia")
	b := w.browser().signIn("mia")
	german := func(path string, texts ...string) {
		t.Helper()
		b.wantPage(b.in("de", path), 200, texts...)
	}
	german("/account", "1 angemeldet", "Zweiter Faktor", "<strong>aus</strong>", "gerade eben", "Dein Konto · usher")
	german("/account/devices", "Den's television abmelden", "1 angemeldet")
	german("/account/security", "Neues Passwort")
	german("/account/profile?done=identity", "Gespeichert.")
	header := http.Header{"Accept-Language": {"de"}, "Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"}}
	s := b.do(http.MethodPost, "/account/revoke-others", nil, header)
	b.wantPage(s, 200, "Alles außer diesem Browser abmelden?", "1 Gerät oder Programm mit 1 Token", "kann nicht rückgängig gemacht werden")
	s = b.do(http.MethodPost, "/account/password", url.Values{"current": {password}, "new": {"kurz"}}, header)
	b.wantPage(s, 400, "Das Passwort hat 4 Zeichen, es muss mindestens 8 haben.")
	s = b.do(http.MethodPost, "/account/passkeys/challenge", url.Values{"current": {"x"}}, header)
	b.wantPage(s, 401, "Dein eigenes Passwort ist nicht richtig.")
	if month := regexp.MustCompile(`\d+\. \pL+ \d{4}, \d\d:\d\d UTC`); !month.MatchString(html.UnescapeString(b.in("de", "/account/browsers").text)) {
		t.Error("a time is not written as in German")
	}
}
