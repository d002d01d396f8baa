package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits on what one connection may take.
const (
	// requestTimeout limits the first request's header, then each body and
	// answer.
	requestTimeout = 15 * time.Second
	// idleTimeout limits the wait for the next request's header.
	idleTimeout = 2 * time.Minute
	maxHeader   = 32 << 10
	// reapInterval is the time between two passes of the reaper.
	reapInterval = time.Second
)

// NewServer returns an http.Server for Serve. Its own errors are logged to
// logger.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Serving says how Serve serves. The zero value is plain HTTP without bounds.
type Serving struct {
	// Certificate makes it TLS. Nil: plain HTTP.
	Certificate *Certificate
	// Bounds is how many connections there may be.
	Bounds Bounds
	// Grace is how long requests in flight may take once the server stops.
	Grace time.Duration
	// Logger is told when connections are closed because there are too many. Nil:
	// nobody is.
	Logger *slog.Logger
}

// Serve answers on ln until ctx ends, then gives requests in flight the time of
// grace to finish. It closes connections that are too many, too slow, or idle for
// too long.
func Serve(ctx context.Context, srv *http.Server, ln net.Listener, how Serving) error {
	if how.Logger == nil {
		how.Logger = slog.New(slog.DiscardHandler)
	}
	bounding, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	if how.Certificate != nil {
		// An HTTP/2 connection carries many requests at once: only http.Server
		// knows how long each of them takes.
		srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = requestTimeout, requestTimeout, idleTimeout
		pair, err := how.Certificate.open()
		if err != nil {
			return err
		}
		srv.TLSConfig = &tls.Config{GetCertificate: pair.get}
		ln = bound(bounding, srv, ln, how.Bounds, limits{}, reapInterval, how.Logger)
		go func() { done <- srv.ServeTLS(ln, "", "") }()
	} else {
		ln = bound(bounding, srv, ln, how.Bounds, connectionLimits, reapInterval, how.Logger)
		go func() { done <- srv.Serve(ln) }()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), how.Grace)
	defer cancel()
	err := srv.Shutdown(finish)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	return err
}
