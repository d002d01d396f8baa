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

// The time limits of a connection.
const (
	// requestTimeout limits the time for the header of the first request, and the time
	// for each body and response.
	requestTimeout = 15 * time.Second
	// idleTimeout limits the wait for the next request's header.
	idleTimeout = 2 * time.Minute
	maxHeader   = 32 << 10
	// reapInterval is the time between two passes of the reaper.
	reapInterval = time.Second
)

// NewServer returns an http.Server for Serve. It logs its errors to logger.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Serving configures Serve. The zero value is plain HTTP without limits.
type Serving struct {
	// Certificate enables TLS. If nil, it is plain HTTP.
	Certificate *Certificate
	// Bounds limits the number of connections.
	Bounds Bounds
	// Grace is how long requests in flight may take after ctx has ended.
	Grace time.Duration
	// Logger receives a record when connections are closed because there are too many.
	// If nil, nothing is logged.
	Logger *slog.Logger
}

// Serve serves ln until ctx ends, and then waits up to how.Grace for the requests in
// flight. It closes connections if there are too many, and those that are too slow or
// idle for too long.
func Serve(ctx context.Context, srv *http.Server, ln net.Listener, how Serving) error {
	if how.Logger == nil {
		how.Logger = slog.New(slog.DiscardHandler)
	}
	bounding, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	if how.Certificate != nil {
		// An HTTP/2 connection carries many concurrent requests. Only http.Server knows
		// how long each of them takes.
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
