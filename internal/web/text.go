package web

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// waitText says how long to wait.
func waitText(d time.Duration) phrase {
	switch minutes := math.Ceil(d.Minutes()); {
	case d <= 10*time.Second:
		return say("Wait a moment, then try again.")
	case minutes <= 1:
		return say("Wait a minute, then try again.")
	case minutes <= 120:
		return say("Wait %.0f minutes, then try again.", minutes)
	default:
		return say("Wait %.0f hours, then try again.", math.Ceil(d.Hours()))
	}
}

// browserName names the browser and the system of a User-Agent, as the audit log has
// it.
func browserName(userAgent string) string { return browserIn(userAgent).String() }

// browserIn names the browser and the system of a User-Agent. The order matters: each
// browser's User-Agent contains the names of those below it.
func browserIn(userAgent string) phrase {
	name := ""
	for _, known := range [...][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(userAgent, known[0]) {
			name = known[1]
			break
		}
	}
	if name == "" {
		return say("A browser")
	}
	for _, known := range [...][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", ""}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	} {
		switch {
		case !strings.Contains(userAgent, known[0]):
		case known[1] == "":
			return say("%s on a Mac", name)
		default:
			return say("%s on %s", name, known[1])
		}
	}
	return say("%s", name)
}

// deviceIn names a device by what it says of itself, as device.Describe does. It may
// be empty.
func deviceIn(d device.Device) phrase {
	name := cmp.Or(d.Name, d.Device)
	if d.Product != "" && name != "" {
		return say("%s on %s", d.Product, name)
	}
	return say("%s", d.Product+name)
}

// fours writes a key in groups of four characters, which are easier to type.
func fours(s plexauth.Secret) string {
	var groups []string
	for g := range slices.Chunk([]byte(s), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, " ")
}

// aThousand is a number with the grouping of a language: the catalogue's separator is put
// at each thousand.
const aThousand = "1,000"

// amount is a number that is shown with something at each thousand, as each language
// has it.
type amount int64

func (n amount) in(l *language) string {
	text, between := strconv.FormatInt(int64(n), 10), strings.Trim(l.translate(aThousand), "01")
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + between + text[i:]
	}
	return text
}

// counted writes a count that stops at one more than paging.Counted.
func counted(n int) phrase {
	if n > paging.Counted {
		return say("more than %s", amount(paging.Counted))
	}
	return say("%s", amount(n))
}

// codesLeft says how many backup codes an account has.
func codesLeft(a account.Account) phrase {
	return countOf(a.BackupCodes, "backup code is left", "backup codes are left")
}

// countOf writes a count of things: "1 token", "220 tokens".
func countOf(n int, one, many string) phrase {
	if n == 1 {
		return say("1 " + one)
	}
	return say("%s "+many, counted(n))
}

func quoted(text string) string { return "“" + text + "”" }
