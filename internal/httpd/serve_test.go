package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/httpd"
)

// A server that is asked to stop finishes the requests in flight, accepts no new
// ones, and then returns.
func TestServeFinishesRequestsInFlight(t *testing.T) {
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
		t.Errorf("the answer to the request in flight is %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// A request that does not finish within the grace period is cut off, so that a stop
// always completes.
func TestServeStopsAfterGrace(t *testing.T) {
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
		done <- httpd.Serve(ctx, httpd.NewServer(h, slog.New(slog.DiscardHandler)), ln, httpd.Serving{Grace: grace})
	}()
	return ln, cancel, done
}

// Attack: clients open connections and send nothing, or send headers or a body slowly, or
// never read the response, or keep finished connections open, so that others cannot
// connect.
func TestConnectionsThatTakeTooLong(t *testing.T) {
	const short, long = 50 * time.Millisecond, time.Hour
	never := httpd.Limits{First: long, Request: long, Idle: long}
	whole := "GET / HTTP/1.1\r\nHost: usher\r\n\r\n"
	for _, c := range []struct {
		name   string
		send   string
		limit  func(*httpd.Limits)
		answer bool // is sent before the connection is closed
	}{
		{"sends nothing", "", func(l *httpd.Limits) { l.First = short }, false},
		{"half a head", "GET / HTTP/1.1\r\nHo", func(l *httpd.Limits) { l.First = short }, false},
		{"half a body", "POST / HTTP/1.1\r\nHost: usher\r\nContent-Length: 9\r\n\r\nhal", func(l *httpd.Limits) { l.Request = short }, false},
		{"does not read", strings.Replace(whole, "GET /", "GET /endless", 1), func(l *httpd.Limits) { l.Request = short }, true},
		{"stays", whole, func(l *httpd.Limits) { l.Idle = short }, true},
		{"second request stands still", whole + "GET", func(l *httpd.Limits) { l.Idle = short }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limits := never
			c.limit(&limits)
			conn := dialLimited(t, limits)
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			time.Sleep(4 * short) // nothing is read in the meantime
			got, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open after 20 s")
			}
			if c.answer != (len(got) > 0) {
				t.Errorf("the server sent %.80q", got)
			}
		})
	}
}

// Within the limits, a connection serves request after request.
func TestConnectionsInTime(t *testing.T) {
	limit := 300 * time.Millisecond
	conn := dialLimited(t, httpd.Limits{First: limit, Request: limit, Idle: limit})
	in := bufio.NewReader(conn)
	for range 10 { // one second in total
		time.Sleep(limit / 3)
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: usher\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

// dialLimited opens a connection to a server with limits. /endless answers for as long as
// the client reads. Other paths return the body.
func dialLimited(t *testing.T, l httpd.Limits) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		page := make([]byte, 1<<20)
		for r.URL.Path == "/endless" {
			if _, err := w.Write(page); err != nil {
				return
			}
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(append(body, "done"...))
	}
	srv := httpd.NewServer(http.HandlerFunc(handler), slog.New(slog.DiscardHandler))
	go func() { _ = httpd.ServeLimited(t.Context(), srv, ln, l, 10*time.Millisecond) }()
	t.Cleanup(func() { srv.Close() })
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Over TLS, where one connection carries many requests, net/http enforces the limits.
func TestHTTPServerHasLimits(t *testing.T) {
	srv := httpd.NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_ = httpd.Serve(t.Context(), srv, ln, httpd.Serving{Certificate: &httpd.Certificate{}})
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
