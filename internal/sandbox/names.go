package sandbox

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// domainsAddr is the address of all names in the domains. It and the addresses
// after it are from a block that is reserved for tests of networks (RFC 2544).
var domainsAddr = netip.MustParseAddr("198.18.0.1")

// names gives an address to each allowed name, so that a connection to the address
// tells which name was meant. It is safe for concurrent use.
type names struct {
	mu     sync.Mutex
	addrs  map[string]netip.Addr
	byAddr map[netip.Addr]string
	last   netip.Addr
}

func newNames() *names {
	return &names{addrs: make(map[string]netip.Addr), byAddr: make(map[netip.Addr]string), last: domainsAddr}
}

// addr returns the address of an allowed name.
func (n *names) addr(name string) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.addrs[name]; ok {
		return a
	}
	n.last = n.last.Next()
	n.addrs[name], n.byAddr[n.last] = n.last, name
	return n.last
}

// of returns the name that has an address; empty if none has.
func (n *names) of(a netip.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byAddr[a]
}

// maxMessage is the size of a message of DNS over UDP that needs no agreement, and
// maxTCPMessage over TCP.
const (
	maxMessage    = 512
	maxTCPMessage = 1 << 16
)

// resolveUDP answers queries until the socket is closed.
func (f *front) resolveUDP(c net.PacketConn) {
	buf := make([]byte, maxTCPMessage)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := f.resolve(buf[:n]); len(answer) > 0 && len(answer) <= maxMessage {
			_, _ = c.WriteTo(answer, from)
		}
	}
}

// resolveTCP answers the queries of connections.
func (f *front) resolveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f.resolveConn(c)
	}
}

// resolveConn answers the queries of one connection, each of which has its length
// before it.
func (f *front) resolveConn(c net.Conn) {
	defer c.Close()
	for {
		_ = c.SetDeadline(time.Now().Add(helloTimeout))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := f.resolve(query)
		if len(answer) == 0 {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// lifetime of an answer in seconds: programs that cache it ask again soon.
const answerTTL = 5

// resolve answers a query of DNS; nil if it cannot be read.
func (f *front) resolve(query []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil || header.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	addrs, known := f.lookup(q)
	answer := dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}
	if !known {
		answer.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, answer)
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil
	}
	rr := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: answerTTL}
	for _, a := range addrs {
		if a.Is4() && q.Type == dnsmessage.TypeA {
			err = b.AResource(rr, dnsmessage.AResource{A: a.As4()})
		} else if a.Is6() && q.Type == dnsmessage.TypeAAAA {
			err = b.AAAAResource(rr, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		if err != nil {
			return nil
		}
	}
	message, err := b.Finish()
	if err != nil {
		return nil
	}
	return message
}

// lookup returns the addresses of a name, and whether there is such a name.
func (f *front) lookup(q dnsmessage.Question) (addrs []netip.Addr, known bool) {
	name := normal(q.Name.String())
	switch {
	case q.Type == dnsmessage.TypePTR || strings.HasSuffix(name, ".arpa"):
		return nil, false // addresses have no names here, and this needs no report
	case InDomains(name, f.cfg.Domains):
		return []netip.Addr{domainsAddr}, true
	case IsLocal(name):
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, true
	case f.cfg.allowsSome(name):
		return []netip.Addr{f.names.addr(name)}, true
	}
	f.refuse(name, 0)
	return nil, false
}
