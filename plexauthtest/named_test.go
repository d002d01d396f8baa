package plexauthtest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A handler that panics sends no response, whatever the value of the panic.
func TestAborts(t *testing.T) {
	failed := errors.New("on purpose")
	for name, reason := range map[string]any{
		"nothing": nil, "the end of the connection": http.ErrAbortHandler, "an error": failed, "a text": "on purpose",
	} {
		t.Run(name, func(t *testing.T) {
			want := reason
			if reason == http.ErrAbortHandler {
				want = nil
			}
			defer func() {
				if got := recover(); got != want {
					t.Errorf("it panics with %v, want %v", got, want)
				}
			}()
			h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if reason != nil {
					panic(reason)
				}
			})
			if yes := aborts(h, httptest.NewRecorder(), nil); yes != (reason == http.ErrAbortHandler) {
				t.Errorf("it aborts: %v", yes)
			}
		})
	}
}
