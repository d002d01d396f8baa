//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// tie does nothing: no such system ends a process with its parent.
func tie(*exec.Cmd) {}

// hasStopped reports whether a child has stopped.
func hasStopped(pid int) bool {
	var status unix.WaitStatus
	got, err := unix.Wait4(pid, &status, unix.WUNTRACED|unix.WNOHANG, nil)
	return err == nil && got == pid && status.Stopped()
}

// stopThread stops this process.
func stopThread() { _ = unix.Kill(unix.Getpid(), unix.SIGSTOP) }

// defaultAction does nothing. Go's runtime lets SIGHUP, SIGINT, SIGTERM and SIGKILL
// end this process; the others do not.
func defaultAction(syscall.Signal) {}
