//go:build !windows

package binary

import (
	"os"
	"os/exec"
	"syscall"
)

// extension is the suffix of the name of a program.
const extension = ""

// buildArgs are the arguments of "go" that compile a program. "go run" caches linked
// programs, and here it makes cp copy the program instead of running it. Linking again
// would take seconds, and many packages' tests need the same program.
func buildArgs(program, path string, flags []string) []string {
	return append(append([]string{"run", "-exec", "cp"}, flags...), program, path)
}

// separate does nothing: a signal reaches only one process.
func separate(*exec.Cmd) {}

// askToStop sends SIGTERM, like a service manager does.
func askToStop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
