package api

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/wire"
)

// connections returns the wire form of a source's connections.
func connections(src source.Source) []wire.Connection {
	list := make([]wire.Connection, 0, len(src.Connections))
	for _, c := range src.Connections {
		list = append(list, wire.Connection{
			Protocol: c.Protocol, Address: c.Address, Port: c.Port, URI: c.URI,
			Local: wire.Bool(c.Local), Relay: wire.Bool(c.Relay), IPv6: wire.Bool(c.IPv6),
		})
	}
	return list
}

// wanted are the kinds of connections that a caller requests.
type wanted struct{ https, relay, ipv6 bool }

func readWanted(p wire.Params) (w wanted, err error) {
	for _, param := range [...]struct {
		name string
		into *bool
	}{{"includeHttps", &w.https}, {"includeRelay", &w.relay}, {"includeIPv6", &w.ipv6}} {
		if *param.into, err = p.Bool(param.name); err != nil {
			return w, err
		}
	}
	return w, nil
}

// filter removes unrequested connections that another one can replace. A flag selects
// between two forms of a connection to the server; it never removes the only one: a caller
// that sends no flags must be able to connect, from the server's own network and from
// elsewhere. (Inference: what the real service omits is not known.)
func (w wanted) filter(list []wire.Connection) []wire.Connection {
	for _, rule := range []struct {
		asked bool
		// spare reports whether a connection is of an unrequested kind, and another one
		// can replace it.
		spare func(c, other wire.Connection) bool
	}{
		{w.relay, func(c, other wire.Connection) bool {
			return bool(c.Relay && !other.Relay && !other.Local) // a relay is for callers elsewhere
		}},
		{w.ipv6, func(c, other wire.Connection) bool {
			return bool(c.IPv6 && !other.IPv6 && (c.Relay || !other.Relay)) && c.Local == other.Local
		}},
		{w.https, func(c, other wire.Connection) bool {
			return c.Protocol == "https" && other.Protocol == "http" && host(c) == host(other)
		}},
	} {
		if rule.asked {
			continue
		}
		all := list
		list = slices.DeleteFunc(slices.Clone(all), func(c wire.Connection) bool {
			return slices.ContainsFunc(all, func(other wire.Connection) bool { return rule.spare(c, other) })
		})
	}
	return list
}

// host returns the host of a connection. The names under plex.direct,
// which media servers have certificates for, are addresses with other separators:
// 192-168-1-5.….plex.direct.
func host(c wire.Connection) string {
	name := strings.TrimSuffix(strings.ToLower(c.Address), ".")
	if strings.HasSuffix(name, ".plex.direct") {
		label, _, _ := strings.Cut(name, ".")
		for _, mark := range []string{".", ":"} {
			if ip, err := netip.ParseAddr(strings.ReplaceAll(label, "-", mark)); err == nil {
				return ip.String()
			}
		}
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.String()
	}
	return name
}

// reachable marks connections as not local if all of them are local, for callers
// who do not own the server: PlexAPI and @ctrl/plex use a local connection only
// for its owner, and would otherwise have none. (Inference.)
func reachable(list []wire.Connection) []wire.Connection {
	if slices.ContainsFunc(list, func(c wire.Connection) bool { return !bool(c.Local) }) {
		return list
	}
	marked := slices.Clone(list)
	for i := range marked {
		marked[i].Local = false
	}
	return marked
}

// sameNetwork reports whether a caller's address is a server's own, or in the
// network of one of its local connections. Clients prefer local connections if
// it is. (Inference: the real service compares public addresses, which callers
// from the same local network as this server do not show.)
func sameNetwork(src source.Source, caller string) bool {
	from, err := netip.ParseAddr(caller)
	if err != nil {
		return false
	}
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(src.Connections, func(c source.Connection) bool {
		at, err := netip.ParseAddr(c.Address)
		if err != nil || c.Relay {
			return false
		}
		at = at.Unmap().WithZone("")
		return at == from || c.Local && localNetwork(at).Contains(from)
	})
}

// localNetwork returns the usual network of a local address. A public address is alone
// in its network.
func localNetwork(at netip.Addr) netip.Prefix {
	bits := at.BitLen()
	switch {
	case !at.IsPrivate() && !at.IsLoopback() && !at.IsLinkLocalUnicast():
	case at.Is4():
		bits = 24
	case at.Is6() && !at.IsLoopback():
		bits = 64
	}
	network, _ := at.Prefix(bits) // bits is never too large
	return network
}
