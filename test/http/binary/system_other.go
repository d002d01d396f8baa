//go:build !windows

package binary

import (
	"os"
	"os/exec"
	"syscall"
)

// extension is the suffix of the name of a program.
const extension = ""

// separate changes nothing: a signal goes to one process.
func separate(*exec.Cmd) {}

// askToStop sends SIGTERM, as a service manager does.
func askToStop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
