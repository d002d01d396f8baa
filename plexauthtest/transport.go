package plexauthtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Transport returns an http.RoundTripper for programs with a hard-coded
// https://plex.tv. It sends the requests for plex.tv, its subdomains and the
// subdomains of plex.direct to the server, with any port, and with http and
// https alike. It sends requests for the address of the server itself, too. For
// every other host it returns an error, so that a test never reaches the real
// service. It ignores the proxies of the environment.
//
//	program.HTTPClient = &http.Client{Transport: srv.Transport()}
//
// If the program uses http.DefaultClient, replace http.DefaultTransport during
// the test. Do not run other tests in parallel with it.
//
// The requests go over loopback without TLS. The server receives the Host header
// that the program sent.
func (s *Server) Transport() http.RoundTripper { return s.transport }

// transport is the http.RoundTripper of Transport.
type transport struct {
	address string // of the listener
	base    *http.Transport
}

func newTransport(address string) *transport {
	dialer := &net.Dialer{}
	return &transport{address, &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r.URL); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	// A RoundTripper must not change the request.
	routed, target := r.WithContext(r.Context()), *r.URL
	if routed.Host == "" {
		routed.Host = target.Host
	}
	target.Scheme, target.Host = "http", t.address
	routed.URL = &target
	res, err := t.base.RoundTrip(routed)
	if res != nil {
		res.Request = r
	}
	return res, err
}

// CloseIdleConnections closes the connections to the server that are idle.
// http.Client.CloseIdleConnections calls it.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// check returns an error for a URL that is not routed to the server. The error
// names the host only, since the rest may be secret.
func (t *transport) check(u *url.URL) error {
	if u == nil || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("plexauthtest: the transport serves http and https only")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "plex.tv" || strings.HasSuffix(host, ".plex.tv") || strings.HasSuffix(host, ".plex.direct") ||
		u.Host == t.address {
		return nil
	}
	return fmt.Errorf("plexauthtest: the program calls %q: "+
		"the transport serves plex.tv, *.plex.tv, *.plex.direct and %s only", u.Host, t.address)
}
