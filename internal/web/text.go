package web

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

// browserName names the browser and the system of a User-Agent. The order
// matters: each browser's User-Agent contains the names of those below it.
func browserName(userAgent string) string {
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
	for _, known := range [...][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "a Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, known[0]) && name != "" {
			return name + " on " + known[1]
		}
	}
	if name == "" {
		return "A browser"
	}
	return name
}

// fours writes a key in groups of four characters, which are easier to type.
func fours(s plexauth.Secret) string {
	var groups []string
	for g := range slices.Chunk([]byte(s), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, " ")
}

// grouped writes a number with a comma at each thousand.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted writes a count that stops at one more than paging.Counted.
func counted(n int) phrase {
	if n > paging.Counted {
		return say("more than %s", grouped(paging.Counted))
	}
	return say("%s", grouped(int64(n)))
}

// countOf writes a count of things: "1 token", "220 tokens".
func countOf(n int, one, many string) phrase {
	if n == 1 {
		return say("1 " + one)
	}
	return say("%s "+many, counted(n))
}

func quoted(text string) string { return "“" + text + "”" }
