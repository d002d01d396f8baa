package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// hosts are those of a database's address, and which of them answered last. New
// connections begin with that one: one that is dead, and says nothing, takes longer
// than a request may wait.
type hosts struct {
	each []*pgx.ConnConfig // one for each host
	// password reads the password again, which may be in a file.
	password func() string

	mu   sync.Mutex
	last int // in each
}

// newHosts takes apart the configuration of an address. A host may have several
// entries, with TLS and without.
func newHosts(all *pgx.ConnConfig, password func() string) *hosts {
	h := &hosts{password: password}
	entries := append([]*pgconn.FallbackConfig{{Host: all.Host, Port: all.Port, TLSConfig: all.TLSConfig}}, all.Fallbacks...)
	for _, e := range entries {
		if n := len(h.each); n > 0 && h.each[n-1].Host == e.Host && h.each[n-1].Port == e.Port {
			h.each[n-1].Fallbacks = append(h.each[n-1].Fallbacks, e)
			continue
		}
		one := all.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = e.Host, e.Port, e.TLSConfig, nil
		h.each = append(h.each, one)
	}
	return h
}

// order returns the hosts in the order in which to try them.
func (h *hosts) order() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []int{h.last}
	for i := range h.each {
		if i != h.last {
			list = append(list, i)
		}
	}
	return list
}

func (h *hosts) answered(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = i
}

// config returns a copy of the configuration of a host.
func (h *hosts) config(i int) *pgx.ConnConfig {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.each[i].Copy()
}

// renewed reads the password again, and reports whether it is another one than that
// which was refused.
func (h *hosts) renewed(refused string) bool {
	password := h.password()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.each {
		one.Password = password
	}
	return password != refused
}

// connector opens connections to whichever host takes them. After a failure it waits
// longer and longer before it tries again, and returns the error immediately until then: each
// request would connect otherwise, and keep a database busy that is about to come back.
// It implements driver.Connector.
type connector struct {
	hosts *hosts
	dial  pgconn.DialFunc
	setUp func(context.Context, *pgx.Conn) error

	mu    sync.Mutex
	retry backoff
}

// Driver implements driver.Connector.
func (*connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.early(); err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx)
	if err == nil || ctx.Err() == nil { // the caller's timeout is not a failure of the database
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = c.retry.result(err)
	}
	return conn, err
}

func (c *connector) early() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retry.early()
}

// connect tries the hosts one after the other.
func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	var errs []error
	for _, i := range c.hosts.order() {
		conn, err := c.connectTo(ctx, i)
		if err == nil {
			c.hosts.answered(i)
			return conn, nil
		}
		if isRefused(err) {
			return nil, &refusedError{err}
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	err := errors.Join(errs...)
	// Whatever a host says, it may let connections in again. So may one whose time was
	// over, if the caller's is not.
	var failed *pgconn.ConnectError
	if ctx.Err() == nil && (errors.As(err, &failed) || errors.Is(err, context.DeadlineExceeded)) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, err
}

// connectTo connects to a host, with the password as it is now.
func (c *connector) connectTo(ctx context.Context, i int) (driver.Conn, error) {
	for {
		one := c.hosts.config(i)
		one.DialFunc = c.dial
		conn, err := stdlib.GetConnector(*one, stdlib.OptionAfterConnect(c.setUp)).Connect(ctx)
		if !hasCode(err, invalidPassword) || ctx.Err() != nil || !c.hosts.renewed(one.Password) {
			return conn, err
		}
	}
}

// refusedError is an ErrRefused. For a running server it is an ErrUnavailable: an operator
// may be changing a password, or the rules for who may connect.
type refusedError struct{ cause error }

func (e *refusedError) Error() string { return ErrRefused.Error() + ": " + e.cause.Error() }

// Unwrap returns what the error is.
func (e *refusedError) Unwrap() []error { return []error{ErrUnavailable, ErrRefused, e.cause} }

// isRefused reports whether a host answered that this user may not connect to this
// database. Others would answer the same.
func isRefused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains([]string{invalidPassword, invalidUser, unknownDatabase, noPrivilege}, e.Code)
}
