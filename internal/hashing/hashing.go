// Package hashing computes argon2id, in this process or in one of its own.
//
// It owns the process: when it starts and ends, what goes to it and back, and
// its priority. It does not own passwords, costs or what is done with a hash
// (see package account), nor how many are computed at once (see package
// guard).
//
// # Why another process
//
// A hash is tens of milliseconds of nothing but computing, over megabytes of
// memory. In the server's own process, Go's runtime lets it take turns with
// token checks that take microseconds, and collects the server's garbage at the
// pace of its megabytes. A process of its own stands behind the server by the
// system's own scheduling, keeps its memory warm from hash to hash while there
// are sign-ins, and gives all of it back by ending when there are none.
package hashing

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"os/exec"
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

// DefaultIdle is how long a process without work is kept.
const DefaultIdle = 20 * time.Second

// Process computes hashes in another process, which it starts for the first
// and ends when none was asked for in a while. It is safe for concurrent use.
type Process struct {
	// Command returns the command of a program that calls Serve. Required.
	Command func() *exec.Cmd
	// Idle is how long a process without work is kept. Zero: DefaultIdle.
	Idle time.Duration
	// Logger gets why a hash was computed here after all. Nil: nobody.
	Logger *slog.Logger

	mu      sync.Mutex
	running *child
	busy    int // calls that use running
	rest    *time.Timer
}

// child is the other process.
type child struct {
	client *rpc.Client
	ended  chan struct{}
}

// method is how Serve's one service is called.
const service, method = "Argon2id", "Argon2id.Key"

// Key computes a hash. A process that cannot be started, or ends in the middle,
// keeps nobody from signing in: the hash is computed here then.
func (p *Process) Key(in Input) []byte {
	c, err := p.take()
	if err != nil {
		return p.here(in, err)
	}
	var out []byte
	err = c.client.Call(method, in, &out)
	p.give(c, err != nil)
	if err != nil {
		return p.here(in, err)
	}
	return out
}

func (p *Process) here(in Input, why error) []byte {
	if p.Logger != nil {
		p.Logger.Warn("a password was hashed in the server's own process", "error", why)
	}
	return Here(in)
}

// take returns the process, started if need be, for one call.
func (p *Process) take() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		c, err := start(p.Command())
		if err != nil {
			return nil, fmt.Errorf("starting the process that hashes: %w", err)
		}
		p.running, p.busy = c, 0
	}
	if p.rest != nil {
		p.rest.Stop()
		p.rest = nil
	}
	p.busy++
	return p.running, nil
}

// give ends what take began. A process that failed is not taken again.
func (p *Process) give(c *child, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != c {
		return // it has been replaced
	}
	p.busy--
	switch {
	case failed:
		p.end()
	case p.busy == 0:
		idle := p.Idle
		if idle <= 0 {
			idle = DefaultIdle
		}
		p.rest = time.AfterFunc(idle, func() { p.endIdle(c) })
	}
}

// endIdle ends c unless it is in use again.
func (p *Process) endIdle(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == c && p.busy == 0 {
		p.end()
	}
}

// end lets the process end; p.mu is held. Calls that are under way fail, and
// are computed here.
func (p *Process) end() {
	_ = p.running.client.Close() // its standard input ends, and it with it
	p.running = nil
}

// Close ends the process and waits until it has. A Key that comes later starts
// another.
func (p *Process) Close() {
	p.mu.Lock()
	c := p.running
	if c != nil {
		p.end()
	}
	p.mu.Unlock()
	if c != nil {
		<-c.ended
	}
}

// start runs cmd with pipes to it and from it.
func start(cmd *exec.Cmd) (*child, error) {
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
	c := &child{rpc.NewClient(pipes{out, in}), make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // how it ended is told by the calls that failed, if any
	}()
	return c, nil
}

// Serve computes the hashes that a Process asks for on standard input, behind
// everything else that the machine does, until its input ends.
func Serve() error {
	lowerPriority()
	s := rpc.NewServer()
	if err := s.RegisterName(service, worker{}); err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	s.ServeConn(pipes{standardInput(), os.Stdout})
	return nil
}

// worker is what Serve answers with.
type worker struct{}

// Key is called as method.
func (worker) Key(in Input, out *[]byte) error {
	*out = Here(in)
	return nil
}

// pipes are one connection of two halves.
type pipes struct {
	io.ReadCloser
	out io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close implements io.Closer.
func (p pipes) Close() error { return errors.Join(p.out.Close(), p.ReadCloser.Close()) }
