package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	signInPart = "sign-in"
	signInGoal = 0.95
	// signInClients keep every processor hashing and fit into the queue, so that
	// none is rejected.
	signInClients = 8
)

// measureSignIn compares sign-ins with plain hashing, in alternating order.
func (b *bench) measureSignIn(ctx context.Context, u *usher, round int) error {
	// The log of the previous millions of requests may not be on disk yet, and a commit
	// would wait for it.
	syncDisks()
	steps := []func() error{
		func() error { return b.hash(ctx) },
		func() error { return b.signInAll(ctx, u) },
	}
	if round%2 == 1 {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	b.figures.addRatio(signInPart)
	return nil
}

// hash runs the argon2id program.
func (b *bench) hash(ctx context.Context) error {
	cmd := command(ctx, b.path("argon2id"), b.window.String())
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("argon2id: %w", err)
	}
	var hashes, seconds, used float64
	if _, err := fmt.Sscan(string(out), &hashes, &seconds, &used); err != nil {
		return fmt.Errorf("argon2id printed an unknown format: %q", out)
	}
	b.figures.add(signInPart, "bare rate", hashes/seconds)
	b.figures.add(signInPart, "bare cpu", 1e6*used/hashes)
	return nil
}

// signInAll measures sign-ins, none of which may be rejected.
func (b *bench) signInAll(ctx context.Context, u *usher) error {
	r := signIn("")
	r.script = signInScript
	r.header.Del("X-Plex-Client-Identifier") // the script has it
	// The first sign-ins after a pause start the hashing processes, whose memory
	// is not mapped yet. The argon2id program does not count its first second either.
	if _, err := b.wrk(ctx, r, signInClients, u.url, time.Second); err != nil {
		return fmt.Errorf("signing in for the first time: %w", err)
	}
	before, err := u.cpu()
	if err != nil {
		return err
	}
	got, err := b.wrk(ctx, r, signInClients, u.url, b.window)
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	after, err := u.cpu()
	if err != nil {
		return err
	}
	b.figures.addDriven(signInPart, "usher", got, after-before)
	return nil
}

// signIns is the total of several clients that sign in.
type signIns struct {
	took    []time.Duration // of successful sign-ins
	refused int
	elapsed time.Duration
}

func (s signIns) rate() float64 { return float64(len(s.took)) / s.elapsed.Seconds() }

// refusedPause is how long a rejected client waits: a tenth of Retry-After, because
// a flood is not polite.
const refusedPause = 100 * time.Millisecond

// keepSigningIn has clients sign in repeatedly for d. It waits for sign-ins in progress,
// which count.
func keepSigningIn(ctx context.Context, url string, clients int, d time.Duration) (all signIns, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := newClient(clients)
	defer client.CloseIdleConnections()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs error
	)
	start := time.Now()
	for i := range clients {
		wg.Go(func() {
			one, err := signInLoop(ctx, client, signIn(fmt.Sprintf("bench-client-%d", i)), url, start.Add(d))
			if err != nil {
				cancel() // the figures of the others are no longer valid
			}
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, one.took...)
			all.refused += one.refused
			errs = errors.Join(errs, err)
		})
	}
	wg.Wait()
	all.elapsed = time.Since(start)
	return all, errs
}

// signInLoop is one client.
func signInLoop(ctx context.Context, client *http.Client, r request, url string, until time.Time) (s signIns, err error) {
	for time.Now().Before(until) {
		start := time.Now()
		a, err := fetch(ctx, client, r, url)
		switch {
		case err != nil:
			return s, err
		case a.Status == http.StatusCreated:
			s.took = append(s.took, time.Since(start))
		case a.Status == http.StatusServiceUnavailable:
			s.refused++
			time.Sleep(refusedPause)
		default:
			return s, fmt.Errorf("signing in: status %d, %s", a.Status, a.Body)
		}
	}
	return s, nil
}

// newClient returns a client that keeps as many connections as it needs.
func newClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
}
