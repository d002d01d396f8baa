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

// Serve answers on ln until ctx ends, then gives requests in flight the time
// grace to finish. It closes connections that are too slow or idle for too
// long. A nil certificate stands for plain HTTP.
func Serve(
	ctx context.Context, srv *http.Server, ln net.Listener, certificate *Certificate, grace time.Duration,
) error {
	done := make(chan error, 1)
	if certificate != nil {
		// An HTTP/2 connection carries many requests at once: only http.Server
		// knows how long each of them takes.
		srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = requestTimeout, requestTimeout, idleTimeout
		pair, err := certificate.open()
		if err != nil {
			return err
		}
		srv.TLSConfig = &tls.Config{GetCertificate: pair.get}
		go func() { done <- srv.ServeTLS(ln, "", "") }()
	} else {
		reaping, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		limited := limitConnections(reaping, srv, ln, connectionLimits, reapInterval)
		go func() { done <- srv.Serve(limited) }()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	return err
}
