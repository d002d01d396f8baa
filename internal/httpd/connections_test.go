package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/httpd"
)

// lobby is a listener for connections from arbitrary addresses.
type lobby struct{ waiting chan net.Conn }

func (l lobby) Accept() (net.Conn, error) {
	c, ok := <-l.waiting
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l lobby) Close() error   { return nil }
func (l lobby) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is the server's end of a connection from an address.
type visitor struct {
	net.Conn
	from net.Addr
}

func (v visitor) RemoteAddr() net.Addr { return v.from }

// guest is the client's end of a connection.
type guest struct {
	net.Conn
	in *bufio.Reader
}

// crowd is a server with limits, in a bubble of synctest. /slow answers when the test lets
// it.
type crowd struct {
	t    *testing.T
	door lobby
	slow chan struct{}
}

func newCrowd(t *testing.T, how httpd.Serving) *crowd {
	c := &crowd{t: t, door: lobby{make(chan net.Conn)}, slow: make(chan struct{})}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-c.slow:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, "here")
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- httpd.Serve(ctx, httpd.NewServer(handler, slog.New(slog.DiscardHandler)), c.door, how)
	}()
	t.Cleanup(func() {
		cancel()
		close(c.door.waiting)
		<-ended
	})
	return c
}

// enter opens a connection from an address.
func (c *crowd) enter(from string) guest {
	c.t.Helper()
	client, server := net.Pipe()
	c.t.Cleanup(func() { client.Close() })
	c.door.waiting <- visitor{server, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 5000))}
	synctest.Wait()
	return guest{client, bufio.NewReader(client)}
}

// send sends a request, and ask reads the answer to it, too.
func (g guest) send(path string) error {
	_, err := fmt.Fprintf(g, "GET %s HTTP/1.1\r\nHost: usher\r\n\r\n", path)
	return err
}

func (g guest) ask(path string) error {
	if err := g.send(path); err != nil {
		return err
	}
	res, err := http.ReadResponse(g.in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && string(body) != "here" {
		err = fmt.Errorf("the answer is %q", body)
	}
	return err
}

// open reports whether a connection is still open.
func (g guest) open() bool {
	_ = g.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = g.SetReadDeadline(time.Time{}) }()
	_, err := g.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func countOpen(list []guest) (n int) {
	for _, g := range list {
		if g.open() {
			n++
		}
	}
	return n
}

// Attack: one network opens connections without limit and sends nothing. It only replaces
// its own connections, and everyone else is served.
func TestIdleConnectionsOfOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, httpd.Serving{Bounds: httpd.Bounds{All: 64, Network: 32}})
		friend := c.enter("192.0.2.7")
		if err := friend.ask("/"); err != nil {
			t.Fatal(err)
		}
		var crowd []guest
		for range 1500 {
			crowd = append(crowd, c.enter("198.51.100.1"))
		}
		if n := countOpen(crowd); n > 32 || n < 16 {
			t.Errorf("%d connections of the network are open, want at most 32 and not many fewer", n)
		}
		if err := crowd[len(crowd)-1].ask("/"); err != nil {
			t.Errorf("the network's newest connection is not served: %v", err)
		}
		if err := friend.ask("/"); err != nil {
			t.Errorf("a connection of another network was closed: %v", err)
		}
		for i := range 40 {
			if err := c.enter(fmt.Sprintf("203.0.113.%d", i)).ask("/"); err != nil {
				t.Errorf("network %d after the flood: %v", i, err)
			}
		}
	})
}

// An IPv6 network has a 64-bit prefix.
func TestNetworkOfIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, httpd.Serving{Bounds: httpd.Bounds{All: 64, Network: 8}})
		var crowd []guest
		for i := range 100 {
			crowd = append(crowd, c.enter(fmt.Sprintf("2001:db8:1:2::%x", i+1)))
		}
		if n := countOpen(crowd); n > 8 {
			t.Errorf("%d connections of one network are open, want at most 8", n)
		}
	})
}

// Connections that wait for a request are closed first, the longest wait first. Those with
// a request in progress are closed last.
func TestIdleConnectionsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, httpd.Serving{Bounds: httpd.Bounds{All: 4, Network: 3}})
		busy, old, fresh := c.enter("192.0.2.1"), c.enter("192.0.2.1"), c.enter("192.0.2.1")
		if err := busy.send("/slow"); err != nil {
			t.Fatal(err)
		}
		if err := fresh.ask("/"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := fresh.ask("/"); err != nil {
			t.Fatal(err)
		}
		next := c.enter("192.0.2.1")
		if old.open() || !fresh.open() || !next.open() {
			t.Errorf("open: the oldest %v, a younger one %v, the new one %v; want all but the oldest",
				old.open(), fresh.open(), next.open())
		}
		close(c.slow)
		if _, err := http.ReadResponse(busy.in, nil); err != nil {
			t.Errorf("the request in flight: %v", err)
		}
	})
}

// Attack: one network fills its share with requests that never end. It cannot get more
// connections. When the server is full, it loses one to each network that has fewer.
func TestBusyConnectionsOfOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, httpd.Serving{Bounds: httpd.Bounds{All: 8, Network: 6}})
		slow := func(from string) guest {
			g := c.enter(from)
			_ = g.send("/slow") // a connection that was closed immediately
			synctest.Wait()
			return g
		}
		var crowd []guest
		for range 20 {
			crowd = append(crowd, slow("198.51.100.1"))
		}
		if n := countOpen(crowd); n != 6 {
			t.Errorf("%d connections of the network are open, want 6", n)
		}
		slow("192.0.2.1")
		slow("192.0.2.2")
		if err := c.enter("192.0.2.3").ask("/"); err != nil {
			t.Errorf("a full server rejects a network without connections: %v", err)
		}
		if n := countOpen(crowd); n != 5 {
			t.Errorf("%d connections of the largest network are open, want 5", n)
		}
	})
}

// A proxy's connections belong to many users. Its network has no limit, and loses no
// connection with a request in progress.
func TestConnectionsOfAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, httpd.Serving{Bounds: httpd.Bounds{
			All: 8, Network: 2, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}})
		var crowd []guest
		for range 7 {
			g := c.enter("10.1.2.3")
			if err := g.send("/slow"); err != nil {
				t.Fatal(err)
			}
			crowd = append(crowd, g)
		}
		c.enter("192.0.2.1")
		c.enter("192.0.2.1")
		if n := countOpen(crowd); n != 7 {
			t.Errorf("%d connections of the proxy are open, want 7", n)
		}
	})
}

// lines is a log that is safe to read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TLS connections, with HTTP/2 too, have the same limits.
func TestConnectionsOverTLS(t *testing.T) {
	dir := t.TempDir()
	files := &httpd.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	p := newPair(t, 1)
	write(t, files.CertFile, p.cert, time.Now())
	write(t, files.KeyFile, p.key, time.Now())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log lines
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	go func() {
		ended <- httpd.Serve(ctx, httpd.NewServer(handler, slog.New(slog.DiscardHandler)), ln, httpd.Serving{
			Certificate: files, Bounds: httpd.Bounds{All: 64, Network: 32}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
	}()
	transport := func(h2 bool) *http.Transport {
		return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2}
	}
	get := func(tr *http.Transport) string {
		t.Helper()
		res, err := (&http.Client{Transport: tr}).Get("https://" + ln.Addr().String())
		if err != nil {
			t.Error(err)
			return ""
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	var open []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	for h2, proto := range map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"} {
		for range 100 { // each connection stays open and idle
			tr := transport(h2)
			defer tr.CloseIdleConnections()
			if got := get(tr); got != proto {
				t.Fatalf("the answer used %q, want %q", got, proto)
			}
		}
	}
	closed := 0
	for _, conn := range open {
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	if closed < 190 {
		t.Errorf("%d of 200 connections that sent nothing were closed for 200 others, want nearly all", closed)
	}
	time.Sleep(1100 * time.Millisecond)
	cancel()
	<-ended
	if !strings.Contains(log.String(), "too many connections") {
		t.Errorf("the log does not mention it: %q", log.String())
	}
}
