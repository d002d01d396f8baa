package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/hashing"
)

// signInDirectly calls the handler without a connection.
func (w *fixture) signInDirectly(ctx context.Context) int {
	form := url.Values{"login": {"admin"}, "password": {password}}
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v2/users/signin", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Plex-Client-Identifier", "test")
	answer := httptest.NewRecorder()
	w.Config.Handler.ServeHTTP(answer, r)
	return answer.Code
}

// Attack: a client closes its half of the connection while its password is checked. It
// learns that the password was right without leaving a row in the audit log.
func TestHangingUpIsLogged(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	var armed atomic.Bool
	w := newFixture(t, func(c *config) {
		c.Argon2id = func(in hashing.Input) []byte {
			if armed.Load() {
				hangUp()
			}
			return hashing.Here(in)
		}
	})
	armed.Store(true)
	w.signInDirectly(ctx)
	rows, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SignIn}})
	if err != nil || len(rows) != 1 || ctx.Err() == nil {
		t.Errorf("the audit log has %d sign-ins, %v, want one", len(rows), err)
	}
}

// Failures of the server are logged as errors, overload as warnings, and everything else as
// information, including a client that disconnects.
func TestLogLevels(t *testing.T) {
	var log bytes.Buffer // slog's handler writes one line at a time
	var slow atomic.Bool
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	w := newFixture(t, func(c *config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		c.HashSlots, c.HashQueue = 1, 1
		c.Argon2id = func(in hashing.Input) []byte {
			if slow.Load() {
				begun <- struct{}{}
				<-finish
			}
			return hashing.Here(in)
		}
	})

	// One is hashed, one waits, one is rejected. Then the waiting one disconnects.
	slow.Store(true)
	ctx, hangUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.signInDirectly(t.Context()) })
	<-begun
	ended := make(chan int, 2)
	for range 2 {
		go func() { ended <- w.signInDirectly(ctx) }()
	}
	<-ended // the one too many
	hangUp()
	<-ended
	close(finish)
	wg.Wait()
	// Now the database fails.
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	w.signInDirectly(t.Context())

	type line struct {
		Level, Msg string
		Status     int
	}
	got := make(map[line]int)
	for text := range strings.Lines(log.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err, text)
		}
		got[l]++
	}
	want := map[line]int{
		{"INFO", "request", 201}:         1,
		{"WARN", "request", 503}:         1, // too many
		{"INFO", "request", 503}:         1, // hung up
		{"ERROR", "a request failed", 0}: 1,
		{"ERROR", "request", 500}:        1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the log has %v, want %v", got, want)
	}
}
