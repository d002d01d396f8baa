package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limits is how long a connection may be in each of its states. http.Server
// tells of a request once it has the whole head of it.
type limits struct {
	first   time.Duration // until the head of its first request is there
	request time.Duration // from there to the end of the answer
	idle    time.Duration // until the head of the next is there
}

// connectionLimits are what every plain connection gets.
var connectionLimits = limits{first: requestTimeout, request: requestTimeout, idle: idleTimeout}

// overdue ends connections that take too long.
//
// The deadlines of http.Server do this, too, and each costs every request a
// timer to set and another to stop: together a microsecond, one in fifteen.
// Here a request stores two numbers, and one goroutine looks at all of them now
// and then. A limit is therefore kept to within the time between two looks.
type overdue struct {
	limits limits
	every  time.Duration // between two looks
	clock  atomic.Int64  // looks so far: all that a request needs of the time

	mu    sync.Mutex
	conns map[*timedConn]struct{}
}

// limitConnections returns ln for srv to serve, with limits that are looked
// after until ctx ends.
func limitConnections(ctx context.Context, srv *http.Server, ln net.Listener, l limits, every time.Duration) net.Listener {
	o := &overdue{limits: l, every: every, conns: make(map[*timedConn]struct{})}
	srv.ConnState = o.state
	go o.run(ctx)
	return timedListener{ln, o}
}

// timedConn is a connection that knows at which look it is overdue.
type timedConn struct {
	net.Conn
	until atomic.Int64
	// timed: the last read deadline was not "never".
	timed atomic.Bool
}

// SetReadDeadline passes over what changes nothing: without time-outs of its
// own, http.Server still says "never" three times a request.
func (c *timedConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() && !c.timed.Load() {
		return nil
	}
	c.timed.Store(!t.IsZero())
	return c.Conn.SetReadDeadline(t)
}

// CloseWrite lets http.Server end an answer in order while more of the request
// is still on its way.
func (c *timedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// timedListener gives each connection its first limit.
type timedListener struct {
	net.Listener
	overdue *overdue
}

// Accept implements net.Listener.
func (l timedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tc := &timedConn{Conn: c}
	l.overdue.allow(tc, l.overdue.limits.first)
	l.overdue.mu.Lock()
	defer l.overdue.mu.Unlock()
	l.overdue.conns[tc] = struct{}{}
	return tc, nil
}

// allow gives a connection a new limit.
func (o *overdue) allow(c *timedConn, d time.Duration) {
	c.until.Store(o.clock.Load() + int64(d/o.every) + 1)
}

// state is an http.Server's ConnState.
func (o *overdue) state(c net.Conn, s http.ConnState) {
	tc, ok := c.(*timedConn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		o.allow(tc, o.limits.request)
	case http.StateIdle:
		o.allow(tc, o.limits.idle)
	case http.StateClosed, http.StateHijacked:
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.conns, tc)
	}
}

// run looks until ctx ends.
func (o *overdue) run(ctx context.Context) {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.look()
		}
	}
}

// look ends what is overdue. http.Server notices, and says that it is closed.
func (o *overdue) look() {
	now := o.clock.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		if c.until.Load() <= now {
			_ = c.Close() // it is ended either way
			delete(o.conns, c)
		}
	}
}
