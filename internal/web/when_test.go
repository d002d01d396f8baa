package web_test

import (
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
	if got := web.Ago(now, now.Add(time.Hour)).String(); got != "just now" { // a clock was set back
		t.Errorf("in the future is %q", got)
	}
}

// A program cannot end the quotation that its name stands in, nor push the rest of a
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
