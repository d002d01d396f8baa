package sandbox

import (
	"net/netip"
	"os"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in headers of IP, TCP and UDP, and what is there.
const (
	ipv4Protocol, ipv4Target = 9, 16
	ipv6Protocol, ipv6Target = 6, 24
	ipv6Header               = 40
	tcpFlags                 = 13
	synAck, syn              = 0x12, 0x02
)

// attempts is a filter that passes the first packet of a TCP connection, and every
// datagram of UDP.
var attempts = []bpf.Instruction{
	/*  0 */ bpf.LoadAbsolute{Off: 0, Size: 1},
	/*  1 */ bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
	/*  2 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 6},
	/*  3 */ bpf.LoadAbsolute{Off: ipv4Protocol, Size: 1},
	/*  4 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 11},
	/*  5 */ bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 9},
	/*  6 */ bpf.LoadMemShift{Off: 0},
	/*  7 */ bpf.LoadIndirect{Off: tcpFlags, Size: 1},
	/*  8 */ bpf.Jump{Skip: 4},
	/*  9 */ bpf.LoadAbsolute{Off: ipv6Protocol, Size: 1},
	/* 10 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 5},
	/* 11 */ bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 3},
	/* 12 */ bpf.LoadAbsolute{Off: ipv6Header + tcpFlags, Size: 1},
	/* 13 */ bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: synAck},
	/* 14 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: syn, SkipTrue: 1},
	/* 15 */ bpf.RetConstant{Val: 0},
	/* 16 */ bpf.RetConstant{Val: packetSize},
}

// packetSize is as much of a packet as is read: the longest header of IPv4, and the
// ports.
const packetSize = 64

// bigEndian swaps the bytes of a protocol's number, as the kernel wants it.
func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

// openWatch opens a socket that sees the attempts in this network. Most of them
// lead to a port where nothing listens, and only this socket notices.
func openWatch() (int, error) {
	program, err := bpf.Assemble(attempts)
	if err != nil {
		return -1, err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	// Without a protocol, it sees nothing until it has the filter.
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		_ = unix.Close(s)
		return -1, err
	}
	if err := unix.Bind(s, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: loopback}); err != nil {
		_ = unix.Close(s)
		return -1, err
	}
	return s, nil
}

// watch reports the attempts that nothing else reports, until the network is gone.
func (f *front) watch(s *os.File, listening []int) {
	buf := make([]byte, packetSize)
	for {
		n, from, err := unix.Recvfrom(int(s.Fd()), buf, 0)
		if err != nil {
			if err == unix.EINTR {
				continue
			}
			return
		}
		// Each packet is seen on its way out and on its way in.
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		to, udp, ok := target(buf[:n])
		if ok && !f.reported(to, udp, listening) {
			f.refuse(to.Addr().String(), int(to.Port()))
		}
	}
}

// reported reports whether an attempt needs no report: it stays in this machine, or
// something listens there.
func (f *front) reported(to netip.AddrPort, udp bool, listening []int) bool {
	port := int(to.Port())
	switch {
	case to.Addr().IsLoopback() || to.Addr().IsUnspecified() || to.Addr() == domainsAddr:
		return true
	case udp:
		return port == dnsPort
	}
	return port == dnsPort || slices.Contains(listening, port)
}

// dnsPort is that of DNS.
const dnsPort = 53

// target returns where a packet goes.
func target(p []byte) (to netip.AddrPort, udp, ok bool) {
	if len(p) < 20 {
		return to, false, false
	}
	var addr netip.Addr
	var protocol byte
	header := ipv6Header
	if p[0]>>4 == 4 {
		header = int(p[0]&0xf) * 4
		protocol, addr = p[ipv4Protocol], netip.AddrFrom4([4]byte(p[ipv4Target:]))
	} else if len(p) >= ipv6Header {
		protocol, addr = p[ipv6Protocol], netip.AddrFrom16([16]byte(p[ipv6Target:]))
	}
	if !addr.IsValid() || len(p) < header+4 {
		return to, false, false
	}
	return netip.AddrPortFrom(addr, uint16(p[header+2])<<8|uint16(p[header+3])), protocol == unix.IPPROTO_UDP, true
}
