package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/web"
)

// fail returns the status and the text of the page of an error.
func fail(t *testing.T, err error) (status int, text string) {
	t.Helper()
	rec := httptest.NewRecorder()
	web.Failing(err).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	return rec.Code, html.UnescapeString(rec.Body.String())
}

// A new kind of error needs a row, and nothing else.
func TestEveryKindHasAPage(t *testing.T) {
	title := regexp.MustCompile(`<h1>[^<]+</h1>`)
	for _, kind := range fault.Kinds() {
		status, text := fail(t, fault.New(kind, "some text"))
		if status < 400 || !title.MatchString(text) || !strings.Contains(text, "Some text.") {
			t.Errorf("%v: status %d, page %s", kind, status, text)
		}
	}
}

func TestErrorPages(t *testing.T) {
	const ours = "The server's log says what happened."
	limited := fault.New(fault.Limited, "too many tries")
	for name, test := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"a fault":      {account.ErrNotFound, 404, "There is no such account."},
		"a moment":     {fault.WithWait(limited, time.Second), 429, "Too many tries. Wait a moment, then try again."},
		"a minute":     {fault.WithWait(limited, 20*time.Second), 429, "Too many tries. Wait a minute, then try again."},
		"minutes":      {fault.WithWait(limited, 61*time.Second), 429, "Too many tries. Wait 2 minutes, then try again."},
		"a full queue": {guard.ErrBusy, 503, "Too many sign-ins are waiting already; try again in a second."},
		"a deadline":   {context.DeadlineExceeded, 503, "The request took too long."},
		"a failure":    {errors.New("secret"), 500, ours},
	} {
		t.Run(name, func(t *testing.T) {
			// The context that callers of the domain add to an error is only for logs.
			status, text := fail(t, fmt.Errorf("doing something secret: %w", test.err))
			if status != test.status || !strings.Contains(text, test.text) || strings.Contains(text, "secret") {
				t.Errorf("status %d, want %d and %q; page %s", status, test.status, test.text, text)
			}
		})
	}
}
