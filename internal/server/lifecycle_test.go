package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/server"
)

// A server that is told to stop answers what it has begun, takes nothing new,
// and then returns.
func TestServeFinishesWhatIsInFlight(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "finished")
	})
	ln, stop, stopped := serve(t, handler, time.Minute)

	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + ln.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-begun
	stop()
	for { // until the listener is closed
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if got := <-answer; got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve gives %v", err)
	}
}

// What does not finish in its time is cut off: a stop always ends.
func TestServeEndsAfterGrace(t *testing.T) {
	begun := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	ln, stop, stopped := serve(t, handler, 50*time.Millisecond)
	go func() {
		if res, err := http.Get("http://" + ln.Addr().String()); err == nil {
			res.Body.Close()
		}
	}()
	<-begun
	stop()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("Serve did not return")
	}
}

// serve serves a handler on a free port until stop is called.
func serve(t *testing.T, h http.Handler, grace time.Duration) (ln net.Listener, stop func(), stopped <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, server.NewHTTPServer(h, slog.New(slog.DiscardHandler)), ln, nil, grace)
	}()
	return ln, cancel, done
}

// Attack: connections that send their headers, their body or nothing at all,
// slowly, for ever.
func TestHTTPServerHasLimits(t *testing.T) {
	srv := server.NewHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, limit := range map[string]time.Duration{
		"headers and body": srv.ReadTimeout, "answer": srv.WriteTimeout, "idle": srv.IdleTimeout,
	} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("%s may take %v", name, limit)
		}
	}
	if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes > 64<<10 {
		t.Errorf("headers may have %d bytes", srv.MaxHeaderBytes)
	}
}
