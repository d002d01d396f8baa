package source

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
)

// Unknown is reported in place of an empty text about a source, because typed clients
// require a text that is not empty.
const Unknown = "unknown"

// texts returns the texts that describe a source's software and machine to clients.
func (s *Source) texts() []sourceText {
	return []sourceText{
		{"product", "product", &s.Product},
		{"version", "product's version", &s.ProductVersion},
		{"platform", "platform", &s.Platform},
		{"platformVersion", "platform's version", &s.PlatformVersion},
		{"device", "device", &s.Device},
	}
}

// sourceText is one of these texts, with the name of its form field and a name for
// people.
type sourceText struct {
	field, name string
	text        *string
}

// complete returns a source with its texts as people see them, and with Unknown for
// each that is not known.
func complete(s Source) Source {
	for _, t := range s.texts() {
		if *t.text = shown(*t.text); *t.text == "" {
			*t.text = Unknown
		}
	}
	return s
}

// shown returns what people see of a text: without invisible characters, and without
// spaces around it.
func shown(text string) string { return strings.TrimSpace(glyph.Visible(text)) }

// maxText is how many bytes a text has at most.
const maxText = 255

// checkTexts rejects texts that clients cannot display. Errors: fault.Invalid.
func checkTexts(s Source) error {
	for _, t := range s.texts() {
		if len(*t.text) > maxText || strings.ContainsFunc(*t.text, unicode.IsControl) || !utf8.ValidString(*t.text) {
			return fault.Invalidf(t.field,
				"the %s is longer than %d bytes or has a control character in it", t.name, maxText)
		}
	}
	return nil
}

// describe returns this server with the texts that describe it.
func describe(self Source) Source {
	self.Product, self.Device = "usher", "Server"
	self.Platform, self.PlatformVersion = ownPlatform(), ownPlatformVersion()
	return self
}

// ownPlatform names the operating system as media servers do.
func ownPlatform() string {
	switch runtime.GOOS {
	case "darwin":
		return "MacOSX"
	case "freebsd":
		return "FreeBSD"
	case "openbsd":
		return "OpenBSD"
	case "netbsd":
		return "NetBSD"
	}
	return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:]
}

// release matches the first two numbers of a version. The rest would reveal to every
// member which fixes the machine lacks.
var release = regexp.MustCompile(`^\d{1,9}(?:\.\d{1,9})?`)

// ownPlatformVersion returns the version of the kernel, or the empty string
// where the operating system does not have it in a file.
func ownPlatformVersion() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return string(release.Find(text))
}
