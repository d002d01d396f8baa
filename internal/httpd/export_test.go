package httpd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits is limits, for tests.
type Limits struct{ First, Request, Idle time.Duration }

// ServeLimited serves plain HTTP with the given limits.
func ServeLimited(ctx context.Context, srv *http.Server, ln net.Listener, l Limits, interval time.Duration) error {
	logger := slog.New(slog.DiscardHandler)
	return srv.Serve(bound(ctx, srv, ln, Bounds{}, limits{l.First, l.Request, l.Idle}, interval, logger))
}

// OpenCertificate opens a certificate, and returns its GetCertificate function.
func OpenCertificate(cfg *Certificate) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	r, err := cfg.open()
	if err != nil {
		return nil, err
	}
	return r.get, nil
}
