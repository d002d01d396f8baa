// Package hashing computes argon2id, in this process or in others of its own.
//
// It owns those processes: when they start and end, what goes to them and back,
// and their priority. It does not own passwords, costs or what is done with a
// hash (see package account), nor how many are computed at once (see package
// guard).
//
// # Why other processes
//
// A hash is tens of milliseconds of nothing but computing, over megabytes of
// memory. In the server's own process, Go's runtime lets it take turns with
// token checks that take microseconds, and collects the server's garbage at the
// pace of its megabytes. Processes of their own stand behind the server by the
// system's own scheduling, keep their memory warm from hash to hash while there
// are sign-ins, and give all of it back by ending when there are none.
//
// Each computes one hash at a time, on one processor. Two hashes in one process
// stop each other whenever the memory of either is collected, which takes a
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

// Input is what one hash is computed from. Its fields are argon2.IDKey's.
type Input struct {
	Password, Salt []byte
	Time, Memory   uint32
	Threads        uint8
	Size           uint32
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
	// DefaultIdle is how long a process without work is kept.
	DefaultIdle = 20 * time.Second
	// DefaultLimit is how long one hash may take: a hundred times as long as
	// one does on a slow machine.
	DefaultLimit = 10 * time.Second
	// closeGrace is how long Close waits for a hash that is under way.
	closeGrace = time.Second
)

// Processes computes hashes in other processes: as many as there are hashes
// under way, each started for the first hash that finds none free, and ended
// when it had none in a while. It is safe for concurrent use.
type Processes struct {
	// Command returns the command of a program that calls Serve. Required.
	Command func() *exec.Cmd
	// Idle is how long a process without work is kept. Zero: DefaultIdle.
	Idle time.Duration
	// Limit is how long one hash may take, before its process is taken for one
	// that stands still and is killed. Zero: DefaultLimit.
	Limit time.Duration
	// Logger gets why a hash was computed here after all. Nil: nobody.
	Logger *slog.Logger

	mu      sync.Mutex
	running map[*worker]struct{}
	free    []*worker // of those; the last is the one that worked last
}

// Key computes a hash. A process that cannot be started, ends in the middle or
// stands still keeps nobody from signing in: the hash is computed here then.
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

// take returns a process for one hash: the one that worked last, so that those
// that are not needed any more rest and end.
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
		p.end(w) // somebody killed it while it rested
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

// give ends what take began. A process that failed is not taken again.
func (p *Processes) give(w *worker, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.running[w]; !ok {
		return // it was closed meanwhile
	}
	if failed {
		p.end(w)
		return
	}
	p.free = append(p.free, w)
	w.rest = time.AfterFunc(cmp.Or(p.Idle, DefaultIdle), func() { p.endIdle(w) })
}

// endIdle ends w unless it is in use again.
func (p *Processes) endIdle(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.free, w); i >= 0 {
		p.free = slices.Delete(p.free, i, i+1)
		p.end(w)
	}
}

// end lets a process end; p.mu is held. A hash that is under way fails, and is
// computed here.
func (p *Processes) end(w *worker) {
	delete(p.running, w)
	_ = w.in.Close() // its standard input ends, and it with it
}

// Close ends the processes and waits until they have. One that takes long over
// its hash is killed, and the hash computed here. A Key that comes later starts
// another.
func (p *Processes) Close() {
	p.mu.Lock()
	ended := slices.Collect(maps.Keys(p.running))
	for _, w := range ended {
		p.end(w)
	}
	p.free = nil
	p.mu.Unlock()
	for _, w := range ended {
		late := time.AfterFunc(closeGrace, w.kill)
		<-w.ended
		late.Stop()
	}
}

// worker is one of the other processes. It is used for one hash at a time.
type worker struct {
	in    io.Closer
	ask   *gob.Encoder
	hear  *gob.Decoder
	kill  func()
	rest  *time.Timer // ends it, while it is free
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

// start runs cmd with pipes to it and from it.
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
		_ = cmd.Wait() // how it ended is told by the hash that failed, if one did
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

// Serve computes the hashes that Processes asks for on standard input, one
// after the other and behind everything else that the machine does, until its
// input ends.
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
		// The next hash gets the memory of this one, which the processor still
		// has close by, instead of as much again: that is a tenth faster, and
		// half of the memory.
		runtime.GC()
	}
}
