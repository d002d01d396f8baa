package login_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth/login"
)

// A service without proofs sends the browser back whatever the user has decided.
// Without a token, access was not allowed.
func TestNoTokenComes(t *testing.T) {
	s := newSite(t, false, withoutProofs)
	browser := s.browser()
	_, forward := s.start(browser)
	s.get(browser, forward)
	s.mustFail(login.ErrAccessDenied)
}

// A browser that disconnects while the program waits for the token does not deny access.
func TestBrowserHangsUp(t *testing.T) {
	s := newSite(t, false, func(cfg *login.Config) {
		withoutProofs(cfg)
		cfg.TokenTimeout = time.Minute
	})
	browser := s.browser()
	_, forward := s.start(browser)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, forward, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := browser.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the browser is answered, or fails with %v", err)
	}
	s.web.Close() // it waits for the handler
	s.mustFail(context.Canceled)
	if got := s.last(); errors.Is(got.err, login.ErrAccessDenied) {
		t.Errorf("hanging up is taken for a denial: %v", got.err)
	}
}
