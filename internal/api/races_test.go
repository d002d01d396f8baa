package api_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// newQuietFixture is a fixture whose log must have no errors at the end of the test.
func newQuietFixture(t *testing.T) *fixture {
	t.Helper()
	var log bytes.Buffer // slog's handler writes one line at a time
	w := newFixture(t, func(c *config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	t.Cleanup(func() {
		w.Server.Close()
		if log.Len() > 0 {
			t.Errorf("the log has errors:\n%s", log.String())
		}
	})
	return w
}

// atOnce sends requests with one token at the same time. It fails the test if an answer has
// a status that is not wanted.
func (w *fixture) atOnce(t *testing.T, token plexauth.Secret, wanted map[int]bool, requests ...string) {
	t.Helper()
	var wg sync.WaitGroup
	for _, r := range requests {
		wg.Go(func() {
			method, path, _ := strings.Cut(r, " ")
			if status, body := w.call(t, method, path, token, nil); !wanted[status] {
				t.Errorf("%s: %d %s", r, status, body)
			}
		})
	}
	wg.Wait()
}

// A token that is revoked during use is valid or invalid, and never causes an error.
func TestSignOutWhileTheTokenIsUsed(t *testing.T) {
	w := newQuietFixture(t)
	for range 20 {
		w.atOnce(t, w.signIn(t, "member"), map[int]bool{200: true, 204: true, 401: true},
			"DELETE /api/v2/users/signout", "DELETE /api/v2/users/signout",
			"GET /api/v2/resources", "GET /api/v2/resources", "GET /api/resources", "GET /api/v2/user", "GET /")
	}
}

// Another process revokes a token that is still in this process's cache.
func TestRevokedByAnotherProcess(t *testing.T) {
	for name, end := range map[string]func(*coretest.Core) error{
		"the token":   func(c *coretest.Core) error { return c.Tokens.Revoke(t.Context(), operator, 1) },
		"the account": func(c *coretest.Core) error { return c.Accounts.Remove(t.Context(), operator, 2) },
	} {
		for _, request := range []string{
			"DELETE /api/v2/users/signout", "GET /api/v2/resources", "GET /api/resources", "GET /api/v2/user", "GET /users/account", "GET /",
		} {
			t.Run(name+" and "+request, func(t *testing.T) {
				w := newQuietFixture(t)
				token := w.signIn(t, "member")
				w.call(t, "GET", "/devices", token, nil)
				if err := end(coretest.New(t, core.Config{Dir: w.dir})); err != nil {
					t.Fatal(err)
				}
				// The cached token is valid until this process sees the change.
				told := strings.HasSuffix(request, "user") ||
					name == "the token" && (strings.HasSuffix(request, "account") || request == "GET /")
				w.atOnce(t, token, map[int]bool{401: true, 200: told}, request)
			})
		}
	}
}

// A server whose share is removed during a listing is on the list or not.
func TestShareRemovedWhileListed(t *testing.T) {
	w := newQuietFixture(t)
	attic := w.AddSource(source.Source{
		Kind: source.Server, Identifier: "attic", Name: "Attic", Connections: []source.Connection{{URI: "http://192.168.1.6:32400"}},
	})
	token := w.signIn(t, "member")
	for range 50 {
		if err := w.Sources.Share(t.Context(), operator, attic, 2); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := w.Sources.Unshare(t.Context(), operator, attic, 2); err != nil {
				t.Error(err)
			}
		})
		w.atOnce(t, token, map[int]bool{200: true}, "GET /api/v2/resources", "GET /api/resources", "GET /api/v2/resources")
		wg.Wait()
	}
}
