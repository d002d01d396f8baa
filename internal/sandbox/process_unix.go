//go:build unix

package sandbox

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// detach keeps a process out of the reach of what is sent to this one's terminal
// and group.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// ignoreSignals lets a process live until its work is done.
func ignoreSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
}

// passedOn are the signals that are passed on to the command. SIGTSTP is one of them: the
// command decides whether it stops, and this process stops when it has.
var passedOn = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
	syscall.SIGTSTP, syscall.SIGWINCH,
}

// signals are what this process receives while the command runs.
type signals struct{ received chan os.Signal }

// catchSignals receives signals from now on. What was ignored stays so: nohup
// ignores SIGHUP.
func catchSignals() *signals {
	s := &signals{make(chan os.Signal, 16)}
	for _, sig := range append(passedOn, syscall.SIGCHLD) {
		if !signal.Ignored(sig) {
			signal.Notify(s.received, sig)
		}
	}
	return s
}

func (s *signals) stop() { signal.Stop(s.received) }

// wait waits for the command to end, and meanwhile passes signals on to it and
// stops when it stops.
func (s *signals) wait(cmd *exec.Cmd) (Status, error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return statusOf(cmd, err)
		case sig := <-s.received:
			switch {
			case sig == syscall.SIGCHLD:
				followStop(cmd.Process.Pid)
			case !fromTerminal(sig):
				_ = cmd.Process.Signal(sig)
			}
		}
	}
}

// fromTerminal reports whether a signal probably came from the terminal, of a key or of
// its new size: then the terminal has sent it to the command as well.
func fromTerminal(sig os.Signal) bool {
	switch sig {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH:
	default:
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// followStop stops this process if the command has stopped, so that the shell
// notices, and continues the command when the shell continues this process.
func followStop(pid int) {
	if !hasStopped(pid) {
		return
	}
	runtime.LockOSThread() // the signal reaches this thread before it continues
	defer runtime.UnlockOSThread()
	stopThread()
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

// statusOf is how a command ended.
func statusOf(cmd *exec.Cmd, err error) (Status, error) {
	if cmd.ProcessState == nil {
		return Status{}, err
	}
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return Status{128 + int(ws.Signal()), ws.Signal()}, nil
	}
	return Status{Code: cmd.ProcessState.ExitCode()}, nil
}

// repeatTimeout is how long a signal may take to end this process.
const repeatTimeout = time.Second

// Repeat ends this process as the command ended, if a signal ended the command.
// It returns if that is not possible: the exit code is then s.Code.
func (s Status) Repeat() {
	if s.Signal == 0 {
		return
	}
	signal.Reset(s.Signal)
	defaultAction(s.Signal)
	if syscall.Kill(os.Getpid(), s.Signal) == nil {
		time.Sleep(repeatTimeout)
	}
}
