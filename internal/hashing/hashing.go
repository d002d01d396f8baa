// Package hashing computes argon2id, in this process or in separate ones.
//
// It owns the separate processes: when they start and stop, the data that they
// exchange, and their priority. It does not own passwords, costs or the use of a
// hash (see package account), nor the number of concurrent hashes (see package
// guard).
//
// # Why separate processes
//
// A hash computes for tens of milliseconds over megabytes of memory. In the
// server's own process, Go's runtime schedules it like a token check that takes
// microseconds, and its memory makes the garbage collector run more often. The
// system schedules separate processes behind the server. They reuse their memory
// from hash to hash while there are sign-ins, and exit when there are no more,
// which frees all of it.
//
// Each process computes one hash at a time, on one processor. Two hashes in one
// process would stop each other in every garbage collection, which takes a
// fortieth of their time.
package hashing

import (
	"cmp"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// Input is the input of one hash. Its fields are the parameters of argon2.IDKey.
type Input struct {
	Password, Salt []byte
	Time, Memory   uint32 // the number of passes, and the memory in KiB
	Threads        uint8  // the number of lanes
	Size           uint32 // the size of the hash in bytes
}

// String keeps passwords out of logs.
func (Input) String() string { return "…" }

// GoString keeps passwords out of %#v.
func (Input) GoString() string { return "…" }

// Here computes a hash in this process.
func Here(in Input) []byte {
	return argon2.IDKey(in.Password, in.Salt, in.Time, in.Memory, in.Threads, in.Size)
}

const (
	// DefaultIdle is how long a process without work runs.
	DefaultIdle = 20 * time.Second
	// DefaultLimit is how long one hash may take: a hundred times its duration
	// on a slow machine.
	DefaultLimit = 10 * time.Second
	// closeGrace is how long Close waits for a running hash.
	closeGrace = time.Second
)

// Processes computes hashes in separate processes, one for each concurrent hash.
// It starts a process when a hash finds none free, and stops it when it has been
// idle for a while. It is safe for concurrent use.
type Processes struct {
	// Command returns the command of a program that calls Serve. Required.
	Command func() *exec.Cmd
	// Idle is how long a process without work runs. Zero means DefaultIdle.
	Idle time.Duration
	// Limit is how long one hash may take before its process is considered stuck
	// and is killed. Zero means DefaultLimit.
	Limit time.Duration
	// Logger records why a hash was computed in this process. Nil means no log.
	Logger *slog.Logger

	mu      sync.Mutex
	running map[*worker]struct{}
	free    []*worker // idle ones; the last is the most recently used
}

// Key computes a hash. If a process cannot be started, exits early or is stuck, the
// hash is computed in this process, so the sign-in succeeds nevertheless.
func (p *Processes) Key(in Input) []byte {
	w, err := p.take()
	if err != nil {
		return p.here(in, fmt.Errorf("starting a process that hashes: %w", err))
	}
	stuck := time.AfterFunc(cmp.Or(p.Limit, DefaultLimit), w.kill)
	out, err := w.key(in)
	p.give(w, !stuck.Stop() || err != nil)
	if err != nil {
		return p.here(in, fmt.Errorf("hashing in another process: %w", err))
	}
	return out
}

func (p *Processes) here(in Input, why error) []byte {
	if p.Logger != nil {
		p.Logger.Warn("a password was hashed in the server's own process", "error", why)
	}
	return Here(in)
}

// take returns a process for one hash: the most recently used one, so that the
// others become idle and stop.
func (p *Processes) take() (*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.free); n > 0; n-- {
		w := p.free[n-1]
		p.free = p.free[:n-1]
		w.rest.Stop()
		if w.alive() {
			return w, nil
		}
		p.stop(w) // it was killed while it was idle
	}
	w, err := start(p.Command())
	if err != nil {
		return nil, err
	}
	if p.running == nil {
		p.running = make(map[*worker]struct{})
	}
	p.running[w] = struct{}{}
	return w, nil
}

// give returns a process that take returned. A failed process is not reused.
func (p *Processes) give(w *worker, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.running[w]; !ok {
		return // Processes was closed in the meantime
	}
	if failed {
		p.stop(w)
		return
	}
	p.free = append(p.free, w)
	w.rest = time.AfterFunc(cmp.Or(p.Idle, DefaultIdle), func() { p.stopIdle(w) })
}

// stopIdle stops w unless it is in use again.
func (p *Processes) stopIdle(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.free, w); i >= 0 {
		p.free = slices.Delete(p.free, i, i+1)
		p.stop(w)
	}
}

// stop stops a process; p.mu is held. A running hash fails, and is computed in this
// process.
func (p *Processes) stop(w *worker) {
	delete(p.running, w)
	_ = w.in.Close() // it exits at the end of its standard input
}

// Close stops the processes and waits for them to exit. One whose hash takes long
// is killed, and the hash is computed in this process. A later call of Key starts
// another process.
func (p *Processes) Close() {
	p.mu.Lock()
	ended := slices.Collect(maps.Keys(p.running))
	for _, w := range ended {
		p.stop(w)
	}
	p.free = nil
	p.mu.Unlock()
	for _, w := range ended {
		late := time.AfterFunc(closeGrace, w.kill)
		<-w.ended
		late.Stop()
	}
}

// worker is a separate process. It computes one hash at a time.
type worker struct {
	in    io.Closer
	ask   *gob.Encoder
	hear  *gob.Decoder
	kill  func()
	rest  *time.Timer // stops it after a time without work
	ended chan struct{}
}

func (w *worker) alive() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// start runs cmd with pipes for its standard input and output.
func start(cmd *exec.Cmd) (*worker, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &worker{
		in: in, ask: gob.NewEncoder(in), hear: gob.NewDecoder(out),
		kill: func() { _ = cmd.Process.Kill() }, ended: make(chan struct{}),
	}
	go func() {
		defer close(w.ended)
		_ = cmd.Wait() // a hash that failed reports the cause
	}()
	return w, nil
}

func (w *worker) key(in Input) (out []byte, err error) {
	if err := w.ask.Encode(in); err != nil {
		return nil, err
	}
	err = w.hear.Decode(&out)
	return out, err
}

// Serve computes the hashes that Processes requests on standard input, one after
// the other and at the lowest priority, until the end of its input.
func Serve() error {
	runtime.GOMAXPROCS(1)
	lowerPriority()
	asked, answers := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	for {
		var in Input
		if err := asked.Decode(&in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading what to hash: %w", err)
		}
		if err := answers.Encode(Here(in)); err != nil {
			return fmt.Errorf("answering with a hash: %w", err)
		}
		// The next hash reuses the memory of this one, which is still in the
		// processor's caches. That is a tenth faster, and halves the memory.
		runtime.GC()
	}
}
