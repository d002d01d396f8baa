//go:build !windows

package binary

import (
	"os"
	"os/exec"
	"syscall"
)

// extension is the suffix of the name of a program.
const extension = ""

// buildArgs are the arguments of "go" that compile a program. "go run" keeps what it has
// linked, and has cp copy it in place of a run: linking again takes seconds, and many
// packages of tests need the same program.
func buildArgs(program, path string, flags []string) []string {
	return append(append([]string{"run", "-exec", "cp"}, flags...), program, path)
}

// separate changes nothing: a signal goes to one process.
func separate(*exec.Cmd) {}

// askToStop sends SIGTERM, as a service manager does.
func askToStop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
