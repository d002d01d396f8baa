// Package binary builds usher and runs it as its users do: as a process with flags,
// an environment and a data folder.
//
// It owns such a process from start to exit, and its output. It does not own the
// requests of a test, nor the contents of the data folder.
package binary

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How long a server may take to become ready and to exit. On an idle machine, both take a
// few milliseconds.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
)

// Build compiles usher into a folder, with additional flags for "go build", and returns the
// path of the binary. The binary has the race detector if the test has.
func Build(dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "usher"+extension)
	if race {
		flags = append(flags, "-race")
	}
	cmd := exec.Command("go", buildArgs("github.com/usher-auth/usher/cmd/usher", path, flags)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building usher: %w\n%s", err, out)
	}
	return path, nil
}

// Env is this process's environment without usher's variables, plus the given ones. It also
// prevents a binary with the race detector from sleeping for one second before it exits.
func Env(extra ...string) []string {
	env := make([]string, 0, len(extra)+1)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "USHER_") && !strings.HasPrefix(pair, "XDG_DATA_HOME=") {
			env = append(env, pair)
		}
	}
	env = append(env, "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	return append(env, extra...)
}

// Server is a running "usher serve".
type Server struct {
	// URL is the address that it printed when it was ready.
	URL string

	cmd      *exec.Cmd
	out, log output
	gone     chan struct{} // closed once the process has exited
	ended    error         // the error of its exit; read it after gone is closed
}

// planeLine is the line on which a ready server prints its address.
var planeLine = regexp.MustCompile(`(?m)^  account plane +(\S+)`)

// Start starts a command, which must be "usher serve" on a free port. It returns when the
// server is ready.
func Start(cmd *exec.Cmd) (*Server, error) {
	s := &Server{cmd: cmd, gone: make(chan struct{})}
	s.out.news = make(chan struct{}, 1)
	cmd.Stdout, cmd.Stderr = &s.out, &s.log
	separate(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.ended = cmd.Wait()
		close(s.gone)
	}()
	timeout := time.After(startTimeout)
	for {
		select {
		case <-s.gone:
			return nil, fmt.Errorf("usher ended before it was ready: %w\n%s", s.ended, s.log.String())
		case <-timeout:
			return nil, errors.Join(fmt.Errorf("usher is not ready after %v\n%s", startTimeout, s.log.String()), s.Kill())
		case <-s.out.news:
		}
		if m := planeLine.FindStringSubmatch(s.out.String()); m != nil {
			s.URL = m[1]
			return s, nil
		}
	}
}

// Printed is its standard output so far.
func (s *Server) Printed() string { return s.out.String() }

// Log is its standard error so far: the request log. The server buffers lines for a moment.
// After Stop, the log is complete.
func (s *Server) Log() string { return s.log.String() }

// Children are its running child processes. It is empty on systems without /proc.
func (s *Server) Children() []int {
	var list []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		var pid, parent int
		var name, state string
		text, _ := os.ReadFile(path) // empty if it has just exited
		if _, err := fmt.Sscan(string(text), &pid, &name, &state, &parent); err == nil && parent == s.cmd.Process.Pid {
			list = append(list, pid)
		}
	}
	return list
}

// Work is the processor time of the server and its child processes. Other load on the
// machine affects it little. It works on Linux.
func (s *Server) Work() (total time.Duration, ok bool) {
	for _, pid := range append(s.Children(), s.PID()) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // it has just exited
			}
			var ran time.Duration
			if _, err := fmt.Sscan(string(text), &ran); err == nil {
				total, ok = total+ran, true
			}
		}
	}
	return total, ok
}

// PID is the number of its process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Resident is how much memory its process uses, in bytes. It works on Linux.
func (s *Server) Resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc does not say how much memory a process holds")
}

// Stop asks the server to stop, like a service manager does, and waits until it has exited.
// An exit code other than 0 is an error, including that of the race detector.
func (s *Server) Stop() error { return s.stop(askToStop) }

// StopBy is Stop with other signals, which it sends in turn.
func (s *Server) StopBy(signals ...os.Signal) error {
	return s.stop(func(p *os.Process) error {
		for _, sig := range signals {
			if err := p.Signal(sig); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) stop(ask func(*os.Process) error) error {
	if err := unlessGone(ask(s.cmd.Process)); err != nil {
		return errors.Join(err, s.Kill())
	}
	select {
	case <-s.gone:
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("usher still runs %v after it was asked to stop", stopTimeout), s.Kill())
	}
	if s.ended != nil {
		return fmt.Errorf("usher ended with %w\n%s", s.ended, s.log.String())
	}
	return nil
}

// Signal sends the server a signal, if it still runs.
func (s *Server) Signal(sig os.Signal) error { return unlessGone(s.cmd.Process.Signal(sig)) }

// Kill kills the server with SIGKILL, which it cannot handle, and waits until it has
// exited.
func (s *Server) Kill() error {
	err := s.cmd.Process.Kill()
	<-s.gone
	return unlessGone(err)
}

// unlessGone drops the error of a process that has already exited.
func unlessGone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// output collects the output of a process. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	news chan struct{} // gets a value after a write; nil if nothing waits
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

// String returns all of it so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
