package hashing_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/hashing"
)

// asWorker in the environment makes this test program a process that hashes.
const asWorker = "USHER_TEST_HASH_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	if err := hashing.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// started is Processes with what a test wants to know of them.
type started struct {
	hashing.Processes
	mu       sync.Mutex
	commands []*exec.Cmd
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

// Many at once get their own hashes, from no more processes than that.
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

// One after the other, they all come from the same process.
func TestProcessIsKept(t *testing.T) {
	p := newProcesses(t, 0)
	for i := range 10 {
		p.check(t, fmt.Sprint("password ", i))
	}
	if len(p.commands) != 1 || p.log.Len() > 0 {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), p.log.String())
	}
}

// A process without work ends by itself, and the next hash starts another.
func TestProcessEndsWhenIdle(t *testing.T) {
	p := newProcesses(t, time.Millisecond)
	p.check(t, "one")
	waitForEnd(t, p.commands[0])
	p.check(t, "two")
	if len(p.commands) != 2 || p.log.Len() > 0 {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), p.log.String())
	}
}

// A process that is killed in the middle keeps nobody waiting, and the next
// hash starts another.
func TestProcessIsKilled(t *testing.T) {
	p := newProcesses(t, time.Minute)
	p.check(t, "before")
	slow := input("during")
	slow.Memory, slow.Time = 16<<10, 4
	var wg sync.WaitGroup
	wg.Go(func() {
		if !bytes.Equal(p.Key(slow), hashing.Here(slow)) {
			t.Error("the hash that was under way is wrong")
		}
	})
	time.Sleep(10 * time.Millisecond)
	if err := p.commands[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	p.check(t, "after")
	if len(p.commands) != 2 || !strings.Contains(p.log.String(), "in the server's own process") {
		t.Errorf("it took %d processes, with the log %q", len(p.commands), p.log.String())
	}
}

// Where no process can be started, passwords are hashed all the same, and the
// log says where.
func TestNoProcess(t *testing.T) {
	p := newProcesses(t, 0)
	p.Command = func() *exec.Cmd { return exec.Command("/nowhere/to/be/found") }
	p.check(t, "secret")
	log := p.log.String()
	if !strings.Contains(log, "/nowhere/to/be/found") || strings.Contains(log, "secret") {
		t.Errorf("the log is %q", log)
	}
}

// Close waits for the processes that rest and for those that hash; what those
// were at is hashed all the same.
func TestClose(t *testing.T) {
	p := newProcesses(t, 0)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { p.check(t, fmt.Sprint("one ", i)) })
	}
	wg.Wait()
	wg.Go(func() { p.check(t, "meanwhile") })
	p.Close()
	wg.Wait()
	p.Close()
	for _, cmd := range p.commands {
		if cmd.ProcessState == nil {
			t.Error("Close did not wait for a process")
		}
	}
	before := len(p.commands)
	p.check(t, "two")
	if len(p.commands) != before+1 {
		t.Errorf("after Close, a hash took %d more processes, want one", len(p.commands)-before)
	}
}

// What is hashed never prints.
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
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return
		}
	}
	t.Fatal("the process did not end")
}
