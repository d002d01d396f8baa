package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// request is one request as it is sent.
type request struct {
	method string
	path   string // with its query
	header http.Header
	form   string // the body; empty: none
	script string // the wrk script that sends the request; empty for a GET
}

// tokens are the tokens of the requests.
type tokens struct{ access, transient string }

// requests are the cases that wrk measures.
var requests = [...]struct {
	name, title string
	goal        float64 // of the ratio to bare
	request     func(tokens) request
}{
	{"details", "token details, cached token", 0.80, func(t tokens) request {
		return asking("GET", "/api/v2/user", t.access)
	}},
	{"mint", "transient mint, GET", 0.80, func(t tokens) request {
		return asking("GET", mintPath, t.access)
	}},
	{"mint-post", "transient mint, POST", 0.80, func(t tokens) request {
		r := asking("POST", mintPath, t.access)
		r.script = postScript
		return r
	}},
	{"check", "transient check", 0.80, func(t tokens) request {
		return asking("GET", "/api/v2/user", t.transient)
	}},
	{"source", "`/security/resources`", 0.70, func(t tokens) request {
		return asking("GET", "/security/resources?source=server://"+sourceID, t.access)
	}},
}

const mintPath = "/security/token?type=delegation&scope=all"

// asking is a request as generated SDKs send it.
func asking(method, path, token string) request {
	return request{method: method, path: path, header: http.Header{
		"Accept":                   {"application/json"},
		"X-Plex-Client-Identifier": {"bench-client"},
		"X-Plex-Product":           {"bench"},
		"X-Plex-Token":             {token},
	}}
}

// pair is a case with its two servers.
type pair struct {
	name string
	request
	bare  process
	usher *usher
}

// newPair records one response of usher and starts a bare server that repeats it.
func (b *bench) newPair(ctx context.Context, name string, r request, u *usher) (*pair, error) {
	want, err := fetch(ctx, http.DefaultClient, r, u.url)
	if err != nil {
		return nil, err
	}
	if want.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d, %s", name, want.Status, want.Body)
	}
	p := &pair{name: name, request: r, usher: u}
	if p.bare, err = b.startBare(ctx, want); err != nil {
		return nil, fmt.Errorf("starting the bare server: %w", err)
	}
	got, err := fetch(ctx, http.DefaultClient, r, p.bare.url)
	if err == nil && !got.equal(want) {
		err = fmt.Errorf("%s: bare answers otherwise than usher:\n%v\n%v", name, got, want)
	}
	if err != nil {
		p.bare.stop()
		return nil, err
	}
	return p, nil
}

func (a answer) equal(o answer) bool {
	return a.Status == o.Status && bytes.Equal(a.Body, o.Body) && maps.EqualFunc(a.Header, o.Header, slices.Equal)
}

// startBare starts a server with one response.
func (b *bench) startBare(ctx context.Context, a answer) (process, error) {
	spec, err := json.Marshal(a)
	if err != nil {
		return process{}, err
	}
	cmd := command(ctx, b.path("bare"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(spec), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return process{}, err
	}
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	p := process{cmd: cmd}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return process{}, err
	}
	p.url = "http://" + strings.TrimSpace(address)
	return p, nil
}

// measure loads both servers for one round, in alternating order, so that neither
// always runs in the state that the other left behind.
func (b *bench) measure(ctx context.Context, p *pair, round int) error {
	sides := []struct {
		name string
		process
	}{{"bare", p.bare}, {"usher", p.usher.process}}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := b.drive(ctx, p, side.name, side.process); err != nil {
			return err
		}
	}
	// A minute of this is half a gigabyte of log. The server appends to the
	// truncated file.
	if err := os.Truncate(p.usher.log, 0); err != nil {
		return err
	}
	b.figures.addRatio(p.name)
	return nil
}

// drive loads one server.
func (b *bench) drive(ctx context.Context, p *pair, side string, server process) error {
	before, err := server.cpu()
	if err != nil {
		return err
	}
	got, err := b.wrk(ctx, p.request, b.connections, server.url, b.window)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", p.name, side, err)
	}
	after, err := server.cpu()
	if err != nil {
		return err
	}
	b.figures.addDriven(p.name, side, got, after-before)
	return nil
}

// warmUp lets both servers fill their caches and grow their heaps.
func (b *bench) warmUp(ctx context.Context, p *pair) error {
	for _, url := range []string{p.bare.url, p.usher.url} {
		if _, err := b.wrk(ctx, p.request, b.connections, url, time.Second); err != nil {
			return fmt.Errorf("warming up %s: %w", p.name, err)
		}
	}
	return os.Truncate(p.usher.log, 0)
}
