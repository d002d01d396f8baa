package guard

import "net/netip"

// Network is what failures are counted by for those who come from an address:
// the address itself or, of IPv6, its first 64 bits. A single household is
// given that many addresses and more, so counting each would count nothing.
// What is no address is its own network.
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
