package binary

import (
	"os"
	"os/exec"
	"syscall"
)

// extension is the suffix of the name of a program.
const extension = ".exe"

var generateConsoleCtrlEvent = syscall.NewLazyDLL("kernel32.dll").NewProc("GenerateConsoleCtrlEvent")

// buildArgs are the arguments of "go" that compile a program.
func buildArgs(program, path string, flags []string) []string {
	return append(append([]string{"build", "-o", path}, flags...), program)
}

// separate puts a command, before its start, in a new process group, so that
// askToStop reaches it and not the test.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// askToStop sends Ctrl-Break: Windows has no SIGTERM for other processes.
func askToStop(p *os.Process) error {
	ok, _, err := generateConsoleCtrlEvent.Call(syscall.CTRL_BREAK_EVENT, uintptr(p.Pid))
	if ok == 0 {
		return os.NewSyscallError("GenerateConsoleCtrlEvent", err)
	}
	return nil
}
