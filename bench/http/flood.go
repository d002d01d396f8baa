package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	floodPart    = "flood"
	floodClients = 64
	// floodLead is how long the flood runs before the measurement: by then, the
	// queue for hashing is full.
	floodLead = 500 * time.Millisecond
	// paceRate requests a second on paceConnections connections are a moderate
	// load, which the machine can serve even while it hashes.
	paceRate        = 500
	paceConnections = 4
)

// The rows of the flood's table.
const (
	rowAlone  = "usher, alone"
	rowFlood  = "usher, while 64 clients sign in"
	rowBeside = "bare, beside argon2id"
)

// measureFlood measures how long token details take, with and without a flood.
func (b *bench) measureFlood(ctx context.Context, p *pair) error {
	if err := b.pace(ctx, rowAlone, p.usher.request, p.usher.url); err != nil {
		return err
	}
	err := b.beside(
		func() error {
			got, err := keepSigningIn(ctx, p.usher.url, floodClients, floodLead+b.window)
			b.figures.add(rowFlood, "sign-ins", got.rate())
			b.figures.add(rowFlood, "refused", float64(got.refused)/got.elapsed.Seconds())
			return err
		},
		func() error { return b.pace(ctx, rowFlood, p.usher.request, p.usher.url) },
	)
	if err != nil {
		return err
	}
	return b.beside(
		func() error { return command(ctx, b.path("argon2id"), (floodLead + b.window).String()).Run() },
		func() error { return b.pace(ctx, rowBeside, p.bare.request, p.bare.url) },
	)
}

// beside starts the disturbance, and the measurement a moment later.
func (b *bench) beside(disturb, measure func() error) error {
	var wg sync.WaitGroup
	var disturbed error
	wg.Go(func() { disturbed = disturb() })
	time.Sleep(floodLead)
	err := measure()
	wg.Wait()
	return errors.Join(err, disturbed)
}

// pace sends requests at a steady rate and records the latencies.
func (b *bench) pace(ctx context.Context, row string, r request, url string) error {
	client := newClient(paceConnections)
	defer client.CloseIdleConnections()
	var (
		wg   sync.WaitGroup
		took [paceConnections][]time.Duration
		errs [paceConnections]error
	)
	const each = time.Second * paceConnections / paceRate
	start := time.Now()
	for i := range paceConnections {
		first := start.Add(each * time.Duration(i) / paceConnections)
		wg.Go(func() { took[i], errs[i] = paceLoop(ctx, client, r, url, first, each, start.Add(b.window)) })
	}
	wg.Wait()
	var all []time.Duration
	for _, one := range took {
		all = append(all, one...)
	}
	b.figures.add(row, "p50", millis(percentile(all, 50)))
	b.figures.add(row, "p99", millis(percentile(all, 99)))
	return errors.Join(errs[:]...)
}

// paceLoop is one connection. If the previous response was late, the latency of a
// request counts from the time at which it was due. Otherwise it counts from the
// time at which it was sent: a late wake-up of this program is not the server's
// fault.
func paceLoop(ctx context.Context, client *http.Client, r request, url string, due time.Time, each time.Duration, until time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for ; due.Before(until); due = due.Add(each) {
		from := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			from = time.Now()
		}
		a, err := fetch(ctx, client, r, url)
		if err != nil {
			return took, err
		}
		if a.Status != http.StatusOK {
			return took, fmt.Errorf("%s: status %d, %s", r.path, a.Status, a.Body)
		}
		took = append(took, time.Since(from))
	}
	return took, nil
}
