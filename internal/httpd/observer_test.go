package httpd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/httpd"
)

// observed sends a request through an Observer and returns its log line and the
// metrics.
func observed(t *testing.T, method, target string, h http.HandlerFunc) (line map[string]any, metrics string) {
	t.Helper()
	var log bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := httpd.NewObserver(slog.New(slog.NewJSONHandler(&log, nil)), func() time.Time {
		now = now.Add(20 * time.Millisecond)
		return now
	})
	r := httptest.NewRequest(method, target, nil)
	o.Around("/known/{$}", h).ServeHTTP(httptest.NewRecorder(), r)
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	rec := httptest.NewRecorder()
	o.Metrics().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return line, rec.Body.String()
}

func TestObserverLogsAndCounts(t *testing.T) {
	line, metrics := observed(t, "GET", "/known/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	want := map[string]any{
		"time": "2026-01-02T03:04:05.04Z", "level": "INFO", "msg": "request", "method": "GET", "path": "/known/",
		"status": 418.0, "bytes": 15.0, "ms": 20.0, "address": "192.0.2.1",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("the line (-want +got):\n%s", diff)
	}
	if count := `usher_http_requests_total{path="/known/",status="418"} 1`; !strings.Contains(metrics, count) {
		t.Errorf("%s is not in the metrics", count)
	}
}

// Attack: a client puts a secret, or text that forges a line, into the log or the metrics.
func TestObserverShowsNothingThatWasSent(t *testing.T) {
	line, metrics := observed(t, "SECRET", "/secret?X-Plex-Token=secret", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "secret", http.StatusNotFound)
	})
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	for where, shown := range map[string]string{"log": string(text), "metrics": metrics} {
		if strings.Contains(strings.ToLower(shown), "secret") {
			t.Errorf("the %s contains what was sent: %s", where, shown)
		}
	}
	if line["method"] != "other" {
		t.Errorf("an invented method is logged as %v, want other", line["method"])
	}
}

// The level says how much attention an answer needs from an operator.
func TestObserverLevels(t *testing.T) {
	for status, want := range map[int]string{200: "INFO", 404: "INFO", 500: "ERROR", 503: "WARN"} {
		line, _ := observed(t, "GET", "/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if line["level"] != want {
			t.Errorf("status %d is logged at %v, want %s", status, line["level"], want)
		}
	}
}
