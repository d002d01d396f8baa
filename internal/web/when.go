package web

import (
	"fmt"
	"html/template"
	"time"
)

// ago says how long ago a time was, as people say it.
func ago(now, t time.Time) string {
	const day = 24 * time.Hour
	past := now.Sub(t)
	switch {
	case past < time.Minute:
		return "just now"
	case past < time.Hour:
		return some(int(past/time.Minute), "minute")
	case past < day:
		return some(int(past/time.Hour), "hour")
	case past < 60*day:
		return some(int(past/day), "day")
	case past < 730*day:
		return some(int(past/(30*day)), "month")
	}
	return some(int(past/(365*day)), "year")
}

func some(n int, unit string) string {
	if n == 1 {
		return "1 " + unit + " ago"
	}
	return fmt.Sprintf("%d %ss ago", n, unit)
}

// whenTag shows a time as "2 minutes ago". The exact time is beside it, and is seen
// when the pointer is over it or the keyboard's focus is on it. It is read aloud in
// any case.
func whenTag(now, t time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(
		`<span class="when" tabindex="0">%s<span class="exact"> <time datetime="%s">%s</time></span></span>`,
		ago(now, t), iso(t), exact(t)))
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func exact(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
