package httpd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits is limits.
type Limits struct{ First, Request, Idle time.Duration }

// ServeLimited serves plain HTTP with limits of a test's own.
func ServeLimited(ctx context.Context, srv *http.Server, ln net.Listener, l Limits, interval time.Duration) error {
	logger := slog.New(slog.DiscardHandler)
	return srv.Serve(bound(ctx, srv, ln, Bounds{}, limits{l.First, l.Request, l.Idle}, interval, logger))
}

// OpenCertificate opens a certificate; it returns what answers connections.
func OpenCertificate(cfg *Certificate) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	r, err := cfg.open()
	if err != nil {
		return nil, err
	}
	return r.get, nil
}
