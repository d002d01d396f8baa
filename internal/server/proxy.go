package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// behindProxies has a request come from where its client is, as the reverse
// proxies in front of this server say: the last address of X-Forwarded-For that
// is none of theirs. What a client itself puts there stands further to the
// left, and is never reached.
//
// Attack: a client that sends X-Forwarded-For itself, to be counted as somebody
// else. From an address that is no proxy's, the header means nothing.
func behindProxies(r *http.Request, proxies []netip.Prefix) {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isProxy(host, proxies) {
		return
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		client, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return // whoever wrote this is not to be believed any further
		}
		r.RemoteAddr = net.JoinHostPort(client.Unmap().String(), port)
		if !isProxy(client.String(), proxies) {
			return
		}
	}
}

func isProxy(host string, proxies []netip.Prefix) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(proxies, func(p netip.Prefix) bool {
		return p.Contains(address.Unmap().WithZone(""))
	})
}

// ParseProxy reads an address, or a network such as 10.0.0.0/8.
func ParseProxy(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
