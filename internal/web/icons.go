package web

import (
	"html/template"
	"strings"

	"github.com/usher-auth/usher/internal/device"
)

// icons are drawings of kinds of device, of our own, 24 units wide and high. They
// say nothing that the text next to them does not.
var icons = map[string]string{
	"television": `<rect x="2" y="4" width="20" height="13" rx="2"/><path d="M8 21h8M12 17v4"/>`,
	"phone":      `<rect x="7" y="2" width="10" height="20" rx="2"/><path d="M11 18.5h2"/>`,
	"tablet":     `<rect x="4" y="2" width="16" height="20" rx="2"/><path d="M11 18.5h2"/>`,
	"computer":   `<rect x="4" y="4" width="16" height="11" rx="1.5"/><path d="M2 19h20"/>`,
	"browser":    `<rect x="2.5" y="4" width="19" height="16" rx="2"/><path d="M2.5 9h19M6 6.5h.01M9 6.5h.01"/>`,
	"speaker":    `<rect x="6" y="2" width="12" height="20" rx="2"/><circle cx="12" cy="14.5" r="3.5"/><path d="M12 6.5h.01"/>`,
	"server":     `<rect x="3" y="3" width="18" height="7.5" rx="1.5"/><rect x="3" y="13.5" width="18" height="7.5" rx="1.5"/><path d="M7 6.75h.01M7 17.25h.01"/>`,
	"program":    `<path d="M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 4l-3 16"/>`,
}

// kinds are the kinds of device, by words that devices use of themselves. The first
// that matches counts: many televisions run Android, and many phones say Linux.
var kinds = []struct {
	kind  string
	words []string
}{
	{"server", []string{"media server", "nas", "synology", "qnap", "docker", "server"}},
	{"speaker", []string{"sonos", "alexa", "echo", "speaker"}},
	{"television", []string{
		"roku", "chromecast", "apple tv", "appletv", "tvos", "android tv", "androidtv", "google tv", "fire tv",
		"firetv", "shield", "webos", "tizen", "playstation", "xbox", "bravia", "television", "smart tv", "kodi", "htpc", " tv",
	}},
	{"tablet", []string{"ipad", "tablet"}},
	{"phone", []string{"iphone", "ios", "android", "phone", "pixel", "mobile"}},
	{"browser", []string{"chrome", "firefox", "safari", "edge", "opera", "web", "browser"}},
	{"computer", []string{"windows", "macos", "mac os", "osx", "linux", "darwin", "desktop", "laptop", "pc"}},
}

// kindOf returns the kind of a device, from what it says of itself.
func kindOf(d device.Device) string {
	return kindOfText(strings.Join([]string{" ", d.Device, d.Model, d.Platform, d.Product, d.Name}, " "))
}

// kindOfBrowser returns the kind of device that a browser runs on.
func kindOfBrowser(userAgent string) string {
	switch name := browserName(userAgent); {
	case strings.HasSuffix(name, "iPhone"), strings.HasSuffix(name, "Android"):
		return "phone"
	case strings.HasSuffix(name, "iPad"):
		return "tablet"
	}
	return "browser"
}

func kindOfText(text string) string {
	text = strings.ToLower(text)
	for _, k := range kinds {
		for _, word := range k.words {
			if strings.Contains(text, word) {
				return k.kind
			}
		}
	}
	return "program"
}

func iconTag(kind string) template.HTML {
	return template.HTML(`<svg class="kind" viewBox="0 0 24 24" aria-hidden="true">` + icons[kind] + `</svg>`)
}
