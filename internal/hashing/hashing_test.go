package hashing_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/hashing"
)

const (
	// asWorker in the environment makes this test program a hashing process.
	asWorker = "USHER_TEST_HASH_WORKER"
	// standStill makes it a stuck process. It names a file to which the process
	// writes its ID once it has a request.
	standStill = "USHER_TEST_HASH_ASKED"
)

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	if asked := os.Getenv(standStill); asked != "" {
		_, _ = os.Stdin.Read(make([]byte, 1))
		_ = os.WriteFile(asked, []byte(strconv.Itoa(os.Getpid())), 0o600)
		time.Sleep(time.Hour)
	}
	if err := hashing.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// started is Processes with what a test observes of them.
type started struct {
	hashing.Processes
	mu       sync.Mutex
	commands []*exec.Cmd
	asked    string // the file of the first process, which is stuck; empty if it is not
	log      bytes.Buffer
}

func newProcesses(t *testing.T, idle time.Duration) *started {
	t.Helper()
	p := &started{}
	p.Idle = idle
	p.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	p.Command = func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{asWorker + "=1", "GORACE=atexit_sleep_ms=0"}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.asked != "" && len(p.commands) == 0 {
			cmd.Env = append(cmd.Env, standStill+"="+p.asked)
		}
		p.commands = append(p.commands, cmd)
		return cmd
	}
	t.Cleanup(p.Close)
	return p
}

func input(password string) hashing.Input {
	return hashing.Input{
		Password: []byte(password), Salt: []byte("0123456789abcdef"), Time: 1, Memory: 64, Threads: 1, Size: 32,
	}
}

func (p *started) check(t *testing.T, password string) {
	t.Helper()
	if got, want := p.Key(input(password)), hashing.Here(input(password)); !bytes.Equal(got, want) {
		t.Errorf("the hash of %s is %x there and %x here", password, got, want)
	}
}

// Concurrent calls get their own hashes, from no more processes than calls.
func TestProcesses(t *testing.T) {
	const atOnce, each = 4, 10
	p := newProcesses(t, 0)
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() {
			for k := range each {
				p.check(t, fmt.Sprint("password ", i, " ", k))
			}
		})
	}
	wg.Wait()
	if n := len(p.commands); n > atOnce || p.log.Len() > 0 {
		t.Errorf("%d at once took %d processes, with the log %q", atOnce, n, p.log.String())
	}
}

// Consecutive hashes are computed by the same process.
func TestProcessIsKept(t *testing.T) {
	p := newProcesses(t, 0)
	for i := range 10 {
		p.check(t, fmt.Sprint("password ", i))
	}
	if len(p.commands) != 1 || p.log.Len() > 0 {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), p.log.String())
	}
}

// A process without work exits, and the next hash starts another.
func TestProcessEndsWhenIdle(t *testing.T) {
	p := newProcesses(t, time.Millisecond)
	p.check(t, "one")
	waitForEnd(t, p.commands[0])
	p.check(t, "two")
	if len(p.commands) != 2 || p.log.Len() > 0 {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), p.log.String())
	}
}

// standing is Processes whose first process never answers. ask sends it a request
// and returns the process once it has received it.
func standing(t *testing.T) (p *started, ask func(*sync.WaitGroup) *os.Process) {
	t.Helper()
	p = newProcesses(t, 0)
	p.asked = filepath.Join(t.TempDir(), "asked")
	return p, func(wg *sync.WaitGroup) *os.Process {
		wg.Go(func() { p.check(t, "during") })
		for ; ; time.Sleep(time.Millisecond) {
			text, _ := os.ReadFile(p.asked)
			if pid, err := strconv.Atoi(string(text)); err == nil {
				process, err := os.FindProcess(pid)
				if err != nil {
					t.Fatal(err)
				}
				return process
			}
		}
	}
}

// wantHere checks that one hash was computed in this process, and the next one in
// a separate process again.
func (p *started) wantHere(t *testing.T, why string) {
	t.Helper()
	p.check(t, "after")
	log := p.log.String()
	if len(p.commands) != 2 || strings.Count(log, "in the server's own process") != 1 || !strings.Contains(log, why) {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), log)
	}
}

// A process that is killed during a hash delays no sign-in, and the next hash
// starts another.
func TestProcessIsKilled(t *testing.T) {
	p, ask := standing(t)
	var wg sync.WaitGroup
	if err := ask(&wg).Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	p.wantHere(t, "hashing in another process")
}

// Neither does a stuck process.
func TestProcessStandsStill(t *testing.T) {
	p, ask := standing(t)
	p.Limit = 500 * time.Millisecond
	var wg sync.WaitGroup
	ask(&wg)
	wg.Wait()
	p.Limit = 0
	p.wantHere(t, "hashing in another process")
}

// Processes that were killed while idle are not used.
func TestProcessesDieAtRest(t *testing.T) {
	const atOnce = 3
	p := newProcesses(t, 0)
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() { p.check(t, fmt.Sprint("before ", i)) })
	}
	wg.Wait()
	dead := len(p.commands)
	for _, cmd := range p.commands {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		waitForEnd(t, cmd)
	}
	time.Sleep(20 * time.Millisecond) // until their exit has been noticed
	p.check(t, "after")
	if len(p.commands) != dead+1 || p.log.Len() > 0 {
		t.Errorf("it took %d processes more, with the log %q", len(p.commands)-dead, p.log.String())
	}
}

// If no process can be started, passwords are hashed in this process, and the log
// says so.
func TestNoProcess(t *testing.T) {
	p := newProcesses(t, 0)
	p.Command = func() *exec.Cmd { return exec.Command("/nowhere/to/be/found") }
	p.check(t, "secret")
	log := p.log.String()
	if !strings.Contains(log, "/nowhere/to/be/found") || strings.Contains(log, "secret") {
		t.Errorf("the log is %q", log)
	}
}

// Close waits for idle processes, and for a limited time for a busy one, whose hash
// is then computed in this process.
func TestClose(t *testing.T) {
	p, ask := standing(t)
	var wg sync.WaitGroup
	ask(&wg)
	p.check(t, "meanwhile")
	p.Close()
	p.Close()
	wg.Wait()
	for _, cmd := range p.commands {
		if cmd.ProcessState == nil {
			t.Error("Close did not wait for a process")
		}
	}
	p.check(t, "after")
	if len(p.commands) != 3 {
		t.Errorf("it took %d processes, want one after Close", len(p.commands))
	}
}

// The input of a hash never prints.
func TestInputDoesNotPrint(t *testing.T) {
	in := input("secret")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, text := range []string{fmt.Sprintf(format, in), fmt.Sprintf(format, &in)} {
			if strings.Contains(text, "secret") || slices.Contains(strings.Fields(text), "115") {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

func waitForEnd(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		// Windows cannot send this signal, but reports that only for a running process.
		if err := cmd.Process.Signal(syscall.Signal(0)); errors.Is(err, os.ErrProcessDone) {
			return
		}
	}
	t.Fatal("the process did not end")
}
