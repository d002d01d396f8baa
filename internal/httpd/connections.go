package httpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/guard"
)

// limits are the maximum durations of the states of a connection. http.Server reports a
// request once it has read the whole header. A zero value has no limit.
type limits struct {
	first   time.Duration // until the first request's header is read
	request time.Duration // from there to the end of the response
	idle    time.Duration // until the next request's header is read
}

// connectionLimits apply to every connection without TLS.
var connectionLimits = limits{first: requestTimeout, request: requestTimeout, idle: idleTimeout}

// Bounds limits the number of connections of a listener. The zero value has no limit.
//
// When a limit is reached, the connections that have waited longest for a request are
// closed to make room for a new one. If no connection waits, the oldest connection of
// the network that has the most is closed, if that network has at least two more than
// the network of the new connection. Otherwise, the new connection is closed.
type Bounds struct {
	// All is the maximum number of connections. If zero, there is no limit.
	All int
	// Network is the maximum number of connections from one network. If zero, it is
	// half of All.
	Network int
	// Proxies are reverse proxies. Network does not apply to them, because they connect
	// on behalf of many clients.
	Proxies []netip.Prefix
}

func (b Bounds) network() int { return cmp.Or(b.Network, (b.All+1)/2) }

// connections limits the number and the duration of the connections of a listener.
//
// The timeouts of http.Server would close slow and idle connections, but each of them
// sets and stops a timer for every request. Together that takes a microsecond, a
// fifteenth of the request. Here, a request stores one number, and one goroutine checks
// all connections once per interval. So a limit is accurate to one interval.
type connections struct {
	limits   limits
	bounds   Bounds
	interval time.Duration
	logger   *slog.Logger
	ticks    atomic.Int64 // intervals so far: the only clock that a request reads

	mu       sync.Mutex
	networks map[string]*network
	count    int   // of open connections
	accepted int64 // since the start
	dropped  int   // number of closed connections since the last log line
	quiet    int64 // no further log line until this tick
}

// network holds the connections of one network.
type network struct {
	conns map[*boundConn]struct{}
	proxy bool // a reverse proxy, without a limit for the network
}

// boundListener registers each new connection.
type boundListener struct {
	net.Listener
	all *connections
}

// bound returns a listener for srv that enforces bounds and limits on the connections
// of ln, until ctx ends.
func bound(
	ctx context.Context, srv *http.Server, ln net.Listener, b Bounds, l limits, interval time.Duration,
	logger *slog.Logger,
) net.Listener {
	all := &connections{limits: l, bounds: b, interval: interval, logger: logger, networks: make(map[string]*network)}
	srv.ConnState = all.connState
	go all.run(ctx)
	return boundListener{ln, all}
}

// Accept implements net.Listener.
func (l boundListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		bc := &boundConn{Conn: c}
		if l.all.admit(bc) {
			return bc, nil
		}
		_ = c.Close() // nothing can be done about an error
	}
}

// phase is what a connection is doing.
type phase int64

const (
	phaseFirst  phase = iota // waits for its first request
	phaseActive              // is in a request
	phaseIdle                // waits for the next request
	phases      = 4          // a power of two above them
)

// boundConn is a connection of a listener with bounds.
type boundConn struct {
	net.Conn
	network string
	number  int64        // ascending in the order of acceptance
	state   atomic.Int64 // the tick at which its phase began, and the phase
	// hasReadDeadline reports whether a read deadline is set.
	hasReadDeadline atomic.Bool
}

// enter begins a phase.
func (c *boundConn) enter(p phase, tick int64) { c.state.Store(tick*phases + int64(p)) }

// phase returns the phase, and the tick at which it began.
func (c *boundConn) phase() (phase, int64) {
	s := c.state.Load()
	return phase(s % phases), s / phases
}

// SetReadDeadline skips calls that change nothing: even without timeouts,
// http.Server clears the read deadline three times per request.
func (c *boundConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() && !c.hasReadDeadline.Load() {
		return nil
	}
	c.hasReadDeadline.Store(!t.IsZero())
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline also sets the read deadline.
func (c *boundConn) SetDeadline(t time.Time) error {
	c.hasReadDeadline.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// CloseWrite lets http.Server finish a response cleanly while the client is still
// sending its request.
func (c *boundConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connState implements http.Server.ConnState.
func (a *connections) connState(c net.Conn, s http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	bc, ok := c.(*boundConn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		bc.enter(phaseActive, a.ticks.Load())
	case http.StateIdle:
		bc.enter(phaseIdle, a.ticks.Load())
	case http.StateClosed, http.StateHijacked:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.remove(bc)
	}
}

// admit registers a new connection. If there are too many, it closes others. It returns
// false if the new one must be closed.
func (a *connections) admit(c *boundConn) bool {
	address := remoteAddress(c)
	c.network = guard.Network(address)
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.networks[c.network]
	if own == nil {
		own = &network{conns: make(map[*boundConn]struct{}), proxy: isProxy(address, a.bounds.Proxies)}
	}
	if !a.makeRoom(own) {
		a.dropped++
		return false
	}
	a.accepted++
	c.number = a.accepted
	c.enter(phaseFirst, a.ticks.Load())
	a.networks[c.network] = own
	own.conns[c] = struct{}{}
	a.count++
	return true
}

// remoteAddress returns the remote address of a connection, without the port.
func remoteAddress(c net.Conn) string {
	text := c.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return text
}

// makeRoom closes connections until there is room for one more from a network, if
// fairness allows it.
//
// Attack: one network opens connections and sends nothing, or sends requests and never
// reads the responses, until nobody else can connect.
func (a *connections) makeRoom(own *network) bool {
	if a.bounds.All <= 0 {
		return true
	}
	if !own.proxy && len(own.conns) >= a.bounds.network() && !a.closeWaiting(own) {
		return false
	}
	if a.count < a.bounds.All {
		return true
	}
	var largest, waits *network // waits: the largest with a connection that waits
	for _, n := range a.networks {
		if !n.proxy && (largest == nil || len(n.conns) > len(largest.conns)) {
			largest = n
		}
		if (waits == nil || len(n.conns) > len(waits.conns)) && n.hasWaiting() {
			waits = n
		}
	}
	switch {
	case waits != nil:
		return a.closeWaiting(waits)
	case largest != nil && len(largest.conns) > len(own.conns)+1:
		a.drop(slices.MinFunc(largest.all(), older))
		return true
	}
	return false
}

// waiting returns the connections that wait for a request.
func (n *network) waiting() (list []*boundConn) {
	for c := range n.conns {
		if p, _ := c.phase(); p != phaseActive {
			list = append(list, c)
		}
	}
	return list
}

// hasWaiting reports whether a connection waits for a request.
func (n *network) hasWaiting() bool {
	for c := range n.conns {
		if p, _ := c.phase(); p != phaseActive {
			return true
		}
	}
	return false
}

// all returns all connections.
func (n *network) all() (list []*boundConn) {
	for c := range n.conns {
		list = append(list, c)
	}
	return list
}

// older orders connections by how long they have been in their phase.
func older(a, b *boundConn) int {
	_, since := a.phase()
	_, other := b.phase()
	return cmp.Or(cmp.Compare(since, other), cmp.Compare(a.number, b.number))
}

// closeWaiting closes the connections of a network that have waited longest, a
// sixteenth of them, so that a flood does not cause a search for each new connection.
// It reports whether it closed any.
func (a *connections) closeWaiting(n *network) bool {
	list := n.waiting()
	slices.SortFunc(list, older)
	for _, c := range list[:(len(list)+15)/16] {
		a.drop(c)
	}
	return len(list) > 0
}

// drop closes a connection to make room. http.Server detects that.
func (a *connections) drop(c *boundConn) {
	_ = c.Close() // nothing can be done about an error
	a.dropped++
	a.remove(c)
}

// remove unregisters a connection, if it is registered.
func (a *connections) remove(c *boundConn) {
	n := a.networks[c.network]
	if n == nil {
		return
	}
	if _, ok := n.conns[c]; !ok {
		return
	}
	delete(n.conns, c)
	a.count--
	if len(n.conns) == 0 {
		delete(a.networks, c.network)
	}
}

// run reaps once per interval until ctx ends.
func (a *connections) run(ctx context.Context) {
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.reap()
		}
	}
}

// quietTicks is the number of intervals between two log lines about too many
// connections.
const quietTicks = 60

// reap closes the connections that have been in their phase for too long. http.Server
// detects that, and reports them as closed.
func (a *connections) reap() {
	now := a.ticks.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped > 0 && now >= a.quiet {
		a.logger.Warn("too many connections: closed some", "closed", a.dropped, "open", a.count, "bound", a.bounds.All)
		a.dropped, a.quiet = 0, now+quietTicks
	}
	for _, n := range a.networks {
		for c := range n.conns {
			p, since := c.phase()
			limit := [...]time.Duration{phaseFirst: a.limits.first, phaseActive: a.limits.request, phaseIdle: a.limits.idle}[p]
			if limit > 0 && since+int64(limit/a.interval)+1 <= now {
				_ = c.Close() // nothing can be done about an error
				a.remove(c)
			}
		}
	}
}
