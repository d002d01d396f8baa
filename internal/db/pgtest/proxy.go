package pgtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a node and its database, and does what networks do.
type Proxy struct {
	target string
	ln     net.Listener

	mu      sync.Mutex
	changed *sync.Cond
	cut     bool // no connection lives
	frozen  bool // nothing gets through, and connections stay open
	deaf    bool // no notification gets through
	dropped int  // notifications
	came    int  // connections
	conns   map[net.Conn]bool
	done    sync.WaitGroup
}

// NewProxy starts a proxy for the database at a URL, and returns it with the URL of
// the database behind it. It ends with the test.
func NewProxy(t testing.TB, address string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: u.Host, ln: ln, conns: make(map[net.Conn]bool)}
	p.changed = sync.NewCond(&p.mu)
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.Cut()
		p.done.Wait()
	})
	u.Host = ln.Addr().String()
	return p, u.String()
}

// Cut ends every connection, and lets none come until Mend.
func (p *Proxy) Cut() {
	p.set(func() {
		p.cut = true
		for c := range p.conns {
			_ = c.Close()
		}
	})
}

// Freeze lets nothing through until Mend, in connections that stay open.
func (p *Proxy) Freeze() { p.set(func() { p.frozen = true }) }

// Mend ends Cut and Freeze.
func (p *Proxy) Mend() { p.set(func() { p.cut, p.frozen = false, false }) }

// DropNotifications lets no notification through from now on.
func (p *Proxy) DropNotifications() { p.set(func() { p.deaf = true }) }

// Dropped returns how many notifications were dropped.
func (p *Proxy) Dropped() (n int) {
	p.set(func() { n = p.dropped })
	return n
}

// Connections returns how many connections there have been, including rejected ones.
func (p *Proxy) Connections() (n int) {
	p.set(func() { n = p.came })
	return n
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

// pass waits while the proxy is frozen, and reports whether a message passes.
func (p *Proxy) pass(kind byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.cut {
		p.changed.Wait()
	}
	if kind == 'A' && p.deaf {
		p.dropped++
		return false
	}
	return true
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.set(func() { p.came++ })
		p.done.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	var d net.Dialer
	server, err := d.DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	alive := true
	p.set(func() {
		if alive = !p.cut; alive {
			p.conns[client], p.conns[server] = true, true
		}
	})
	if !alive {
		return
	}
	defer p.set(func() { delete(p.conns, client); delete(p.conns, server) })
	p.done.Go(func() {
		defer server.Close()
		p.questions(server, client)
	})
	p.answers(client, server)
}

// questions copies what a node sends.
func (p *Proxy) questions(server, client net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if n > 0 {
			p.pass(0)
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answers copies what the database sends, message by message: a letter, the
// length with itself, and the rest.
func (p *Proxy) answers(client, server net.Conn) {
	r := bufio.NewReader(server)
	w := bufio.NewWriter(client)
	var head [5]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		var to io.Writer = io.Discard
		if p.pass(head[0]) {
			to = w
		}
		_, _ = to.Write(head[:])
		if _, err := io.CopyN(to, r, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return
			}
		}
	}
}
