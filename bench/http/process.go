package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that this program started and will stop.
type process struct {
	cmd *exec.Cmd
	url string // without a slash at its end
}

// command is exec.CommandContext with a graceful stop.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// stop stops the process and waits until it has exited. It ignores the exit code, because
// the responses have been checked.
func (p process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(p.cmd.WaitDelay, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait()
}

// tick is the unit of the times in /proc: Linux shows them in hundredths of a
// second on every machine that Go runs on.
const tick = 10 * time.Millisecond

// cpu returns the CPU time, user and system, of the process and its running children.
func (p process) cpu() (sum time.Duration, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just exited
		}
		s, err := parseStat(text)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", path, err)
		}
		if pid := p.cmd.Process.Pid; s.pid == pid || s.parent == pid {
			sum += s.used
		}
	}
	return sum, nil
}

// stat is the contents of /proc/PID/stat.
type stat struct {
	pid, parent int
	used        time.Duration
}

// parseStat reads the fields 1 and 4, and the fields 14 and 15, which are utime and stime.
// Field 2 is the program's name, which may contain any characters, so fields are counted
// after it.
func parseStat(text []byte) (s stat, err error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return s, fmt.Errorf("only %d fields after the name", len(fields))
	}
	var user, system int64
	if _, err := fmt.Sscan(string(text), &s.pid); err != nil {
		return s, err
	}
	wanted := bytes.Join([][]byte{fields[1], fields[11], fields[12]}, []byte(" "))
	_, err = fmt.Sscan(string(wanted), &s.parent, &user, &system)
	s.used = time.Duration(user+system) * tick
	return s, err
}

// resident returns the resident memory of the process in bytes.
func (p process) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in /proc/PID/status")
}
