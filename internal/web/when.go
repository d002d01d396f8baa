package web

import (
	"fmt"
	"html"
	"html/template"
	"time"
)

// ago returns how long ago a time was, as a phrase.
func ago(now, t time.Time) phrase {
	const day = 24 * time.Hour
	past := now.Sub(t)
	n := func(unit time.Duration) int { return int(past / unit) }
	switch {
	case past < time.Minute:
		return say("just now")
	case past < 2*time.Minute:
		return say("1 minute ago")
	case past < time.Hour:
		return say("%d minutes ago", n(time.Minute))
	case past < 2*time.Hour:
		return say("1 hour ago")
	case past < day:
		return say("%d hours ago", n(time.Hour))
	case past < 2*day:
		return say("1 day ago")
	case past < 60*day:
		return say("%d days ago", n(day))
	case past < 730*day:
		return say("%d months ago", n(30*day))
	}
	return say("%d years ago", n(365*day))
}

// whenTag shows a time as "2 minutes ago". The exact time is next to it, and is seen
// when the pointer is over it or the keyboard's focus is on it. It is read aloud in
// any case.
func whenTag(l *language, now, t time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(
		`<span class="when" tabindex="0">%s<span class="exact"> <time datetime="%s">%s</time></span></span>`,
		html.EscapeString(ago(now, t).in(l)), iso(t), html.EscapeString(l.exact(t))))
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }
