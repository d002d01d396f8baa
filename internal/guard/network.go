package guard

import "net/netip"

// Network returns the key by which failures from an address are counted: the address
// itself or, for IPv6, its first 64 bits. A single household has that many addresses or
// more, so a limit for each address would have no effect. Text that is not an address
// is its own network.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
