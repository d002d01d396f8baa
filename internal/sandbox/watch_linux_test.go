package sandbox

import (
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// The filter passes the packets that begin a connection, and those of UDP.
func TestAttempts(t *testing.T) {
	vm, err := bpf.NewVM(attempts)
	if err != nil {
		t.Fatal(err)
	}
	const (
		ip4 = "45 00 0028 0000 4000 40 %s 0000 0a000001 cb007109"
		ip6 = "60000000 0014 %s 40 20010db8000000000000000000000001 20010db8000000000000000000000009"
		tcp = " 8000 20fb 00000000 00000000 50 %s 0000 0000 0000"
	)
	for name, x := range map[string]struct {
		packet string
		to     string // empty: it is not passed
	}{
		"IPv4, SYN":     {strings.Replace(ip4, "%s", "06", 1) + strings.Replace(tcp, "%s", "02", 1), "203.0.113.9:8443"},
		"IPv4, SYN+ACK": {strings.Replace(ip4, "%s", "06", 1) + strings.Replace(tcp, "%s", "12", 1), ""},
		"IPv4, ACK":     {strings.Replace(ip4, "%s", "06", 1) + strings.Replace(tcp, "%s", "10", 1), ""},
		"IPv4, RST":     {strings.Replace(ip4, "%s", "06", 1) + strings.Replace(tcp, "%s", "04", 1), ""},
		"IPv4, UDP":     {strings.Replace(ip4, "%s", "11", 1) + " 8000 14e9 0008 0000", "203.0.113.9:5353"},
		"IPv4, ICMP":    {strings.Replace(ip4, "%s", "01", 1) + " 0800 0000 0000 0000", ""},
		"IPv4, options": {"46" + strings.Replace(ip4, "%s", "06", 1)[2:] + " 01010101" + strings.Replace(tcp, "%s", "02", 1), "203.0.113.9:8443"},
		"IPv6, SYN":     {strings.Replace(ip6, "%s", "06", 1) + strings.Replace(tcp, "%s", "02", 1), "[2001:db8::9]:8443"},
		"IPv6, ACK":     {strings.Replace(ip6, "%s", "06", 1) + strings.Replace(tcp, "%s", "10", 1), ""},
		"IPv6, UDP":     {strings.Replace(ip6, "%s", "11", 1) + " 8000 14e9 0008 0000", "[2001:db8::9]:5353"},
	} {
		packet, err := hex.DecodeString(strings.ReplaceAll(x.packet, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		n, err := vm.Run(packet)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if n > 0 {
			to, udp, ok := target(packet)
			if !ok || udp != strings.HasSuffix(name, "UDP") {
				t.Errorf("%s: udp %v, ok %v", name, udp, ok)
			}
			got = to.String()
		}
		if got != x.to {
			t.Errorf("%s goes to %q, want %q", name, got, x.to)
		}
	}
	for n := range 45 {
		target(make([]byte, n)) // does not panic
	}
}
