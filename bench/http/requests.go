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

// request is one request.
type request struct {
	method string
	path   string // with its query
	header http.Header
	form   string // the body; if empty, none
	script string // the wrk script that sends the request; empty for a GET
}

// tokens are the tokens of the requests.
type tokens struct{ access, transient, jwt string }

// benchCase is a case that wrk measures.
type benchCase struct {
	name, title string
	goal        float64 // of the ratio to bare
	request     func(tokens) request
	// beside is the request that is measured in turn with this one. If nil, the other side
	// is bare.
	beside func(tokens) request
	// cpuGoal is how many times the CPU time of the other side a request may take. If 0,
	// there is no limit.
	cpuGoal float64
}

// requests are the cases.
var requests = [...]benchCase{
	{name: "details", title: "token details, cached token", goal: 0.80, request: details},
	{name: "mint", title: "transient mint, GET", goal: 0.80, request: func(t tokens) request {
		return asking("GET", mintPath, t.access)
	}},
	{name: "mint-post", title: "transient mint, POST", goal: 0.80, request: func(t tokens) request {
		r := asking("POST", mintPath, t.access)
		r.script = postScript
		return r
	}},
	{name: "check", title: "transient check", goal: 0.80, request: func(t tokens) request {
		return asking("GET", detailsPath, t.transient)
	}},
	{name: "source", title: "`/security/resources`", goal: 0.70, request: func(t tokens) request {
		return asking("GET", "/security/resources?source=server://"+sourceID, t.access)
	}},
	{name: "jwt", title: "JWT check (bare: cached token)", goal: 0.50, cpuGoal: 2, beside: details, request: func(t tokens) request {
		return asking("GET", detailsPath, t.jwt)
	}},
}

const (
	detailsPath = "/api/v2/user"
	mintPath    = "/security/token?type=delegation&scope=all"
)

// details requests token details with an opaque token, which is cached after the
// first request.
func details(t tokens) request { return asking("GET", detailsPath, t.access) }

// asking is a request in the form of generated SDKs.
func asking(method, path, token string) request {
	return request{method: method, path: path, header: http.Header{
		"Accept":                   {"application/json"},
		"X-Plex-Client-Identifier": {"bench-client"},
		"X-Plex-Product":           {"bench"},
		"X-Plex-Token":             {token},
	}}
}

// side is a server and the request that is sent to it.
type side struct {
	name string // in the figures
	request
	process
}

// pair is a case with its two sides.
type pair struct {
	name        string
	bare, usher side
	log         string // of usher
	started     bool   // bare is a server that was started for this pair
}

// stop stops what was started for the pair.
func (p *pair) stop() {
	if p.started {
		p.bare.stop()
	}
}

// newPair prepares a case. Unless usher is on both sides, it records one response of
// usher and starts a bare server that repeats it.
func (b *bench) newPair(ctx context.Context, bc benchCase, t tokens, u *usher) (*pair, error) {
	r := bc.request(t)
	want, err := u.good(ctx, bc.name, r)
	if err != nil {
		return nil, err
	}
	p := &pair{name: bc.name, usher: side{"usher", r, u.process}, log: u.log}
	if bc.beside != nil {
		p.bare = side{"bare", bc.beside(t), u.process}
		_, err := u.good(ctx, bc.name, p.bare.request)
		return p, err
	}
	bare, err := b.startBare(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("starting the bare server: %w", err)
	}
	p.bare, p.started = side{"bare", r, bare}, true
	got, err := fetch(ctx, http.DefaultClient, r, p.bare.url)
	if err == nil && !got.equal(want) {
		err = fmt.Errorf("%s: bare and usher answer differently:\n%v\n%v", bc.name, got, want)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// good sends a request of a case, whose response must be a success.
func (u *usher) good(ctx context.Context, name string, r request) (answer, error) {
	a, err := fetch(ctx, http.DefaultClient, r, u.url)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%s: status %d, %s", name, a.Status, a.Body)
	}
	return a, err
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

// measure loads both sides for one round, in alternating order, so that neither always runs
// after the other.
func (b *bench) measure(ctx context.Context, p *pair, round int) error {
	sides := []side{p.bare, p.usher}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, s := range sides {
		if err := b.drive(ctx, p.name, s); err != nil {
			return err
		}
	}
	// A minute of requests is half a gigabyte of log. The server appends to the truncated
	// file.
	if err := os.Truncate(p.log, 0); err != nil {
		return err
	}
	b.figures.addRatio(p.name)
	return nil
}

// drive loads one side.
func (b *bench) drive(ctx context.Context, row string, s side) error {
	before, err := s.cpu()
	if err != nil {
		return err
	}
	got, err := b.wrk(ctx, s.request, b.connections, s.url, b.window)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", row, s.name, err)
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	b.figures.addDriven(row, s.name, got, after-before)
	return nil
}

// warmUp lets both sides fill their caches and grow their heaps.
func (b *bench) warmUp(ctx context.Context, p *pair) error {
	for _, s := range []side{p.bare, p.usher} {
		if _, err := b.wrk(ctx, s.request, b.connections, s.url, time.Second); err != nil {
			return fmt.Errorf("warming up %s: %w", p.name, err)
		}
	}
	return os.Truncate(p.log, 0)
}
