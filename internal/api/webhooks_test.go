package api_test

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
)

// These are the requests of clients. PlexAPI and @ctrl/plex send a form with urls[] for
// each webhook. PlexAPI sends an empty urls to remove all. plex-api.rs requires status 201.
func TestWebhooks(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	set := func(form string, want int, wanted string) {
		t.Helper()
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := w.call(t, "POST", "/api/v2/user/webhooks", token, values); status != want || !strings.Contains(body, wanted) {
			t.Errorf("%s: %d %s, want %d %s", form, status, body, want, wanted)
		}
	}
	const both = "urls[]=https://a.example.org/x&urls[]=https://b.example.org/"
	set(both, 201, `[{"url":"https://a.example.org/x"},{"url":"https://b.example.org/"}]`)
	_, body := w.ask(t, "GET", "/api/v2/user/webhooks", "*/*", token, nil)
	var list struct {
		XMLName xml.Name `xml:"webhooks"`
		Webhook []struct {
			URL string `xml:"url,attr"`
		} `xml:"webhook"`
	}
	if err := xml.Unmarshal([]byte(body), &list); err != nil || len(list.Webhook) != 2 || list.Webhook[0].URL != "https://a.example.org/x" {
		t.Errorf("%s: %v", body, err)
	}
	set("x=1", 400, "urls[] is missing")
	set("urls[]=http://169.254.169.254/latest", 400, "not public")
	if _, other := w.call(t, "GET", "/api/v2/user/webhooks", w.signIn(t, "admin"), nil); other != "[]" {
		t.Errorf("another account has %s", other)
	}
	set("urls=", 201, "[]")
	if status, _ := w.call(t, "GET", "/api/v2/user/webhooks", w.transient(t, token), nil); status != 403 {
		t.Errorf("a transient token returns %d", status)
	}
}
