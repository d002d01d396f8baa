package sandbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits on what a connection may take before its first request is known.
const (
	helloTimeout = 30 * time.Second
	dialTimeout  = 30 * time.Second
	idleTimeout  = 2 * time.Minute
)

// front takes the connections of the command: it answers those for the domains,
// connects those for allowed destinations, and refuses all others.
type front struct {
	cfg       *Config
	authority *authority
	names     *names
	proxy     bool // it is the proxy of programs that are configured to use one

	server *http.Server
	ready  chan net.Conn // have a request for the server
	done   chan struct{}
	once   sync.Once
}

func newFront(cfg *Config, a *authority) *front {
	f := &front{cfg: cfg, authority: a, names: newNames(), ready: make(chan net.Conn), done: make(chan struct{})}
	f.server = &http.Server{
		Handler: http.HandlerFunc(f.handle), ReadHeaderTimeout: helloTimeout, IdleTimeout: idleTimeout,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = f.server.Serve(f) }()
	return f
}

// Accept implements net.Listener for the server.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.ready:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (f *front) Addr() net.Addr { return &net.TCPAddr{} }

// Close implements net.Listener.
func (f *front) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// stop closes every connection.
func (f *front) stop() {
	_ = f.Close()
	_ = f.server.Close()
}

// listen takes the connections of l until it is closed.
func (f *front) listen(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f.take(c)
	}
}

// take decides by the address that a connection was made to.
func (f *front) take(c net.Conn) {
	to := addrPort(c.LocalAddr())
	port := int(to.Port())
	switch {
	case f.proxy:
		f.answer(c, to)
	case to.Addr().IsLoopback() && slices.Contains(f.cfg.Forward, port):
		f.connect(c, "localhost", port)
	case f.names.of(to.Addr()) != "":
		f.connect(c, f.names.of(to.Addr()), port)
	case !to.Addr().IsLoopback() && to.Addr() != domainsAddr && f.cfg.allows(to.Addr().String(), port):
		f.connect(c, to.Addr().String(), port)
	case slices.Contains(f.cfg.Ports, port) || port == 80:
		f.answer(c, to)
	default:
		_ = c.Close()
		f.refuse(to.Addr().String(), port)
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	to := tcp.AddrPort()
	return netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
}

func (f *front) refuse(host string, port int) {
	f.cfg.observe(Event{Kind: Refused, Host: host, Port: port})
}

// connect joins a connection with an allowed destination.
func (f *front) connect(c net.Conn, host string, port int) {
	if host != "localhost" && !f.cfg.allows(host, port) {
		_ = c.Close()
		f.refuse(host, port)
		return
	}
	out, err := f.dial(host, port)
	if err != nil {
		_ = c.Close()
		return
	}
	join(c, out)
}

// dial connects to a host outside.
func (f *front) dial(host string, port int) (net.Conn, error) {
	out, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), dialTimeout)
	if err != nil {
		f.cfg.observe(Event{Unreachable, host, port, err})
	}
	return out, err
}

// join copies in both directions until both are at their ends.
func join(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			_ = to.Close()
		}
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}

// tlsRecord is the first byte of a connection that begins with a TLS handshake. No
// request of HTTP begins with it.
const tlsRecord = 0x16

// answer gives a connection to the server, through TLS if it begins so.
func (f *front) answer(c net.Conn, to netip.AddrPort) {
	b := &buffered{c, bufio.NewReader(c)}
	_ = c.SetReadDeadline(time.Now().Add(helloTimeout))
	first, err := b.r.Peek(1)
	_ = c.SetReadDeadline(time.Time{})
	if err != nil {
		_ = c.Close()
		return
	}
	if first[0] != tlsRecord {
		f.pass(b)
		return
	}
	secure := tls.Server(b, f.tlsConfig(to))
	ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		if alert := (*net.OpError)(nil); errors.As(err, &alert) && alert.Op == "remote error" {
			f.cfg.observe(Event{Untrusted, secure.ConnectionState().ServerName, int(to.Port()), err})
		}
		return
	}
	f.pass(secure)
}

// pass gives a connection to the server.
func (f *front) pass(c net.Conn) {
	select {
	case f.ready <- c:
	case <-f.done:
		_ = c.Close()
	}
}

// tlsConfig answers a handshake of a connection to an address. A client that
// names no host has connected to an address: that of this machine gets a
// certificate, as media servers present theirs to everyone, and others get none.
func (f *front) tlsConfig(to netip.AddrPort) *tls.Config {
	return &tls.Config{
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := hello.ServerName
			if name == "" && (to.Addr() == domainsAddr || f.proxy) || IsLocal(name) || name == "" && to.Addr().IsLoopback() {
				name = f.authority.domains[0]
			}
			if cert, err := f.authority.certificate(name); cert != nil || err != nil {
				return cert, err
			}
			if name == "" {
				name = to.Addr().String()
			}
			f.refuse(name, int(to.Port()))
			return nil, nil // the alert "unrecognized name"
		},
	}
}

// handle answers a request, if it is for one of the domains or this machine.
func (f *front) handle(w http.ResponseWriter, r *http.Request) {
	if f.proxy && r.Method == http.MethodConnect {
		f.tunnel(w, r)
		return
	}
	host, port := splitHost(r.Host, r.TLS != nil)
	if host == "" { // HTTP/1.0 asks whomever it is connected to
		addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		to := addrPort(addr)
		if host, port = to.Addr().String(), int(to.Port()); to.Addr() == domainsAddr {
			host = f.cfg.Domains[0]
		}
	}
	switch {
	case InDomains(host, f.cfg.Domains):
		f.serve(w, r)
	case IsLocal(host) && (!f.proxy || !r.URL.IsAbs() || port == f.cfg.localPort()):
		f.serve(w, r)
	case f.proxy && r.URL.IsAbs() && (IsLocal(host) || f.cfg.allows(host, port)):
		f.forward(w, r)
	default:
		f.refuse(host, port)
		http.Error(w, refusal(host, port), http.StatusForbidden)
	}
}

// refusal is the error for a client.
func refusal(host string, port int) string {
	what := host
	if !slices.Contains(httpPorts, port) {
		what = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return fmt.Sprintf("usher exec: %s is refused; --allow %[1]s opens it", what)
}

// serve passes a request to the handler, which sees it as if the client had sent
// it without a proxy.
func (f *front) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.IsAbs() {
		r.URL.Scheme, r.URL.Host = "", ""
		r.RequestURI = r.URL.RequestURI()
	}
	f.cfg.Handler.ServeHTTP(w, r)
}

// forward passes a request to an allowed host, as a proxy.
func (f *front) forward(w http.ResponseWriter, r *http.Request) {
	outside := &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, DisableKeepAlives: true}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(*httputil.ProxyRequest) {}, Transport: outside, ErrorLog: log.New(io.Discard, "", 0),
	}
	proxy.ServeHTTP(w, r)
}

// tunnel answers CONNECT.
func (f *front) tunnel(w http.ResponseWriter, r *http.Request) {
	host, port := splitHost(r.Host, true)
	ours := InDomains(host, f.cfg.Domains) || IsLocal(host) && port == f.cfg.localPort()
	if !ours && !IsLocal(host) && !f.cfg.allows(host, port) {
		f.refuse(host, port)
		refuseTunnel(w, refusal(host, port))
		return
	}
	var out net.Conn
	if !ours {
		var err error
		if out, err = f.dial(host, port); err != nil {
			http.Error(w, "usher exec: "+err.Error(), http.StatusBadGateway)
			return
		}
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		if out != nil {
			_ = out.Close()
		}
		http.Error(w, "usher exec: CONNECT needs HTTP/1.1", http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	b := &buffered{c, rw.Reader}
	if ours {
		f.answer(b, netip.AddrPortFrom(netip.Addr{}, uint16(port)))
		return
	}
	join(b, out)
}

// refuseTunnel says why in the status line, which is what clients show of a proxy's
// answer.
func refuseTunnel(w http.ResponseWriter, text string) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, text, http.StatusForbidden)
		return
	}
	defer c.Close()
	reason := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	fmt.Fprintf(c, "HTTP/1.1 403 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", reason)
}

// splitHost returns the host and the port of a Host header.
func splitHost(text string, secure bool) (host string, port int) {
	port = 80
	if secure {
		port = 443
	}
	if h, p, err := net.SplitHostPort(text); err == nil {
		text = h
		if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			port = int(n)
		}
	}
	return normal(strings.TrimSpace(text)), port
}

// buffered is a connection whose beginning has been read.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// CloseWrite ends the sending direction.
func (b *buffered) CloseWrite() error {
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return b.Conn.Close()
}
