package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Address returns the client's address of a request, without the port.
func Address(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// BehindProxies returns a handler that passes requests to h. For those that arrive
// through one of the proxies, it sets the remote address to the client's address.
// Without proxies it returns h.
func BehindProxies(h http.Handler, proxies []netip.Prefix) http.Handler {
	if len(proxies) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setClient(r, proxies)
		h.ServeHTTP(w, r)
	})
}

// setClient sets the remote address to the last address in X-Forwarded-For that is not
// a proxy. Addresses that the client itself put there are further to the left, and are
// never reached.
//
// Attack: a client sends X-Forwarded-For itself, to be taken for another client. So the
// header is ignored in a request that does not come from a proxy.
func setClient(r *http.Request, proxies []netip.Prefix) {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isProxy(host, proxies) {
		return
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		if hop = strings.TrimSpace(hop); hop == "" {
			continue // a list may have empty elements (RFC 9110, section 5.6.1)
		}
		client, ok := parseHop(hop)
		if !ok {
			return // nothing further to the left can be trusted
		}
		r.RemoteAddr = net.JoinHostPort(client.String(), port)
		if !isProxy(client.String(), proxies) {
			return
		}
	}
}

// parseHop parses an entry of X-Forwarded-For: an address, with the port of the
// connection after it if the proxy adds that, and then in brackets if it is IPv6.
//
// Attack: an IPv6 zone is text of any length, which would reach the log. It has no
// meaning on this host, so it is removed.
func parseHop(hop string) (client netip.Addr, ok bool) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		client = withPort.Addr()
	} else {
		if inBrackets, found := strings.CutPrefix(hop, "["); found {
			if hop, found = strings.CutSuffix(inBrackets, "]"); !found {
				return netip.Addr{}, false
			}
		}
		if client, err = netip.ParseAddr(hop); err != nil {
			return netip.Addr{}, false
		}
	}
	return client.Unmap().WithZone(""), true
}

func isProxy(host string, proxies []netip.Prefix) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(proxies, func(p netip.Prefix) bool {
		return p.Contains(address.Unmap().WithZone(""))
	})
}

// ParseProxy parses an address, or a network such as 10.0.0.0/8.
func ParseProxy(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
