package httpd

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// readyTimeout limits the duration of Ping.
const readyTimeout = 5 * time.Second

// Health serves the health checks.
type Health struct {
	// Ping checks that the server can do its work. Required.
	Ping func(context.Context) error
	// Logger receives the errors of Ping. Required.
	Logger *slog.Logger
	// Stopping is closed when the server is about to stop and still serves requests. If
	// nil, readiness does not change before the server stops.
	Stopping <-chan struct{}
}

// Mount adds /healthz, which succeeds as long as the process responds, and /readyz,
// which returns 503 when Ping fails or the server is stopping. Neither is logged or
// counted.
func (h Health) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", h.alive)
	mux.HandleFunc("GET /readyz", h.ready)
}

func (h Health) alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

func (h Health) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-h.Stopping:
		http.Error(w, "the server is about to stop", http.StatusServiceUnavailable)
		return
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := h.Ping(ctx); err != nil {
		h.Logger.Error("not ready", "error", err)
		http.Error(w, "the store does not answer; the server's log says why", http.StatusServiceUnavailable)
		return
	}
	h.alive(w, r)
}
