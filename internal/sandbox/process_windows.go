package sandbox

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// detach keeps a process out of the reach of this one's console.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// ignoreSignals lets a process live until its work is done.
func ignoreSignals() { signal.Ignore(os.Interrupt) }

// signals are what this process receives while the command runs. The console
// sends them to the command as well.
type signals struct{ received chan os.Signal }

func catchSignals() *signals {
	s := &signals{make(chan os.Signal, 16)}
	signal.Notify(s.received, os.Interrupt)
	return s
}

func (s *signals) stop() { signal.Stop(s.received) }

// wait waits for the command to end.
func (s *signals) wait(cmd *exec.Cmd) (Status, error) {
	err := cmd.Wait()
	if cmd.ProcessState == nil {
		return Status{}, err
	}
	return Status{Code: cmd.ProcessState.ExitCode()}, nil
}

// Repeat does nothing: signals do not end processes here.
func (s Status) Repeat() {}

// tie does nothing: the system does not end a process with its parent.
func tie(*exec.Cmd) {}
