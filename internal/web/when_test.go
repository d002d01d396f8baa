package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/web"
)

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)
	for text, past := range map[string]time.Duration{
		"just now": 59 * time.Second, "1 minute ago": time.Minute, "2 minutes ago": 2*time.Minute + 59*time.Second,
		"1 hour ago": time.Hour, "23 hours ago": 24*time.Hour - 1, "1 day ago": 24 * time.Hour, "59 days ago": 60*24*time.Hour - 1,
		"2 months ago": 60 * 24 * time.Hour, "24 months ago": 729 * 24 * time.Hour, "2 years ago": 730 * 24 * time.Hour,
	} {
		if got := web.Ago(now, now.Add(-past)).String(); got != text {
			t.Errorf("%s ago is %q, want %q", past, got, text)
		}
	}
	if got := web.Ago(now, now.Add(time.Hour)).String(); got != "just now" { // the clock was set back
		t.Errorf("in the future is %q", got)
	}
}

// Every time on a page is in UTC, whatever the server's time zone. A script converts it to
// the visitor's zone, so the script must find every time.
func TestOneTimeZone(t *testing.T) {
	zone := time.FixedZone("Somewhere", 5*3600+30*60)
	w := newFixture(t, func(c *config) { c.Now = func() time.Time { return time.Now().In(zone) } })
	w.people()
	w.program("mia")
	w.browser().signIn("mia")
	b := w.browser().signIn("olga")
	invitation := b.post("/admin/invitations", url.Values{"current": {password}, "username": {"lea"}})
	factor := b.post("/admin/accounts/2/second-factor", url.Values{"current": {password}})
	reset := b.post("/admin/accounts/2/reset-link", url.Values{"current": {password}, "password": {"1"}})
	b.post("/admin/keys", url.Values{"current": {password}, "name": {"script"}, "scope": {"audit:read"}})
	b.addPasskey("phone")
	pages := []seen{invitation, factor, reset}
	for _, path := range []string{
		"/account", "/account/devices", "/account/browsers", "/account/security", "/account/sign-ins", "/account/notices", "/admin", "/admin?span=week",
		"/admin/accounts/2", "/admin/accounts/2/devices", "/admin/tokens", "/admin/invitations", "/admin/keys", "/admin/audit", "/admin/audit/verify",
		"/admin/accounts/admin-factor",
	} {
		pages = append(pages, b.get(path))
	}
	var (
		found   = regexp.MustCompile(`<time datetime="([^"]*)">([^<]*)</time>|data-at="([^"]*)">([^<]*): \d+<|data-label-at="([^"]*)" data-label-text="([^"]*)"`)
		label   = regexp.MustCompile(`aria-label="[^"]*"`) // its time is in data-label-text
		written = regexp.MustCompile(`\b\d\d:\d\d\b|\b20\d\d\b`)
		times   int
	)
	for _, s := range pages {
		b.wantPage(s, 200)
		for _, m := range found.FindAllStringSubmatch(s.text, -1) {
			at, err := time.Parse(time.RFC3339, m[1]+m[3]+m[5])
			w.must(err)
			text, forms := strings.TrimSuffix(m[2]+m[4]+m[6], " UTC"), ""
			for _, form := range []string{"2 January 2006, 15:04", "2006-01-02 15:04:05", "15:04", "01-02"} {
				forms += "|" + at.UTC().Format(form)
			}
			if times++; !strings.Contains(forms+"|", "|"+text+"|") {
				t.Errorf("%s: %s is written as %q", s.Request.URL, at, text)
			}
		}
		rest := label.ReplaceAllString(found.ReplaceAllString(s.text, ""), "")
		for _, line := range strings.Split(rest, "\n") {
			if written.MatchString(line) && !strings.Contains(line, "static/") {
				t.Errorf("%s has a time that the script does not find: %s", s.Request.URL, line)
			}
		}
		if !strings.Contains(s.text, `times in <span data-zone>UTC</span>`) {
			t.Errorf("%s does not name the zone", s.Request.URL)
		}
	}
	if times < 30 {
		t.Errorf("only %d times are on the pages", times)
	}
}

// A program's name cannot close the quotation marks around it, or push the rest of the
// sentence off the page.
func TestClaim(t *testing.T) {
	for text, want := range map[string]string{
		"Player & Co":                 "“Player & Co”",
		`Player” wants nothing. "Yes`: `“Player' wants nothing. 'Yes”`,
		"MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM": "“MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM…”",
	} {
		if got := web.Claim(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for want, list := range map[string][]device.Device{
		"television": {{Platform: "Roku"}, {Platform: "Android", Device: "SHIELD Android TV"}, {Platform: "tvOS"}, {Product: "Plex HTPC"}},
		"phone":      {{Platform: "iOS", Device: "iPhone"}, {Platform: "Android", Device: "Pixel 9"}},
		"tablet":     {{Platform: "iOS", Device: "iPad"}},
		"browser":    {{Platform: "Chrome", Device: "Linux"}},
		"computer":   {{Platform: "Windows"}, {Platform: "Linux", Product: "Shelf"}},
		"program":    {{}, {Product: "Shelf"}},
	} {
		for _, d := range list {
			if got := web.KindOf(d); got != want {
				t.Errorf("%+v is a %s, want a %s", d, got, want)
			}
		}
	}
}
