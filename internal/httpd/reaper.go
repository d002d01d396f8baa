package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limits is how long a connection may stay in each of its states. http.Server
// reports a request once it has read the whole header.
type limits struct {
	first   time.Duration // until the first request's header is read
	request time.Duration // from there to the end of the answer
	idle    time.Duration // until the next request's header is read
}

// connectionLimits apply to every connection without TLS.
var connectionLimits = limits{first: requestTimeout, request: requestTimeout, idle: idleTimeout}

// reaper closes slow and idle connections.
//
// The deadlines of http.Server would do this, but each of them sets and stops a
// timer for every request: together a microsecond, one in fifteen. Here a
// request stores one number, and one goroutine checks all connections once per
// interval. A limit is therefore exact to within one interval.
type reaper struct {
	limits   limits
	interval time.Duration
	ticks    atomic.Int64 // intervals so far: the only clock that a request reads

	mu    sync.Mutex
	conns map[*reapedConn]struct{}
}

// limitConnections returns ln for srv to serve, with limits that are enforced
// until ctx ends.
func limitConnections(
	ctx context.Context, srv *http.Server, ln net.Listener, l limits, interval time.Duration,
) net.Listener {
	r := &reaper{limits: l, interval: interval, conns: make(map[*reapedConn]struct{})}
	srv.ConnState = r.connState
	go r.run(ctx)
	return reapedListener{ln, r}
}

// reapedConn is a connection with the tick at which the reaper closes it.
type reapedConn struct {
	net.Conn
	deadline atomic.Int64
	// hasReadDeadline: the last read deadline that was set is not "never".
	hasReadDeadline atomic.Bool
}

// SetReadDeadline skips calls that change nothing: even without timeouts,
// http.Server clears the read deadline three times per request.
func (c *reapedConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() && !c.hasReadDeadline.Load() {
		return nil
	}
	c.hasReadDeadline.Store(!t.IsZero())
	return c.Conn.SetReadDeadline(t)
}

// CloseWrite lets http.Server finish an answer cleanly while the client is still
// sending its request.
func (c *reapedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// reapedListener registers each new connection with the reaper.
type reapedListener struct {
	net.Listener
	reaper *reaper
}

// Accept implements net.Listener.
func (l reapedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	rc := &reapedConn{Conn: c}
	l.reaper.extend(rc, l.reaper.limits.first)
	l.reaper.mu.Lock()
	defer l.reaper.mu.Unlock()
	l.reaper.conns[rc] = struct{}{}
	return rc, nil
}

// extend sets a connection's deadline to d from now.
func (r *reaper) extend(c *reapedConn, d time.Duration) {
	c.deadline.Store(r.ticks.Load() + int64(d/r.interval) + 1)
}

// connState is an http.Server's ConnState.
func (r *reaper) connState(c net.Conn, s http.ConnState) {
	rc, ok := c.(*reapedConn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		r.extend(rc, r.limits.request)
	case http.StateIdle:
		r.extend(rc, r.limits.idle)
	case http.StateClosed, http.StateHijacked:
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, rc)
	}
}

// run reaps once per interval until ctx ends.
func (r *reaper) run(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.reap()
		}
	}
}

// reap closes the connections whose deadline has passed. http.Server notices
// and reports them as closed.
func (r *reaper) reap() {
	now := r.ticks.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		if c.deadline.Load() <= now {
			_ = c.Close() // nothing can be done about an error
			delete(r.conns, c)
		}
	}
}
