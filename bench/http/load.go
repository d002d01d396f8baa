package main

import "context"

// load is everything that is measured on one running server.
type load struct {
	*bench
	usher *usher
	pairs []*pair
	flood *pair // token details, which a flood of sign-ins must not delay
}

// newLoad creates what the requests need, and a bare server for each of them.
func (b *bench) newLoad(ctx context.Context, u *usher) (_ *load, err error) {
	l := &load{bench: b, usher: u}
	defer func() {
		if err != nil {
			l.stop()
		}
	}()
	if err := b.writeScripts(); err != nil {
		return nil, err
	}
	if err := b.addSource(ctx, b.path("data")); err != nil {
		return nil, err
	}
	var t tokens
	if t.access, err = u.token(ctx, signIn("bench-client"), "authToken"); err != nil {
		return nil, err
	}
	if t.transient, err = u.token(ctx, asking("GET", mintPath, t.access), "MediaContainer", "token"); err != nil {
		return nil, err
	}
	if t.jwt, err = u.jwt(ctx); err != nil {
		return nil, err
	}
	for _, bc := range requests {
		if !b.wants(bc.name) {
			continue
		}
		p, err := b.newPair(ctx, bc, t, u)
		if err != nil {
			return nil, err
		}
		l.pairs = append(l.pairs, p)
		if err := b.warmUp(ctx, p); err != nil {
			return nil, err
		}
	}
	if b.wants(floodPart) {
		l.flood, err = b.newPair(ctx, benchCase{name: floodPart, request: details}, t, u)
	}
	return l, err
}

// stop stops the bare servers.
func (l *load) stop() {
	for _, p := range l.pairs {
		p.stop()
	}
	if l.flood != nil {
		l.flood.stop()
	}
}

// round measures everything once.
func (l *load) round(ctx context.Context, round int) error {
	for _, p := range l.pairs {
		if err := l.measure(ctx, p, round); err != nil {
			return err
		}
	}
	if l.wants(signInPart) {
		if err := l.measureSignIn(ctx, l.usher, round); err != nil {
			return err
		}
	}
	if l.flood == nil {
		return nil
	}
	return l.measureFlood(ctx, l.flood)
}
