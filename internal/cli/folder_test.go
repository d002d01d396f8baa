package cli

import (
	"strings"
	"testing"
)

// Attack: read the password of the database on a screen or in a log.
func TestWithoutPassword(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://u@h/d":                           "postgres://u@h/d",
		"postgres://u:s3cret@h1:5432,h2:5433/d":      "postgres://u@h1:5432,h2:5433/d",
		"postgresql://u:s3cret@[::1]:5432/d":         "postgresql://u@[::1]:5432/d",
		"postgres://u:s3@cret@h/d":                   "postgres://u@h/d",
		"postgres://h/d?password=s3cret&user=u":      "postgres://h/d?user=u",
		"postgres://h/d?pass%77ord=s3cret":           "postgres://h/d",
		"postgres:///d?host=/run&sslpassword=s3cret": "postgres:///d?host=/run",
		"postgres://u:s3/cret@h/d":                   "…",
		"postgres://u:s3#cret@h/d":                   "…",
		"postgres://u:s3?cret@h/d":                   "…",
		"host=h password=s3cret":                     "…",
		"u:s3cret@h/d":                               "…",
		"s3cret":                                     "…",
		"smtp://u:s3cret@h:25?from=a@b.org":          "smtp://u@h:25?from=a@b.org",
		"smtps://u%40c.org:s3cret@h?from=a@b.org":    "smtps://u%40c.org@h?from=a@b.org",
		"smtp://u@h?from=a@b.org":                    "smtp://u@h?from=a@b.org",
		"smtp://h?from=a@b.org&starttls=optional":    "smtp://h?from=a@b.org&starttls=optional",
		"SMTP://u:s3cret@h?from=a@b.org":             "…",
		"smtp://u:s3/cret@h?from=a@b.org":            "…",
		"smtp://u:s3?cret@h?from=a@b.org":            "…",
		"smtp://u:s3#cret@h?from=a@b.org":            "…",
		"smtp://u:s3cret@h":                          "…",
		"":                                           "…",
	} {
		got := withoutPassword(address)
		if got != want || strings.Contains(got, "cret") {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
}
